"""Maps on streams by workers: the same items in the same order, and the same states, whoever does it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import Batch, Dataset, RecordError, Retry, Stream, Threads
from headrace.core.failures import OnError
from headrace.core.flow import Flow
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.parallel import Doing
from headrace.testing.stages import StageTests, as_json, check_cuts
from headrace.workers.inline import Inline
from headrace.workers.prefetch import Prefetch
from headrace.workers.work import Workers
from tests.stages import chains

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")


def doing(threads: int, prefetch: int | None = None, on_error: OnError = "raise") -> Doing:
    workers: Workers = Threads(threads) if threads else Inline()
    return Doing(workers, Prefetch(prefetch), on_error=on_error)


def odd_one_out(number: int) -> int:
    if number % 5 == 3:
        raise ValueError(number)
    return number * 10


class TestThreads(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return self.over(Iterate.of(range(13)))

    def over(self, upstream: Flow) -> Flow:
        return Map.of(upstream, chains.stir, doing=doing(2))


class TestSeededAheadOfAGenerator(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return self.over(Iterate.of(chains.count_up, (13,)))

    def over(self, upstream: Flow) -> Flow:
        return Map.of(upstream, chains.scatter, 3, doing=doing(3, 5))


class TestLeavingOut(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Map.of(Iterate.of(range(13)), odd_one_out, doing=doing(2, 3, "skip"))


class TestOverADataset(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Map.of(Dataset(range(9)).shuffle(0).batch(2).stream(2)._flow, chains.scatter, 3, doing=doing(2))


@given(spec=chains.chains(), seed=st.none() | st.integers(0, 5), data=st.data())
@settings(max_examples=60)
def test_over_any_chain_states_are_gone_on_with_by_any_number_of_threads(
    spec: chains.Spec, seed: int | None, data: st.DataObject
) -> None:
    function = chains.stir if seed is None else chains.scatter
    counts = [0, 1, 2, 5]
    flows = [Map.of(chains.build(spec), function, seed, doing=doing(threads, threads + 1)) for threads in counts]
    expected = [repr(item) for item in islice(flows[0].start(), chains.LIMIT)]
    found: list[str] = []
    state = None
    while len(found) < len(expected):
        cursor = data.draw(st.sampled_from(flows)).start(state)
        found += [repr(item) for item in islice(cursor, data.draw(st.integers(1, 20)))]
        state = as_json(cursor)
        cursor.close()
    assert found[: len(expected)] == expected
    check_cuts(flows[2], 1, 15)


@pytest.mark.parametrize("prefetch", [1, 2, 7, 40])
@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_drawn_than_prefetch_allows_and_a_paused_consumer_stops_it(threads: int, prefetch: int) -> None:
    drawn = [0]

    def numbers() -> Iterator[int]:
        for number in count():
            drawn[0] += 1
            yield number

    iterator = iter(Stream(numbers).map(lambda x: x, workers=Threads(threads), prefetch=prefetch))
    for taken in range(1, 200):
        next(iterator)
        assert drawn[0] <= taken + prefetch
    before = drawn[0]
    time.sleep(0.05)
    assert drawn[0] == before
    iterator.close()


def test_a_bound_of_bytes_holds() -> None:
    drawn = [0]

    def arrays() -> Iterator[Any]:
        for _ in range(200):
            drawn[0] += 1
            yield np.zeros(10_000, np.uint8)

    iterator = iter(Stream(arrays).map(lambda x: x, workers=Threads(2), prefetch="100 kB"))
    for taken in range(1, 100):
        next(iterator)
        assert drawn[0] <= taken + 12
    iterator.close()


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("bad", [0, 3, 100])
def test_items_before_an_error_come_first_and_the_step_is_tried_again(threads: int, bad: int) -> None:
    def function(number: int) -> int:
        if number == bad:
            raise KeyError(number)
        return number

    iterator = iter(Stream(range(130)).map(function, workers=Threads(threads) if threads else 0))
    assert [next(iterator) for _ in range(bad)] == list(range(bad))
    for _ in range(3):
        with pytest.raises(RecordError, match=f"failed on item {bad}: KeyError: {bad}"):
            next(iterator)
        assert iterator.state_dict()["at"]["count"] == bad
    iterator.close()


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_upstream_comes_in_its_turn_and_again(threads: int) -> None:
    upstream = Stream(range(70)).map(lambda x: 1 // (50 - x) and x)
    iterator = iter(upstream.map(lambda x: x, workers=Threads(threads) if threads else 0))
    assert len([next(iterator) for _ in range(50)]) == 50
    for _ in range(3):
        with pytest.raises(RecordError, match="item 50: ZeroDivisionError"):
            next(iterator)


def test_a_cursor_that_is_not_restarted_goes_on_behind_the_item_that_failed() -> None:
    for threads in (0, 2):
        cursor = Map.of(Iterate.of(range(40)), odd_one_out, doing=doing(threads, 12)).start()
        found: list[Any] = []
        for _ in range(40):
            try:
                found.append(next(cursor))
            except RecordError:
                found.append(None)
        cursor.close()
        assert found == [None if number % 5 == 3 else number * 10 for number in range(40)]


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_a_failing_item_is_asked_for_once(threads: int) -> None:
    calls: list[int] = []

    def function(number: int) -> int:
        calls.append(number)
        if number == 60:
            raise ValueError
        return number

    workers = Threads(threads) if threads else 0
    stream = Stream(range(80)).map(function, workers=workers, on_error=Retry(2, wait=0))
    with pytest.raises(RecordError, match="item 60"):
        stream.list()
    assert calls.count(60) == 3
    calls.clear()
    skipping = Stream(range(80)).map(function, workers=workers, on_error="skip")
    assert len(skipping.list()) == 79
    assert calls.count(60) == 1


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("kind", [StopIteration, GeneratorExit])
def test_what_would_end_a_loop_quietly_is_an_error(kind: type[BaseException], threads: int) -> None:
    def function(number: int) -> int:
        if number == 3:
            raise kind("mine")
        return number

    def through(stream: Stream) -> Iterator[int]:
        yield from stream

    for seed in (None, 0):
        last = Stream(range(9)).map(
            function if seed is None else lambda x, rng: function(x), seed, Threads(threads) if threads else 0
        )
        with pytest.raises(RecordError, match=f"item 3: {kind.__name__}: mine"):
            list(through(last))


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_to_end_the_program_does(kind: type[BaseException], threads: int) -> None:
    def function(number: int) -> int:
        if number == 30:
            raise kind("mine")
        return number

    found = []
    with pytest.raises(kind, match="mine"):
        for number in Stream(range(50)).map(function, workers=Threads(threads) if threads else 0):
            found.append(number)
    assert found == list(range(30))


def test_other_items_draw_the_same_numbers_when_one_is_left_out() -> None:
    def noisy(number: int, rng: np.random.Generator) -> float:
        drawn = number + float(rng.random())
        if number in (4, 17):
            raise ValueError
        return drawn

    whole = Stream(range(30)).map(lambda x, rng: x + float(rng.random()), seed=1).list()
    expected = [drawn for number, drawn in enumerate(whole) if number not in (4, 17)]
    for threads in (0, 1, 4):
        workers = Threads(threads) if threads else 0
        stream = Stream(range(30)).map(noisy, seed=1, workers=workers, on_error="skip")
        assert stream.list() == expected
        assert [(failure.record, failure.stage) for failure in stream.errors] == [
            (4, "map(noisy, seed=1)"),
            (17, "map(noisy, seed=1)"),
        ]


@pytest.mark.parametrize("threads", [0, 2])
def test_what_is_tried_again_is_a_fresh_item(threads: int) -> None:
    tries: dict[int, int] = {}

    def function(item: Any) -> Any:
        item["n"] += 100
        item["a"] += 1
        number = int(item["n"].item()) - 100
        tries[number] = tries.get(number, 0) + 1
        if tries[number] < 3 and number % 2:
            raise OSError
        return item

    def items(make: Any) -> list[Any]:
        return [make({"n": np.array(number), "a": np.zeros(2)}) for number in range(6)]

    for make in (dict, lambda columns: Batch({"n": columns["n"][None], "a": columns["a"][None]})):
        tries.clear()
        one = make is dict
        function_of = function if one else lambda batch: batch.with_columns(**function(dict(batch.items())))
        workers = Threads(threads) if threads else 0
        found = Stream(items(make)).map(function_of, workers=workers, on_error=Retry(2, wait=0)).list()
        assert [int(np.asarray(item["n"]).ravel()[0]) for item in found] == [100 + number for number in range(6)]
        assert all(np.all(np.asarray(item["a"]) == 1) for item in found)


def test_a_function_puts_something_in_the_place_of_what_failed() -> None:
    given: list[tuple[str, Any]] = []

    def instead(error: Exception, item: Any) -> Any:
        given.append((type(error).__name__, item))
        return hr.SKIP if item == 8 else -item

    for threads in (0, 2):
        stream = Stream(range(15)).map(odd_one_out, workers=Threads(threads) if threads else 0, on_error=instead)
        assert stream.list() == [-3 if x == 3 else -13 if x == 13 else x * 10 for x in range(15) if x != 8]
        assert [(failure.record, failure.replaced) for failure in stream.errors] == [(3, True), (8, False), (13, True)]
    expected = [("ValueError", 3), ("ValueError", 8), ("ValueError", 13)]
    assert given[:3] == expected and sorted(given[3:], key=lambda call: call[1]) == expected  # threads ask in any order


def test_a_function_that_fails_itself_is_named() -> None:
    def instead(error: Exception, item: Any) -> Any:
        raise LookupError("nothing to put there")

    with pytest.raises(
        RecordError, match=r"on_error=instead failed on item 3, which had failed: LookupError"
    ) as raised:
        Stream(range(9)).map(odd_one_out, on_error=instead).list()
    assert isinstance(raised.value.__cause__, LookupError)

    def over(error: Exception, item: Any) -> Any:
        raise error

    with pytest.raises(RecordError, match=r"map\(odd_one_out\) failed on item 3: ValueError: 3"):
        Stream(range(9)).map(odd_one_out, on_error=over).list()


def test_a_budget_of_items_and_of_a_fraction_of_those_seen() -> None:
    for threads in (0, 2):
        workers = Threads(threads) if threads else 0
        exact = Stream(range(50)).map(odd_one_out, workers=workers, on_error="skip", max_errors=9)
        with pytest.raises(RecordError, match="10 different records have failed, and max_errors=9"):
            exact.list()
        assert len(exact.errors) == 10
        large = [np.full(1000, number) for number in range(50)]
        fraction = Stream(large).map(
            lambda array: odd_one_out(int(array[0])), workers=workers, on_error="skip", max_errors=0.1
        )
        with pytest.raises(RecordError, match=r"max_errors=0\.1 allows"):  # of the items, not of their rows
            fraction.list()


def test_skip_is_for_on_error_only() -> None:
    def leave_out(number: int) -> Any:
        return hr.SKIP if number == 2 else number

    for workers in (0, Threads(2)):
        with pytest.raises(RecordError, match=r"item 2: .*it returned SKIP, which only an on_error function may"):
            Stream(range(4)).map(leave_out, workers=workers).list()


@pytest.mark.parametrize("end", ["close", "break", "error", "collected", "end"])
def test_no_thread_is_left(end: str) -> None:
    def function(number: int) -> int:
        if number == 20 and end == "error":
            raise ValueError
        return number

    iterator = iter(Stream(range(40)).map(function, workers=Threads(3)))
    try:
        for number in iterator:
            if number == 5 and end in ("close", "break", "collected"):
                break
    except RecordError:
        assert end == "error"
    if end == "close":
        iterator.close()
    if end in ("break", "collected"):
        del iterator
    assert not [thread for thread in threading.enumerate() if thread.name == "headrace"]


def test_a_round_of_a_repeat_is_no_new_iteration_for_what_failed() -> None:
    stream = Stream(range(9)).map(odd_one_out, workers=Threads(2), on_error="skip").repeat(3)
    assert len(stream.list()) == 21
    assert [failure.record for failure in stream.errors] == [3, 8]
    assert len(stream.list()) == 21
    assert len(stream.errors) == 2


def test_maps_on_maps_each_with_threads_of_their_own() -> None:
    stream = Stream(range(60))
    for step in range(4):
        stream = stream.map(lambda x, rng, step=step: x + step + rng.random(), seed=step, workers=Threads(2))
    plain = Stream(range(60))
    for step in range(4):
        plain = plain.map(lambda x, rng, step=step: x + step + rng.random(), seed=step)
    assert stream.list() == plain.list()
