"""Streams in turns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import ArgumentError, KindError, RecordError, StateError
from headrace.core.flow import Flow
from headrace.stages.filter import Filter
from headrace.stages.interleave import Interleave
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.repeat import Repeat
from headrace.stages.take import Take
from headrace.testing.stages import StageTests, check_cuts


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


def in_turns(lists: list[list[Any]], block: int) -> list[Any]:
    """What interleaving means, written down plainly."""
    left, found = [iter(one) for one in lists], []
    while left:
        going = []
        for one in left:
            some = list(islice(one, block))
            found += some
            if len(some) == block:
                going.append(one)
        left = going
    return found


class TestInterleave(StageTests):
    @pytest.fixture(params=[1, 3])
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        odd = Filter.of(Iterate.of(range(20)), lambda item: item % 2)
        return Interleave.of(
            [Iterate.of([]), Iterate.of(range(9)), Iterate.of(numbers, (5,)), Iterate.of([]), odd], request.param
        )

    def over(self, upstream: Flow) -> Flow:
        return Interleave.of([upstream, Iterate.of(range(5))])

    def test_closing_closes_every_stream_that_has_begun(self) -> None:
        closed: list[str] = []
        cursor = Interleave.of([Iterate.of(noted, (name, 9, closed)) for name in "abc"]).start()
        next(cursor), next(cursor)
        cursor.close()
        assert sorted(closed) == ["a", "b"]


def noted(name: str, n: int, closed: list[str]) -> Iterator[str]:
    """Give one letter n times, and note when it is let go of."""
    try:
        for _ in range(n):
            yield name
    finally:
        closed.append(name)


SIZES = st.lists(st.integers(0, 7), min_size=1, max_size=5)


@given(SIZES, st.integers(1, 4))
def test_each_gives_a_block_in_turn_until_all_have_ended(sizes: list[int], block: int) -> None:
    lists = [[(place, n) for n in range(size)] for place, size in enumerate(sizes)]
    flow = Interleave.of([Iterate.of(one) for one in lists], block)
    assert list(flow.start()) == in_turns(lists, block)
    assert flow.length() == sum(sizes)


@given(SIZES, st.integers(1, 4))
def test_all_cuts_give_exactly_the_rest(sizes: list[int], block: int) -> None:
    check_cuts(
        Interleave.of([Iterate.of([(place, n) for n in range(size)]) for place, size in enumerate(sizes)], block)
    )


def test_a_stream_is_started_at_its_turn_and_closed_at_its_end() -> None:
    closed: list[str] = []
    started: list[str] = []

    def opened(name: str, n: int) -> Iterator[str]:
        started.append(name)
        yield from noted(name, n, closed)

    cursor = Interleave.of([Iterate.of(opened, (name, n)) for name, n in [("a", 1), ("b", 3), ("c", 9)]]).start()
    assert started == []
    assert (next(cursor), started) == ("a", ["a"])
    assert (next(cursor), next(cursor), closed) == ("b", "c", [])
    assert (next(cursor), closed) == ("b", ["a"])
    assert list(islice(cursor, 4)) == ["c", "b", "c", "c"]
    assert closed == ["a", "b"]
    cursor.close()
    assert closed == ["a", "b", "c"]


def test_the_epoch_goes_down_to_each_stream() -> None:
    draws = Map.of(Iterate.of([0, 0]), lambda item, rng: float(rng.random()), seed=0)
    flow = Interleave.of([draws, draws], 2)
    assert list(flow.start(epoch=1)) == list(draws.start(epoch=1)) * 2 != list(flow.start())


def test_an_endless_stream_goes_on_alone() -> None:
    flow = Interleave.of([Iterate.of("ab".split() * 2), Repeat.of(Iterate.of([0]))])
    assert (flow.length(), flow.endless) == (None, True)
    assert list(islice(flow.start(), 7)) == ["ab", 0, "ab", 0, 0, 0, 0]
    assert not Interleave.of([Iterate.of([1])]).endless


def test_a_stream_that_fails_is_tried_again_in_the_same_place() -> None:
    broken = [True]

    class Shaky:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> str:
            if index == 1 and broken[0]:
                raise OSError("the line is down")
            return f"s{index}"

    flow = Interleave.of([Iterate.of(Shaky()), Iterate.of(range(3))])
    cursor = flow.start()
    assert [next(cursor), next(cursor)] == ["s0", 0]
    with pytest.raises(RecordError, match="the line is down"):
        next(cursor)
    state = cursor.state()
    broken[0] = False
    assert list(cursor) == list(flow.start(state)) == ["s1", 1, 2]


def test_its_identity_tells_streams_and_block() -> None:
    a, b = Iterate.of([1, 2]), Iterate.of([3, 4])
    pairs: list[list[Flow]] = [[a, b], [b, a], [a, Take.of(b, 1)]]
    orders = [Interleave.of(flows, block).order() for flows in pairs for block in (1, 2)]
    assert len(set(orders)) == 6
    assert Interleave.of([a, Map.of(b, str)]).code()[0].startswith("interleave 1: map(str) ")
    assert (Interleave.of([a]).words(), Interleave.of([a], 4).words()) == ("interleave()", "interleave(block=4)")


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        (0, ArgumentError, "block must be 1 or more, got 0"),
        (-2, ArgumentError, "got -2"),
        (1.5, KindError, "whole number"),
        (None, KindError, "whole number"),
        (True, KindError, "whole number"),
    ],
)
def test_a_block_that_cannot_be_meant_is_refused(block: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Interleave.of([Iterate.of([1])], block)


def test_no_streams_are_refused() -> None:
    with pytest.raises(ArgumentError, match="interleave needs at least one stream"):
        Interleave.of([])


@pytest.mark.parametrize(
    "change",
    [
        {"streams": [{"count": 0}] * 3},
        {"streams": [None, {"count": 1}], "turn": 0},
        {"streams": [{"count": 1}], "turn": 2},
        {"streams": ["x"]},
        {"left": 3},
        {"turn": 7},
        {"streams": [{"count": 9}]},
    ],
)
def test_a_state_of_something_else_is_refused(change: dict[str, Any]) -> None:
    flow = Interleave.of([Iterate.of([1, 2]), Iterate.of([3, 4])], 2)
    cursor = flow.start()
    next(cursor)
    with pytest.raises(StateError):
        flow.start({**cursor.state(), **change})


def test_when_all_have_ended_nothing_is_left_whatever_the_turn() -> None:
    flow = Interleave.of([Iterate.of([1]), Iterate.of([2])], 2)
    assert list(flow.start({"streams": [None, None], "turn": 1, "left": 0})) == []
