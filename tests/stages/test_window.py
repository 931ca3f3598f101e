"""The approximate shuffle: random within its window, exact across any cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import ArgumentError, KindError, RecordError, StateError
from headrace.core.flow import Flow
from headrace.stages.batch import Batched
from headrace.stages.chain import Chain
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.window import WindowShuffle
from headrace.testing.stages import StageTests, check_cuts


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


class TestWindowShuffle(StageTests):
    @pytest.fixture(params=[1, 2, 7, 40, 100])
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        return WindowShuffle.of(Iterate.of(range(40)), request.param, seed=3)

    def over(self, upstream: Flow) -> Flow:
        return WindowShuffle.of(upstream, 5, seed=0)


class TestWindowOfAWindowOfAGenerator(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return WindowShuffle.of(WindowShuffle.of(Iterate.of(numbers, (30,)), 8, seed=0), 5, seed=0)


@given(n=st.integers(0, 200), size=st.integers(1, 60), seed=st.integers(0, 2**70))
def test_nothing_is_lost_and_nothing_doubled(n: int, size: int, seed: int) -> None:
    items = list(WindowShuffle.of(Iterate.of(range(n)), size, seed).start())
    assert sorted(items) == list(range(n))
    assert all(item < place + size for place, item in enumerate(items))


@given(
    n=st.integers(1, 150),
    size=st.integers(1, 40),
    cut=st.integers(0, 150),
    again=st.integers(0, 20),
    seed=st.integers(0, 9),
)
def test_a_run_that_is_cut_twice_gives_exactly_the_rest(n: int, size: int, cut: int, again: int, seed: int) -> None:
    flow = WindowShuffle.of(Filter.of(Iterate.of(range(n)), lambda item: item % 5), size, seed)
    expected = list(flow.start())
    found: list[int] = []
    state = None
    for steps in (cut, again, n):
        cursor = flow.start(state)
        found += islice(cursor, steps)
        state = json.loads(json.dumps(cursor.state()))
    assert found == expected


def test_a_long_run_is_resumed_exactly_at_many_places() -> None:
    flow = WindowShuffle.of(Iterate.of(range(5000)), 100, seed=1)
    cursor, states = flow.start(), []
    items = []
    for place, item in enumerate(cursor):
        items.append(item)
        if place % 61 == 0:
            states.append((place + 1, cursor.state()))
    for place, state in states:
        assert list(flow.start(state)) == items[place:]


def shard(number: int) -> Iterator[int]:
    yield from range(125 * number, 125 * number + 125)


@pytest.mark.parametrize("lists", [True, False], ids=["lists", "generators"])
@pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")
def test_the_shards_of_a_stream_lose_nothing_where_a_buffer_is_cut(lists: bool) -> None:
    shards = [Iterate.of(list(shard(n))) if lists else Iterate.of(shard, (n,)) for n in range(8)]
    flow = WindowShuffle.of(Chain.of(*shards), 100, seed=0)
    unbroken = list(flow.start())
    cursor = flow.start()
    before = list(islice(cursor, 250))
    state = json.loads(json.dumps(cursor.state()))
    cursor.close()
    after = list(flow.start(state))
    assert before + after == unbroken and sorted(unbroken) == list(range(1000))


def test_a_state_that_was_saved_by_the_first_release_is_read() -> None:
    flow = WindowShuffle.of(Iterate.of(range(40)), 5, seed=3)
    cursor = flow.start()
    given_out = list(islice(cursor, 12))
    slots = cursor.state()["slots"]
    state = {"upstream": {"count": 0}, "from": 0, "read": 16, "slots": slots}
    assert given_out + list(flow.start(state)) == list(flow.start())


def test_a_state_holds_numbers_only_and_reads_back_a_few_windows_at_most() -> None:
    rows = [np.full(1000, number) for number in range(3000)]
    flow = WindowShuffle.of(Iterate.of(rows), 50, seed=0)
    cursor = flow.start()
    most = 0
    for _ in range(2900):
        next(cursor)
        state = cursor.state()
        most = max(most, state["read"] - state["from"])
        assert len(json.dumps(state)) < 600
        assert state["from"] <= min(state["slots"])
    assert most < 50 * 20


def test_resuming_asks_upstream_again_only_for_the_window() -> None:
    asked: list[int] = []

    def ask(item: int) -> int:
        asked.append(item)
        return item

    upstream = Map.of(Iterate.of(range(10_000)), ask)
    cursor = WindowShuffle.of(upstream, 10, seed=0).start()
    for _ in range(9000):
        next(cursor)
    asked.clear()
    next(WindowShuffle.of(upstream, 10, seed=0).start(cursor.state()))
    assert len(asked) < 200


def test_seeds_epochs_and_places_give_orders_of_their_own() -> None:
    upstream = Iterate.of(range(50))
    flow = WindowShuffle.of(upstream, 20, seed=42)
    orders = [
        tuple(flow.start()),
        tuple(flow.start(epoch=1)),
        tuple(WindowShuffle.of(upstream, 20, seed=43).start()),
        tuple(WindowShuffle.of(WindowShuffle.of(upstream, 1, seed=42), 20, seed=42).start()),
        tuple(range(50)),
    ]
    assert len(set(orders)) == len(orders)


def test_a_seed_gives_the_order_that_it_gave_in_every_version() -> None:
    flow = WindowShuffle.of(Iterate.of(range(12)), 5, seed=0)
    assert list(flow.start()) == [2, 5, 0, 1, 8, 7, 4, 10, 11, 9, 6, 3]
    assert list(flow.start(epoch=1)) == [0, 5, 1, 7, 6, 3, 10, 2, 4, 8, 11, 9]


def test_every_item_of_the_window_is_as_likely_as_any_other() -> None:
    firsts = np.zeros(8, int)
    for seed in range(4000):
        firsts[next(WindowShuffle.of(Iterate.of(range(20)), 8, seed).start())] += 1
    chi_squared = ((firsts - 500) ** 2 / 500).sum()
    assert chi_squared < 24.3  # 7 degrees of freedom, p = 0.001


def test_how_long_items_are_held_follows_the_law_of_a_window() -> None:
    size = 50
    items = list(WindowShuffle.of(Iterate.of(range(60_000)), size, seed=5).start())
    held = np.array([place - item for place, item in enumerate(items)][size : -2 * size]) + size - 1
    # An item is drawn with 1/size at each step: geometric, mean size - 1, variance size * (size - 1)
    assert abs(held.mean() - (size - 1)) < 1.5
    assert abs(held.var() / (size * (size - 1)) - 1) < 0.06


def test_an_error_upstream_loses_nothing_that_is_held() -> None:
    flow = WindowShuffle.of(Map.of(Iterate.of(range(10)), lambda item: item // (item != 6)), 4, seed=0)
    cursor = flow.start()
    found = []
    for _ in range(20):
        try:
            found.append(next(cursor))
        except RecordError:
            continue
        except StopIteration:
            break
    assert sorted(found) == [0, 1, 2, 3, 4, 5, 7, 8, 9]


def test_a_window_over_batches_shuffles_batches() -> None:
    check_cuts(WindowShuffle.of(Batched.of(Iterate.of(range(40)), 3), 4, seed=0))


@pytest.mark.parametrize(
    ("size", "seed", "error"),
    [
        (0, 0, ArgumentError),
        (1.5, 0, KindError),
        (True, 0, KindError),
        (3, -1, ArgumentError),
        (3, None, KindError),
        (3, "0", KindError),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(size: Any, seed: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        WindowShuffle.of(Iterate.of([1]), size, seed)


def test_a_shorter_stream_than_the_state_was_saved_with_is_refused() -> None:
    cursor = WindowShuffle.of(Filter.of(Iterate.of(range(40)), lambda item: True), 10, seed=0).start()
    for _ in range(20):
        next(cursor)
    shorter = WindowShuffle.of(Filter.of(Iterate.of(range(40)), lambda item: item < 25), 10, seed=0)
    with pytest.raises(StateError, match=r"read 29 items before the state was saved; now there are 25"):
        shorter.start(cursor.state())


@pytest.mark.parametrize("slots", [[0, 0], [30], [-1], [True], ["1"], list(range(20))])
def test_impossible_slots_are_refused(slots: list[Any]) -> None:
    flow = WindowShuffle.of(Iterate.of(range(40)), 10, seed=0)
    with pytest.raises(StateError, match="the state is damaged: the items held are"):
        flow.start({"upstream": {"count": 0}, "from": 0, "read": 30, "slots": slots})
