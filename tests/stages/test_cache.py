"""Items given again from a cache: by the law of chance that it says, exact across any cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Dataset
from headrace.core.errors import ArgumentError, KindError, RecordError, StateError
from headrace.core.flow import Flow
from headrace.core.iteration import StreamIterator
from headrace.stages.cache import Cache
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.repeat import Repeat
from headrace.testing.stages import StageTests


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


class TestCache(StageTests):
    @pytest.fixture(params=[(1, 0.5), (3, 0.5), (5, 0.2), (5, 1), (20, 0.5), (30, 0.5)])
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        n, probability = request.param
        return Cache.of(Iterate.of(range(20)), n, probability, seed=3)

    def over(self, upstream: Flow) -> Flow:
        return Cache.of(upstream, 5)


class TestCacheOfACacheOfAGenerator(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Cache.of(Cache.of(Iterate.of(numbers, (12,)), 4, seed=0), 3, seed=0)


class TestCacheOfADatasetWithoutEnd(StageTests):
    limit = 40

    @pytest.fixture
    def flow(self) -> Flow:
        return Cache.of(Repeat.of(Dataset(range(9)).shuffle(1).stream()._flow), 4, 0.4, seed=2)


@given(st.integers(0, 60), st.integers(1, 20), st.floats(0.05, 1), st.integers(0, 2**70))
def test_all_items_come_and_those_that_are_new_in_order(n: int, size: int, probability: float, seed: int) -> None:
    items = list(Cache.of(Iterate.of(range(n)), size, probability, seed).start())
    assert list(dict.fromkeys(items)) == list(range(n))
    assert items[:size] == list(range(n))[:size]


@given(st.integers(1, 80), st.integers(1, 20), st.floats(0.1, 1), st.integers(0, 300), st.integers(0, 50))
def test_a_run_that_is_cut_twice_gives_exactly_the_rest(
    n: int, size: int, probability: float, cut: int, again: int
) -> None:
    flow = Cache.of(Filter.of(Iterate.of(range(n)), lambda item: item % 5), size, probability, seed=n)
    expected = list(flow.start())
    found: list[int] = []
    state = None
    for steps in (cut, again, None):
        cursor = flow.start(state)
        found += islice(cursor, steps)
        state = json.loads(json.dumps(cursor.state()))
        cursor.close()
    assert found == expected


def test_a_long_run_is_resumed_exactly_at_many_places() -> None:
    flow = Cache.of(Iterate.of(range(2000)), 50, 0.5, seed=1)
    cursor, states, items = flow.start(), [], []
    for place, item in enumerate(cursor):
        items.append(item)
        if place % 97 == 0 or place in (510, 511, 512, 1023, 1024):
            states.append((place + 1, cursor.state()))
    assert len(items) > 3000
    for place, state in states:
        assert list(flow.start(state)) == items[place:]
        assert len(json.dumps(state)) < 1000


def test_a_seed_gives_the_order_that_it_gave_in_every_version() -> None:
    flow = Cache.of(Iterate.of(range(8)), 3, 0.5, seed=0)
    assert list(flow.start()) == [0, 1, 2, 1, 3, 4, 3, 5, 5, 3, 5, 1, 6, 7, 7]
    assert list(islice(flow.start(epoch=1), 12)) == [0, 1, 2, 0, 3, 1, 2, 2, 2, 2, 2, 2]


def test_seeds_epochs_and_places_give_orders_of_their_own() -> None:
    upstream = Iterate.of(range(50))
    flow = Cache.of(upstream, 20, seed=42)
    inner = Cache.of(Cache.of(upstream, 1, 1, seed=42), 20, seed=42)
    runs = [flow.start(), flow.start(epoch=1), Cache.of(upstream, 20, seed=43).start(), inner.start()]
    assert len({tuple(run) for run in runs}) == 4


def test_each_item_is_given_as_often_as_the_probability_says() -> None:
    for probability in (0.2, 0.5, 0.9):
        items = list(Cache.of(Iterate.of(range(20_000)), 50, probability, seed=1).start())
        steps = len(items)
        assert abs(steps * probability - 20_000) < 5 * (steps * probability * (1 - probability)) ** 0.5 + 100
        assert items[:50] == list(range(50))


def test_those_at_hand_are_equally_likely() -> None:
    counts = np.zeros(8, int)
    for seed in range(3000):
        again = [item for item in islice(Cache.of(Iterate.of(range(9)), 8, 0.5, seed).start(), 8, 9) if item < 8]
        counts[again] += 1
    expected = counts.sum() / 8
    assert 1300 < counts.sum() < 1700
    assert ((counts - expected) ** 2 / expected).sum() < 24.3  # 7 degrees of freedom, p = 0.001


@given(st.integers(1, 12), st.floats(0.05, 1), st.integers(0, 99))
def test_a_new_item_takes_the_place_of_one_that_is_never_given_again(size: int, probability: float, seed: int) -> None:
    items = list(Cache.of(Iterate.of(range(100)), size, probability, seed).start())
    first = {item: place for place, item in reversed(list(enumerate(items)))}
    last = {item: place for place, item in enumerate(items)}
    changes = np.zeros(len(items) + 1, int)
    for item, place in first.items():
        changes[place] += 1
        changes[last[item] + 1] -= 1
    assert changes.cumsum().max() <= size


def test_with_probability_one_all_pass_and_the_length_is_known() -> None:
    flow = Cache.of(Iterate.of(range(30)), 4, 1)
    assert list(flow.start()) == list(range(30)) and flow.length() == 30
    assert Cache.of(Iterate.of(range(30)), 4, 0.5).length() is None
    assert Cache.of(Repeat.of(Iterate.of([1])), 4).endless


def test_items_given_again_are_the_same_objects() -> None:
    cursor = Cache.of(Iterate.of([np.zeros(1) for _ in range(50)]), 3, 0.3, seed=0).start()
    for array in cursor:
        array += 1
    cursor = Map.of(Cache.of(Iterate.of([np.zeros(1) for _ in range(50)]), 3, 0.3, seed=0), lambda x: x + 1).start()
    assert all(array == 1 for array in cursor)


def test_no_more_items_are_alive_than_are_at_hand() -> None:
    alive: list[int] = [0]
    most = 0

    class Item:
        def __init__(self, _: int) -> None:
            alive[0] += 1

        def __del__(self) -> None:
            alive[0] -= 1

    for _ in Cache.of(Map.of(Iterate.of(range(3000)), Item), 10, 0.5, seed=0).start():
        most = max(most, alive[0])
    assert most <= 12  # and the one in the loop, and the one before it


def test_an_error_upstream_can_be_tried_again() -> None:
    broken = [True]

    def fails_once(item: int) -> int:
        if item == 6 and broken[0]:
            broken[0] = False
            raise ValueError("not now")
        return item

    flow = Cache.of(Map.of(Iterate.of(range(20)), fails_once), 4, 0.5, seed=0)
    iterator = StreamIterator(flow)
    found = []
    with pytest.raises(RecordError):
        for item in iterator:
            found.append(item)
    found += list(iterator)
    assert found == list(flow.start())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((0,), ArgumentError),
        ((1.5,), KindError),
        ((True,), KindError),
        ((None,), KindError),
        ((3, 0), ArgumentError),
        ((3, -0.5), ArgumentError),
        ((3, 1.01), ArgumentError),
        ((3, float("nan")), ArgumentError),
        ((3, "0.5"), KindError),
        ((3, None), KindError),
        ((3, True), KindError),
        ((3, 0.5, -1), ArgumentError),
        ((3, 0.5, None), KindError),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments: tuple[Any, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        Cache.of(Iterate.of([1]), *arguments)


def test_numbers_of_other_libraries_are_taken() -> None:
    expected = list(Cache.of(Iterate.of(range(9)), 3, 0.5).start())
    for probability in (np.float32(0.5), Fraction(1, 2)):
        flow = Cache.of(Iterate.of(range(9)), np.int64(3), probability, np.uint8(0))
        assert list(flow.start()) == expected
        assert flow.words() == "cache(3, probability=0.5, seed=0)"


@pytest.mark.parametrize(
    "change", [{"slots": [0, 1]}, {"slots": [0, 1, 1]}, {"slots": [0, 1, 99]}, {"slots": [0, 1, "2"]}, {"step": 2}]
)
def test_impossible_states_are_refused(change: dict[str, Any]) -> None:
    flow = Cache.of(Iterate.of(range(40)), 3, 0.5)
    cursor = flow.start()
    list(islice(cursor, 10))
    with pytest.raises(StateError, match="the state is damaged"):
        flow.start({**cursor.state(), **change})
