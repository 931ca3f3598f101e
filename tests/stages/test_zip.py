"""Streams side by side, and one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.stages.chain import Chain
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.repeat import Repeat
from headrace.stages.stage import Stage
from headrace.stages.take import Take
from headrace.stages.zip import Zip
from headrace.testing.stages import StageTests


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


class TestZip(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Zip((Iterate.of(range(9)), Iterate.of(numbers, (7,)), Filter.of(Iterate.of(range(20)), lambda x: x % 2)))

    def over(self, upstream: Flow) -> Flow:
        return Zip((Iterate.of(range(5)), upstream))


class TestChain(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Chain((Iterate.of(range(3)), Iterate.of([]), Iterate.of(numbers, (4,)), Iterate.of([])))

    def over(self, upstream: Flow) -> Flow:
        return Chain((upstream, Iterate.of([1])))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_they_are_what_python_makes_of_lists(sizes: list[int]) -> None:
    flows = tuple(Iterate.of([(place, n) for n in range(size)]) for place, size in enumerate(sizes))
    lists = [list(flow.start()) for flow in flows]
    assert list(Zip(flows).start()) == list(zip(*lists, strict=False))
    assert list(Chain(flows).start()) == [item for one in lists for item in one]
    assert Zip(flows).length() == min(sizes)
    assert Chain(flows).length() == sum(sizes)


@pytest.mark.parametrize("kind", [Zip, Chain])
def test_the_epoch_goes_down_to_each_stream(kind: type[Zip] | type[Chain]) -> None:
    random = Map.of(Iterate.of([0, 0]), lambda item, rng: float(rng.random()), seed=0)
    flow = kind((random, random))
    assert list(flow.start(epoch=1)) == list(kind((Epoch(random, 1), Epoch(random, 1))).start())
    assert list(flow.start(epoch=1)) != list(flow.start())


@dataclass(frozen=True, eq=False)
class Epoch(Stage):
    """A flow always started with one epoch."""

    epoch: int

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        return self.upstream.start(state, self.epoch)


def test_a_zip_that_has_ended_draws_no_more() -> None:
    drawn = []

    def longer() -> Iterator[int]:
        for item in range(9):
            drawn.append(item)
            yield item

    cursor = Zip((Iterate.of(longer), Iterate.of([1]))).start()
    assert list(cursor) == [(0, 1)]
    assert list(cursor) == []
    assert drawn == [0, 1]


def test_a_zip_that_has_ended_stays_so_when_it_is_resumed() -> None:
    sound = Map.of(Iterate.of(range(9)), lambda item: 1 // (3 - item))  # fails on what nobody was to be handed
    flow = Zip((sound, Iterate.of([0, 0])))
    cursor = flow.start()
    assert list(cursor) == [(0, 0), (0, 0)]
    state = cursor.state()
    assert state["ended"] is True
    assert list(flow.start(state)) == []
    with pytest.raises(StateError, match="'ended' should be true"):
        flow.start({**state, "ended": 1})


def test_a_chain_has_one_stream_open_at_a_time() -> None:
    now_open: set[int] = set()

    def opened(number: int) -> Iterator[int]:
        now_open.add(number)
        try:
            yield from (number, number)
        finally:
            now_open.remove(number)

    cursor = Chain(tuple(Iterate.of(opened, (number,)) for number in range(4))).start()
    assert not now_open
    for item in cursor:
        assert now_open == {item}
    assert not now_open


def test_closing_a_zip_closes_all_of_it_even_where_one_fails() -> None:
    closed = []

    def closing(name: str) -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            closed.append(name)
            if name == "b":
                raise OSError("stuck")

    cursor = Zip(tuple(Iterate.of(closing, (name,)) for name in "abc")).start()
    next(cursor)
    with pytest.raises(OSError, match="stuck"):
        cursor.close()
    assert closed == ["a", "b", "c"]


def test_a_zip_that_cannot_be_started_leaves_nothing_open() -> None:
    closed = []

    def closing() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            closed.append(True)

    flow = Zip((Iterate.of(closing), Iterate.of([1])))
    cursor = flow.start()
    next(cursor)
    state = cursor.state()
    cursor.close()
    state["upstreams"][1] = {"count": 5}
    with pytest.warns(match="replaying"), pytest.raises(StateError):
        flow.start(state)
    assert closed == [True, True]


def test_endless_streams_are_no_bound_in_a_zip_and_no_end_in_a_chain() -> None:
    three, endless = Iterate.of(range(3)), Repeat.of(Iterate.of([0]))
    unknown = Filter.of(three, bool)
    assert (Zip((three, endless)).length(), Zip((three, endless)).endless) == (3, False)
    assert (Zip((endless, endless)).length(), Zip((endless, endless)).endless) == (None, True)
    assert Zip((three, unknown)).length() is None
    assert (Chain((three, endless)).length(), Chain((three, endless)).endless) == (None, True)
    assert (Chain((three, unknown)).length(), Chain((three, unknown)).endless) == (None, False)
    assert list(islice(Chain((three, endless)).start(), 5)) == [0, 1, 2, 0, 0]


def test_a_chain_of_chains_is_one_chain() -> None:
    a, b, c = (Iterate.of([number]) for number in range(3))
    left, right = Chain.of(Chain.of(a, b), c), Chain.of(a, Chain.of(b, c))
    assert left.upstreams == right.upstreams == (a, b, c)
    assert left.order() == right.order()


def test_the_identity_tells_which_step_belongs_to_which_stream() -> None:
    a, b = Iterate.of([1, 2]), Iterate.of([3, 4])
    assert Zip((Take.of(a, 1), b)).order() != Zip((a, Take.of(b, 1))).order()
    assert Chain((a, b)).order() != Zip((a, b)).order()
    assert Zip((a, b)).order() != Zip((b, a)).order()
    assert Chain((a, Map.of(b, str))).code()[0].startswith("chain 1: map(str) ")


def test_a_state_of_another_number_of_streams_is_refused() -> None:
    with pytest.raises(StateError, match="'upstreams' should be a list of 2"):
        Zip((Iterate.of([1]), Iterate.of([1]))).start({"upstreams": [{"count": 0}]})
    with pytest.raises(StateError, match="in stream 3, of 2"):
        Chain((Iterate.of([1]), Iterate.of([1]))).start({"stream": 3, "upstream": None})
    with pytest.raises(StateError, match="after the last stream, and in it"):
        Chain((Iterate.of([1]),)).start({"stream": 1, "upstream": {"count": 0}})
