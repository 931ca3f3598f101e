"""Streams that fail in the middle: named, left out, tried again, replaced; nothing is lost and nothing doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.core.errors import KindError, OrderError, RecordError
from tests.mux.made import as_json, check_every_cut, columns, dataset, generator, some

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")


def fails(after: int, error: type[BaseException] = OSError) -> Iterator[tuple[str, int]]:
    for number in range(after):
        yield "failing", number
    raise error("the line is down")


MUXES: dict[str, Callable[..., Any]] = {
    "stochastic": lambda streams, **given: hr.StochasticMux(streams, len(streams), None, mode="exhaustive", **given),
    "shuffled": lambda streams, **given: hr.ShuffledMux(streams, **given),
    "in turns": lambda streams, **given: hr.RoundRobinMux(streams, **given),
    "chained": lambda streams, **given: hr.ChainMux(streams, **given),
    "lazily": lambda streams, **given: hr.ChainMux(lambda: iter(streams), **given),
    "mixed": lambda streams, **given: hr.mix([hr.Stream(one) for one in streams], stop="longest", **given),
}
FINITE = ["stochastic", "in turns", "chained", "lazily"]


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("kind", MUXES)
def test_an_error_names_the_stream_and_the_next_call_tries_again(kind: str, after: int) -> None:
    mux = MUXES[kind]([generator("a", 3), hr.Stream(fails, after), generator("b", 9)])
    with iter(mux) as running:
        for _ in range(2):
            with pytest.raises(RecordError, match=r"^stream 1 of .*the line is down") as raised:
                some(running, 60)
            assert isinstance(raised.value.__cause__, OSError)
            assert f"fails({after})" in str(raised.value)


def test_what_a_step_raises_on_purpose_keeps_its_kind() -> None:
    mux = hr.RoundRobinMux([generator("a", 2), hr.Stream([1, 2]).unbatch()])
    with pytest.raises(KindError) as raised:
        mux.list()
    assert any("in stream 1 of RoundRobinMux(2 streams)" in note for note in raised.value.__notes__)


@pytest.mark.parametrize("kind", FINITE)
@pytest.mark.parametrize("after", [0, 2])
def test_a_stream_that_is_skipped_has_ended(kind: str, after: int) -> None:
    mux = MUXES[kind]([generator("a", 3), hr.Stream(fails, after), generator("b", 4)], on_error="skip")
    items = check_every_cut(mux, 30)
    expected = [("a", n) for n in range(3)] + [("b", n) for n in range(4)] + [("failing", n) for n in range(after)]
    assert sorted(items) == sorted(expected)
    mux.list()
    assert len(mux.errors) == 1
    failure = mux.errors[0]
    assert isinstance(failure.error, OSError)
    assert failure.source.startswith("stream 1: fails(") and failure.record == after and not failure.replaced


@pytest.mark.parametrize("kind", FINITE)
def test_a_function_puts_an_item_in_its_place(kind: str) -> None:
    seen: list[Any] = []

    def instead(error: Exception, stream: int) -> Any:
        seen.append((type(error), stream))
        return ("instead", stream)

    mux = MUXES[kind]([generator("a", 2), hr.Stream(fails, 1), generator("b", 3)], on_error=instead)
    assert sorted(check_every_cut(mux, 30)) == sorted(
        [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("failing", 0), ("instead", 1)]
    )
    assert set(seen) == {(OSError, 1)}
    mux.list()
    assert [failure.replaced for failure in mux.errors] == [True]


@pytest.mark.parametrize("kind", FINITE)
def test_a_function_may_skip(kind: str) -> None:
    mux = MUXES[kind]([generator("a", 2), hr.Stream(fails, 1)], on_error=lambda error, stream: hr.SKIP)
    assert sorted(mux.list()) == [("a", 0), ("a", 1), ("failing", 0)]


def test_none_and_falsy_items_may_be_put_in_the_place() -> None:
    values: list[Any] = [None, 0, ""]
    for value in values:
        mux = hr.ChainMux([hr.Stream(fails, 0), [1]], on_error=lambda error, stream: value)  # noqa: B023
        assert mux.list() == [value, 1]


def test_a_function_that_fails_is_named() -> None:
    mux = hr.RoundRobinMux([hr.Stream(fails, 0)], on_error=lambda error, stream: 1 / 0)
    with pytest.raises(RecordError, match=r"on_error=lambda failed.*stream 0, which had failed.*division by zero"):
        mux.list()


class Shaky:
    """A stream that fails at an item so many times, then goes on."""

    def __init__(self, times: int, at: int = 2) -> None:
        self.left, self.at = times, at
        self.begun = 0

    def __iter__(self) -> Iterator[int]:
        self.begun += 1
        for number in range(4):
            if number == self.at and self.left:
                self.left -= 1
                raise OSError("shaky")
            yield number


@pytest.mark.parametrize("kind", FINITE)
@pytest.mark.parametrize("at", [0, 2, 3])
def test_a_stream_that_recovers_in_a_retry_loses_nothing(kind: str, at: int) -> None:
    shaky = Shaky(2, at)
    mux = MUXES[kind]([hr.Stream(shaky), [10, 11]], on_error=hr.Retry(3, wait=0))
    assert sorted(mux.list()) == [0, 1, 2, 3, 10, 11]
    assert (shaky.begun, mux.errors) == (3, [])


@pytest.mark.parametrize("then", ["raise", "skip"])
def test_a_stream_that_does_not_recover_is_raised_or_skipped(then: Any) -> None:
    mux = hr.RoundRobinMux([hr.Stream(Shaky(9)), [10, 11, 12]], on_error=hr.Retry(2, wait=0, then=then))
    if then == "raise":
        with pytest.raises(RecordError, match=r"stream 0 of .*shaky"):
            mux.list()
    else:
        assert mux.list() == [0, 10, 1, 11, 12]
        assert len(mux.errors) == 1


def test_only_some_errors_are_tried_again() -> None:
    shaky = Shaky(1)
    mux = hr.RoundRobinMux([hr.Stream(shaky)], on_error=hr.Retry(3, wait=0, only=ValueError))
    with pytest.raises(RecordError, match="shaky"):
        mux.list()
    assert shaky.begun == 1


def test_a_stream_that_ends_earlier_in_a_retry_has_ended() -> None:
    class Shorter:
        begun = 0

        def __iter__(self) -> Iterator[int]:
            Shorter.begun += 1
            yield 0
            if Shorter.begun == 1:
                yield 1
                raise OSError("shorter now")

    mux = hr.RoundRobinMux([hr.Stream(Shorter()), [10, 11, 12]], on_error=hr.Retry(1, wait=0))
    assert mux.list() == [0, 10, 1, 11, 12]


def test_too_many_errors_are_raised_with_a_count() -> None:
    streams = [hr.Stream(fails, 1).map(dict_of(name)) for name in range(5)] + [generator("a", 3)]
    mux = hr.RoundRobinMux(streams, on_error="skip", max_errors=3)
    with pytest.raises(RecordError, match="4 different records have failed, and max_errors=3 allows 3"):
        mux.list()
    assert len(hr.RoundRobinMux(streams, on_error="skip", max_errors=5).list()) == 8


def dict_of(name: int) -> Callable[[Any], Any]:
    return lambda item: {"name": name, "item": item}


def test_errors_of_an_iteration_are_its_own() -> None:
    """Policies of streams below a mux begin anew with it, though these have epochs of their own."""
    streams = [hr.Stream([1, 0, 2]).map(lambda x: 1 // x, on_error="skip", max_errors=1) for _ in range(3)]
    inner = hr.RoundRobinMux([generator("a", 1), hr.Stream(fails, 0)], on_error="skip", max_errors=1)
    mux = hr.RoundRobinMux([*streams, inner])
    for _ in range(4):
        assert mux.list() == [1, 1, 1, ("a", 0), 0, 0, 0]
        assert len(mux.errors) == 4


def test_a_stream_that_always_fails_cannot_go_on_for_ever() -> None:
    for prune in (True, False):
        mux = hr.StochasticMux([hr.Stream(fails, 0)], 1, 3, prune_empty_streams=prune, on_error="skip")
        with pytest.raises(OrderError):
            some(mux, 1)
    with pytest.raises(OrderError, match="are empty"):
        some(hr.ShuffledMux([hr.Stream(fails, 0)], on_error="skip"), 1)
    with pytest.raises(OrderError):
        some(hr.mix([hr.Stream(fails, 0)], stop="longest", on_error="skip"), 1)


def test_a_mux_that_leaves_streams_out_does_not_know_its_length() -> None:
    for mux in (
        hr.RoundRobinMux([Sequence(1), [1, 2]], on_error="skip"),
        hr.ChainMux([Sequence(1), [1, 2]], on_error=hr.Retry(1, wait=0, then="skip")),
        hr.mix([hr.Stream([1]), hr.Stream([1, 2])], on_error="skip"),
        hr.StochasticMux([Sequence(1), [1, 2]], 1, None, mode="exhaustive", on_error=lambda error, stream: 0),
    ):
        with pytest.raises(TypeError, match="not known"):
            len(mux)
    assert len(hr.RoundRobinMux([Sequence(1), [1, 2]], on_error=hr.Retry(2))) == 5


class Sequence:
    """A sequence whose item is missing."""

    def __init__(self, missing: int) -> None:
        self.missing = missing

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> int:
        if index == self.missing:
            raise ValueError("missing")
        return index


@pytest.mark.parametrize("kind", MUXES)
def test_ctrl_c_in_a_stream_loses_nothing(kind: str) -> None:
    pressed = [True]

    def interrupted() -> Iterator[int]:
        for number in range(8):
            if number == 3 and pressed[0]:
                pressed[0] = False
                raise KeyboardInterrupt
            yield number

    mux = MUXES[kind]([hr.Stream(interrupted), range(10, 18), [20]])
    pressed[0] = False
    expected = some(mux, 40)
    pressed[0] = True
    found: list[int] = []
    with iter(mux) as running:
        with pytest.raises(KeyboardInterrupt):
            for item in running:
                found.append(item)
        state, before = as_json(running.state_dict()), len(found)
        found += some(running, 40 - before)
    assert found == expected
    assert some(mux.resume(state), 3) == expected[before : before + 3]


@pytest.mark.parametrize("error", [GeneratorExit, StopIteration, StopAsyncIteration, RuntimeError])
@pytest.mark.parametrize("kind", ["stochastic", "in turns", "chained", "lazily"])
def test_no_error_of_a_generator_looks_like_its_end(kind: str, error: type[BaseException]) -> None:
    mux = MUXES[kind]([generator("a", 2), hr.Stream(fails, 1, error), generator("b", 2)])
    with pytest.raises((RecordError, GeneratorExit)):
        mux.list()


@pytest.mark.parametrize("batched", [False, True])
def test_a_record_of_a_dataset_that_fails_is_named_with_its_stream(batched: bool) -> None:
    def broken(record: Any) -> Any:
        if record[1] == 3 and record[0] == "b":
            raise ValueError("rotten")
        return record

    mux = hr.RoundRobinMux([dataset("a", 5), dataset("b", 5).map(broken), dataset("c", 5)])
    with iter(mux.batch(3) if batched else mux) as running:
        assert len(some(running, 3 if batched else 10)) == (3 if batched else 10)
        state = running.state_dict()
        for _ in range(2):
            with pytest.raises(RecordError, match=r"stream 1 of RoundRobinMux\(3 streams\).*rotten") as raised:
                next(running)
            assert isinstance(raised.value.__cause__, ValueError)
        assert running.state_dict() == state


def test_a_dataset_that_recovers_goes_on_where_it_was() -> None:
    broken = [True]

    def shaky(record: Any) -> Any:
        if record["n"] == 5 and broken[0]:
            raise OSError("shaky")
        return record

    mux = hr.ShuffledMux([columns(0, 9), columns(1, 9).map(shaky)], seed=1)
    broken[0] = False
    expected = [(row["stream"], row["n"]) for row in some(mux, 40)]
    broken[0] = True
    found: list[tuple[int, int]] = []
    with iter(mux) as running:
        while len(found) < 40:
            try:
                row = next(running)
            except RecordError:
                assert broken[0]
                broken[0] = False
            else:
                found.append((row["stream"], row["n"]))
    assert found == expected


def test_records_that_differ_are_fine_as_items_and_refused_in_a_batch() -> None:
    streams = [hr.Dataset(x=np.arange(4)), hr.Dataset(y=np.arange(4))]
    for made in (streams, [hr.Stream(one).map(dict) for one in streams]):
        mux = hr.RoundRobinMux(made)
        assert [sorted(row) for row in mux] == [["x"], ["y"]] * 4
        with pytest.raises(hr.SchemaError, match=r"columns|fields"):
            mux.batch(4).list()
        chained = hr.ChainMux(made)
        assert [sorted(batch) for batch in chained.batch(4)] == [["x"], ["y"]]
    mixed: Any = hr.RoundRobinMux([hr.Dataset(x=np.arange(3)), dataset("a", 3)])
    assert mixed.list()[:2] == [{"x": 0}, ("a", 0)]
    with pytest.raises(hr.SchemaError):
        mixed.batch(2).list()
