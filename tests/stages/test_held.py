"""Items held for a while: read again on resume, few places kept, long gaps gone past where that is quicker."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Dataset
from headrace.core.errors import RecordError, ReplayWarning, StateError
from headrace.core.flow import Flow, State
from headrace.stages import held as module
from headrace.stages.held import Held
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map


def count_up(n: int) -> Iterator[int]:
    yield from range(n)


def watched(source: Any) -> tuple[Flow, list[int]]:
    """Return a flow, and the list of the items that it was asked for."""
    asked: list[int] = []

    def ask(item: int) -> int:
        asked.append(item)
        return item

    return Map.of(Iterate.of(source), ask), asked


def as_json(held: Held) -> State:
    state: State = json.loads(json.dumps(held.state()))
    return state


def resumed(flow: Flow, state: State, numbers: Any) -> Held:
    return Held(flow, 0, "step", state, numbers)


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which each step takes as long as any other: starting, and each item."""
    monkeypatch.setattr(module, "perf_counter", itertools.count().__next__)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), st.integers(0, 59), st.booleans())
def test_what_is_held_comes_back_and_the_rest_goes_on(keeps: list[int], cut: int, closed: bool) -> None:
    flow = Iterate.of(range(3000))
    held = Held(flow, 0, "step")
    left: dict[int, int] = {}  # numbers, and when they are let go of
    for step, keep in enumerate(keeps[: cut + 1]):
        for _ in range(1 + keep // 4):
            number = held.draw()
            left[number] = number + keep
        for number in [number for number, until in left.items() if until < held.read]:
            assert held.items.pop(number) == number
            del left[number]
        assert list(held.items) == list(left), step
    before = held.items
    if closed:
        held.close()
        assert set(held.items.values()) <= {None}
    again = resumed(flow, as_json(held), reversed(before))
    assert again.items == before and list(again.items) == sorted(before)
    assert again.items[again.draw()] == again.read - 1 == held.read
    assert as_json(resumed(flow, as_json(again), list(again.items)))["read"] == again.read


def test_few_places_are_kept_however_long_an_item_is_held() -> None:
    held = Held(Iterate.of(count_up, (100_000,)), 0, "step")
    held.draw()
    most = 0
    for number in range(1, 50_000):
        held.draw()
        if number % 5000:
            del held.items[number]
        most = max(most, len(held._places))
    assert len(held.items) == 10 and most < 60
    assert len(json.dumps(held.state())) < 200
    held.items.clear()
    held.draw()
    held.items.clear()
    for _ in range(100):
        del held.items[held.draw()]
    assert len(held._places) <= 2


@pytest.mark.usefixtures("ticks")
def test_long_gaps_are_gone_past_where_any_place_is_entered_at_once() -> None:
    flow, asked = watched(range(20_000))
    held = Held(flow, 0, "step")
    for _ in range(20_000):
        number = held.draw()
        if number not in (3, 5000, 5001, 19_999):
            del held.items[number]
    state = as_json(held)
    assert [number for number, _ in state["places"]] == pytest.approx([5000, 19_999], abs=33)
    asked.clear()
    again = resumed(flow, state, [19_999, 3, 5001, 5000])
    assert again.items == {number: number for number in (3, 5000, 5001, 19_999)}
    assert len(asked) < 150
    assert as_json(again) == state
    with pytest.raises(StopIteration):
        again.draw()


@pytest.mark.usefixtures("ticks")
def test_places_of_a_dataset_are_entered_at_once() -> None:
    read: list[int] = []
    dataset = Dataset(range(5000)).shuffle(0).map(lambda x: read.append(x) or x)  # type: ignore[func-returns-value]
    flow = dataset.stream()._flow
    held = Held(flow, 0, "step")
    for _ in range(4000):
        number = held.draw()
        if number:
            del held.items[number]
    read.clear()
    again = resumed(flow, as_json(held), [0])
    assert again.items == held.items
    assert again.items[again.draw()] == held.items[held.draw()]
    assert len(read) < 2000  # records are read together


@pytest.mark.usefixtures("ticks")
def test_a_generator_is_gone_through_once() -> None:
    flow = Iterate.of(count_up, (5000,))
    held = Held(flow, 0, "step")
    for _ in range(4000):
        number = held.draw()
        if number not in (100, 2000):
            del held.items[number]
    state = as_json(held)
    assert "places" not in state
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again = resumed(flow, state, [100, 2000])
    assert [warning.category for warning in caught] == [ReplayWarning]
    assert again.items == {100: 100, 2000: 2000} and again.read == 4000


def test_slow_starts_are_weighed_against_the_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.chain([0, 100_000], itertools.count(100_000))  # the first step, which is the start, takes long
    monkeypatch.setattr(module, "perf_counter", clock.__next__)
    flow, asked = watched(range(5000))
    held = Held(flow, 0, "step")
    for _ in range(4000):
        number = held.draw()
        if number:
            del held.items[number]
    state = as_json(held)
    assert "places" in state
    asked.clear()
    assert resumed(flow, state, [0]).read == 4000
    assert asked == list(range(4000))


def test_a_state_names_a_few_places_however_many_gaps_there_are() -> None:
    flow = Iterate.of(range(100_000))
    held = Held(flow, 0, "step")
    for _ in range(100_000):
        number = held.draw()
        if number % 1000:
            del held.items[number]
    state = as_json(held)
    assert len(state["places"]) == 16
    assert resumed(flow, state, list(held.items)).items == held.items


def at_once(number: int) -> State:
    return {"upstream": {"count": 0}, "from": 0, "read": number}


@pytest.mark.parametrize("numbers", [[3, 3], [10], [-1], [True], ["1"], [None], [1.0]])
def test_numbers_that_cannot_have_been_held_are_refused(numbers: list[Any]) -> None:
    with pytest.raises(StateError, match="the state is damaged: the items held are"):
        resumed(Iterate.of(range(40)), at_once(10), numbers)


@pytest.mark.parametrize(
    "places",
    [3, [3], [[3]], [[3, {}, 1]], [[True, {}]], [["3", {}]], [[3, []]], [[0, {}]], [[11, {}]], [[5, {}], [5, {}]]],
)
def test_damaged_places_are_refused(places: Any) -> None:
    with pytest.raises(StateError, match="the state is damaged"):
        resumed(Iterate.of(range(40)), {**at_once(10), "places": places}, [1])


@pytest.mark.parametrize("name", ["upstream", "from", "read"])
@pytest.mark.parametrize("value", [None, -1, "x", 2.5, 10**30])
def test_a_damaged_state_is_refused(name: str, value: Any) -> None:
    with pytest.raises(StateError):
        resumed(Iterate.of(range(40)), {**at_once(10), name: value}, [])


def closing(n: int, closed: list[bool]) -> Callable[[], Iterator[int]]:
    def numbers() -> Iterator[int]:
        try:
            yield from range(n)
        finally:
            closed.append(True)

    return numbers


def test_where_upstream_is_shorter_than_it_was_it_is_said_and_closed() -> None:
    closed: list[bool] = []
    with pytest.raises(StateError, match="step read 10 items before the state was saved; now there are 7"):
        resumed(Iterate.of(closing(7, closed)), at_once(10), [2])
    assert closed == [True]


def test_where_an_item_cannot_be_read_again_all_is_closed() -> None:
    closed: list[bool] = []
    flow = Map.of(Iterate.of(closing(10, closed)), lambda item: item // (item != 5))
    with pytest.raises(RecordError):
        resumed(flow, {**at_once(8), "upstream": {"upstream": {"count": 0}, "count": 0}}, [2])
    assert closed == [True]


def test_closing_closes_upstream_and_lets_go_of_the_items() -> None:
    closed: list[bool] = []
    held = Held(Iterate.of(closing(100, closed)), 0, "step")
    for _ in range(5):
        held.draw()
    state = held.state()
    held.close()
    held.close()
    assert closed == [True] and held.items == dict.fromkeys(range(5)) and held.state() == state
