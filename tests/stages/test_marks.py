"""Places upstream that are remembered while a step reads ahead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import Dataset, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.nodes.crossing import Crossing
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.marks import Marks, resumed
from headrace.stages.stage import Stage, StageCursor


class Numbered(Stage):
    """Counts how often a state was asked for, which may be made to cost time."""

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        return NumberedCursor(self.upstream.start(None if state is None else state["upstream"], epoch))


class NumberedCursor(StageCursor):
    asked = 0

    def __next__(self) -> Any:
        return next(self._upstream)

    def state(self) -> State:
        NumberedCursor.asked += 1
        return super().state()


def rest(flow: Flow, state: State) -> list[Any]:
    cursor = resumed(flow, state, 0)
    items = list(cursor)
    cursor.close()
    return items


@given(length=st.integers(0, 40), ahead=st.lists(st.integers(0, 5), max_size=30), always=st.booleans())
@settings(max_examples=80)
def test_any_place_between_what_was_handed_out_and_drawn_can_be_told(
    length: int, ahead: list[int], always: bool
) -> None:
    flow = Numbered(Iterate.of(range(length)))
    marks = Marks(flow, None, 0)
    marks._always = always
    out = 0
    for steps in ahead:
        for _ in range(steps):
            try:
                marks.draw()
            except StopIteration:
                break
        out = min(out + 2, marks.number)
        marks.forget(out)
        for number in range(out, marks.number + 1):
            assert rest(flow, marks.state(number)) == list(range(number, length))
            out = number  # those before it are forgotten
    marks.close()


def test_states_that_cost_much_are_seldom_taken() -> None:
    NumberedCursor.asked = 0
    marks = Marks(Numbered(Iterate.of(range(10_000))), None, 0)
    for _ in range(10_000):
        marks.draw()
    marks.forget(9_999)
    assert 1 <= NumberedCursor.asked < 2000
    assert len(marks._marks) < 10
    marks.close()


def test_over_a_dataset_the_place_is_told_in_its_own_steps() -> None:
    flow = Crossing(Dataset(range(20)).batch(2)._node)
    marks = Marks(flow, None, 0)
    for _ in range(6):
        marks.draw()
    for number in range(7):
        state = marks.state(number)
        assert state["upstream"]["step"] == number and "behind" not in state
    marks.close()


def test_what_failed_upstream_is_not_gone_past() -> None:
    def odd(number: int) -> bool:
        if number == 5:
            raise ValueError(number)
        return True

    marks = Marks(Filter.of(Iterate.of(range(9)), odd), None, 0)
    for _ in range(5):
        marks.draw()
    with pytest.raises(RuntimeError, match="item 5"):
        marks.draw()
    place = marks.state(5)
    again = resumed(Filter.of(Iterate.of(range(9)), odd), place, 0)
    with pytest.raises(RuntimeError, match="item 5"):
        next(again)
    marks.close()


def test_an_upstream_that_has_become_shorter_is_a_state_error() -> None:
    state = {"upstream": Iterate.of(range(3)).start().state(), "behind": 5}
    with pytest.raises(StateError, match="upstream ended 2 items before the place"):
        resumed(Iterate.of(range(3)), state, 0)
    with pytest.raises(StateError, match="behind"):
        resumed(Iterate.of(range(3)), {**state, "behind": "x"}, 0)
    assert list(resumed(Iterate.of(range(3)), {"upstream": None, "behind": 2}, 0)) == [2]
    with pytest.raises(StateError, match="upstream"):
        resumed(Iterate.of(range(3)), {"upstream": None}, 0)
