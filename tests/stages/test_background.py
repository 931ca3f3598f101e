"""A whole stream elsewhere: the same items, the same states, its errors and its end."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import Dataset, RecordError, StateError, Stream, Threads, WorkerError
from headrace.core.flow import Flow
from headrace.stages.background import Background
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.testing.stages import StageTests, as_json, check_cuts
from headrace.workers.prefetch import Prefetch
from tests.stages import chains

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")


def elsewhere(upstream: Flow, batches: int = 64, nbytes: int = 64_000_000) -> Background:
    """Return a flow that is gone through by a thread: all that a process is asked for, and quick to start."""
    return Background(upstream, Threads(1), Prefetch(batches, nbytes))


class TestOfNumbers(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return elsewhere(Iterate.of(range(13)))

    def over(self, upstream: Flow) -> Flow:
        return elsewhere(upstream)


class TestOfAGenerator(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return elsewhere(Map.of(Iterate.of(chains.draw, (13,), seed=1), chains.scatter, 2))


class TestOfADataset(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return elsewhere(Dataset(range(17)).shuffle(0).batch(3).stream(2)._flow, 3)


class TestInTheMiddle(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Map.of(elsewhere(Filter.of(Iterate.of(range(20)), chains.Keeps(3))), chains.scatter, 0)


@given(spec=chains.chains(), epoch=st.sampled_from([0, 3]))
@settings(max_examples=40)
def test_any_chain_may_go_on_elsewhere_and_be_cut_anywhere(spec: chains.Spec, epoch: int) -> None:
    flow = elsewhere(chains.build(spec))
    plain, cursor = chains.build(spec).start(epoch=epoch), flow.start(epoch=epoch)
    assert [repr(item) for item in islice(cursor, 25)] == [repr(item) for item in islice(plain, 25)]
    plain.close()
    cursor.close()
    check_cuts(flow, epoch, 25)


def test_a_process_gives_the_same_and_its_states_are_gone_on_with() -> None:
    def numbers(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        for number in range(200):
            yield {"n": number, "x": rng.random(100), "text": "x" * number}

    plain = Stream(numbers, seed=3).map(lambda item, rng: {**item, "y": rng.random()}, seed=1)
    expected = plain.list()
    iterator = iter(plain.background())
    found = [next(iterator) for _ in range(77)]
    state = iterator.state_dict()
    iterator.close()
    found += plain.background(buffer="1 MB").resume(state).list()
    for one, other in zip(found, expected, strict=True):
        assert (one["n"], one["y"], one["text"]) == (other["n"], other["y"], other["text"])
        assert np.array_equal(one["x"], other["x"])


def test_an_error_comes_behind_the_items_before_it_and_is_not_gone_past() -> None:
    def keeps(number: int) -> bool:
        if number == 5003:
            raise KeyError(number)
        return True

    stream = Stream(range(9000)).filter(keeps).background()
    found = []
    with pytest.raises(RecordError, match=r"filter\(keeps\) failed on item 5003: KeyError: 5003") as raised:
        for number in stream:
            found.append(number)
    assert found == list(range(5003))
    assert isinstance(raised.value.__cause__, KeyError)
    assert "in keeps" in "".join(raised.value.__notes__ + raised.value.__cause__.__notes__)


@pytest.mark.parametrize("kind", [ValueError, StopIteration, GeneratorExit, KeyboardInterrupt, SystemExit])
def test_an_error_of_any_kind_in_the_generator_arrives(kind: type[BaseException]) -> None:
    def items() -> Iterator[int]:
        yield from range(300)
        raise kind("mine")

    found = []
    with pytest.raises(BaseException) as raised:
        for number in Stream._of(elsewhere(Iterate.of(items))):
            found.append(number)
    assert found == list(range(300))
    chain = [raised.value, raised.value.__cause__]
    assert any(isinstance(error, kind) or kind.__name__ in str(error) for error in chain)


def test_the_step_that_failed_is_tried_again() -> None:
    flow = elsewhere(Filter.of(Iterate.of(range(90)), lambda number: 1 // (50 - number) or True))
    iterator = iter(Stream._of(flow))
    assert len([next(iterator) for _ in range(50)]) == 50
    for _ in range(3):
        with pytest.raises(RecordError, match="item 50: ZeroDivisionError"):
            next(iterator)
        state = iterator.state_dict()["at"]
        assert state["count"] == 50
    iterator.close()


def test_the_death_of_the_process_is_an_error_soon() -> None:
    def items() -> Iterator[Any]:
        yield os.getpid()
        while True:
            time.sleep(0.001)
            yield np.zeros(100_000)

    iterator = iter(Stream(items).background(buffer="2 MB"))
    os.kill(next(iterator), signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(WorkerError, match="SIGKILL"):
        for _ in range(200):
            next(iterator)
    assert time.monotonic() - began < 2
    iterator.close()


@pytest.mark.parametrize("threads", [True, False])
def test_a_paused_consumer_stops_the_producer(threads: bool, tmp_path: Path) -> None:
    log = tmp_path / "made"

    def items() -> Iterator[Any]:
        with log.open("a") as out:
            for number in count():
                out.write("x")
                out.flush()
                yield np.full(100_000, number, np.uint8)

    stream = Stream._of(elsewhere(Iterate.of(items), nbytes=10**6)) if threads else Stream(items).background("1 MB")
    iterator = iter(stream)
    for taken in range(1, 40):
        assert next(iterator)[0] == taken - 1
        made = log.stat().st_size
        assert made <= taken + 16  # 10 fill the buffer; those that travel together may be over
    time.sleep(0.1)
    made = log.stat().st_size
    time.sleep(0.1)
    assert log.stat().st_size == made <= 39 + 16
    iterator.close()


def test_closing_ends_a_generator_that_makes_nothing() -> None:
    started = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        started.set()
        time.sleep(0.3)
        yield 2

    iterator = iter(Stream._of(elsewhere(Iterate.of(items))))
    assert next(iterator) == 1
    started.wait(5)
    began = time.monotonic()
    iterator.close()
    assert time.monotonic() - began < 5
    assert not [thread for thread in threading.enumerate() if thread.name == "headrace"]


def test_what_was_left_out_there_is_listed_here() -> None:
    ds = Dataset(range(40)).map(lambda x: 10 // (x % 10) and x).batch(4)
    stream = ds.stream(on_error="skip").background()
    assert sum(len(batch) for batch in stream) == 36
    assert [failure.record for failure in stream.errors] == [0, 10, 20, 30]
    assert all(isinstance(failure.error, ZeroDivisionError) for failure in stream.errors)
    spent = ds.stream(on_error="skip", max_errors=2).background()
    with pytest.raises(RecordError, match="3 different records have failed, and max_errors=2"):
        spent.list()


def test_several_rounds_list_a_record_once() -> None:
    upstream = Stream(range(9)).map(lambda x: 1 // (x % 4) and x, on_error="skip")
    for flow in (elsewhere(upstream._flow), elsewhere(upstream.repeat(3)._flow)):
        stream = Stream._of(flow) if "repeat" in repr(Stream._of(flow)) else Stream._of(flow).repeat(3)
        assert len(stream.list()) == 18
        assert [failure.record for failure in flow.ledger.failures] == [0, 4, 8]


@pytest.mark.parametrize(
    "damage", [{"count": "x"}, {"count": -1}, {"upstream": 3}, {"behind": -1}, {"behind": None}, {"upstream": None}]
)
def test_a_damaged_state_is_refused(damage: dict[str, Any]) -> None:
    flow = elsewhere(Iterate.of(range(20)))
    cursor = flow.start()
    for _ in range(5):
        next(cursor)
    state = as_json(cursor)
    cursor.close()
    if damage == {"upstream": None}:
        state.pop("behind", None)
    with pytest.raises(StateError):
        list(flow.start({**state, **damage}))


def test_nothing_runs_before_the_first_item_is_asked_for_nor_after_the_last() -> None:
    started: list[int] = []

    def items() -> Iterator[int]:
        started.append(1)
        yield from range(5)

    iterator = iter(Stream._of(elsewhere(Iterate.of(items))))
    assert not started
    assert list(iterator) == list(range(5))
    assert not [thread for thread in threading.enumerate() if thread.name == "headrace"]
    dropped = iter(Stream._of(elsewhere(Iterate.of(items))))
    next(dropped)
    del dropped
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name == "headrace"]


def test_its_words_and_its_length() -> None:
    stream = Stream(range(7)).background()
    assert len(stream) == 7
    assert "range(0, 7) -> background()" in repr(stream)
    with pytest.raises(hr.ArgumentError, match="buffer must be"):
        Stream(range(7)).background(buffer="none")
