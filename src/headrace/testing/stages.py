"""The conformance kit of flows: what every stage, source of a stream and mux must do.

Subclass :class:`StageTests`, give a ``flow`` fixture, and pytest runs the rest::

    class TestDouble(StageTests):
        @pytest.fixture
        def flow(self) -> Flow:
            return Double(Iterate.of(range(10)))
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import pytest

from headrace.core import columns
from headrace.core.batch import Batch
from headrace.core.errors import ReplayWarning, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.ragged import Ragged
from headrace.stages.iterate import Iterate


class StageTests:
    """What every flow must do: subclass it and give a ``flow`` fixture of one item or more.

    Override ``over`` where the flow is a step over another one: then it is also tested that closing it closes what
    lies below. Of a flow without end, ``limit`` items are looked at.
    """

    limit: ClassVar[int] = 60

    @pytest.fixture
    def flow(self) -> Flow:
        raise NotImplementedError("give a fixture `flow`")

    def over(self, upstream: Flow) -> Flow | None:
        """Return the step over another flow; None for what stands on none."""
        return None

    @pytest.fixture(autouse=True)
    def _replays_are_fine(self) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReplayWarning)
            yield

    def items(self, cursor: Cursor) -> list[Any]:
        """Return what is left in a cursor, and close it."""
        try:
            return list(islice(cursor, self.limit))
        finally:
            cursor.close()

    def test_it_is_a_flow_that_gives_items(self, flow: Flow) -> None:
        assert isinstance(flow, Flow)
        assert self.items(flow.start())

    def test_it_starts_again_and_gives_the_same(self, flow: Flow) -> None:
        check_alike(self.items(flow.start()), self.items(flow.start()))

    def test_another_epoch_is_the_same_each_time(self, flow: Flow) -> None:
        check_alike(self.items(flow.start(epoch=3)), self.items(flow.start(epoch=3)))

    def test_two_cursors_do_not_disturb_each_other(self, flow: Flow) -> None:
        expected = self.items(flow.start())
        first, second = flow.start(), flow.start()
        pairs = list(islice(zip(first, second, strict=False), self.limit))
        check_alike([one for one, _ in pairs], expected[: len(pairs)])
        check_alike([other for _, other in pairs], expected[: len(pairs)])
        first.close()
        second.close()

    @pytest.mark.parametrize("epoch", [0, 2])
    def test_all_cuts_give_exactly_the_rest(self, flow: Flow, epoch: int) -> None:
        check_cuts(flow, epoch, self.limit)

    def test_a_run_may_be_cut_after_every_item(self, flow: Flow) -> None:
        expected = self.items(flow.start())
        state, found = None, []
        for _ in expected:
            cursor = flow.start(state)
            found.append(next(cursor))
            state = json.loads(json.dumps(cursor.state()))
            cursor.close()
        check_alike(found, expected)

    def test_a_state_is_plain_json(self, flow: Flow) -> None:
        cursor = flow.start()
        for _ in range(3):
            state = cursor.state()
            assert json.loads(json.dumps(state, allow_nan=False)) == state
            next(cursor, None)
        cursor.close()

    def test_asking_for_the_state_moves_nothing(self, flow: Flow) -> None:
        expected = self.items(flow.start())
        cursor = flow.start()
        found = []
        for item in islice(cursor, self.limit):
            found.append(item)
            assert cursor.state() == cursor.state()
        check_alike(found, expected)
        cursor.close()

    def test_a_state_stays_what_it_is_when_the_cursor_moves(self, flow: Flow) -> None:
        cursor = flow.start()
        state = cursor.state()
        written = json.dumps(state)
        self.items(cursor)
        assert json.dumps(state) == written

    def test_its_length_is_right_where_it_is_known(self, flow: Flow) -> None:
        length = flow.length()
        if length is not None and length < self.limit:
            assert len(self.items(flow.start())) == length

    def test_it_stays_at_its_end(self, flow: Flow) -> None:
        cursor = flow.start()
        if len(list(islice(cursor, self.limit))) < self.limit:
            for _ in range(2):
                assert next(cursor, None) is None
            state = json.loads(json.dumps(cursor.state()))
            assert self.items(flow.start(state)) == []
        cursor.close()

    def test_closing_ends_it_and_keeps_its_state(self, flow: Flow) -> None:
        expected = self.items(flow.start())
        cursor = flow.start()
        next(cursor)
        cursor.close()
        cursor.close()
        assert next(cursor, None) is None
        state = json.loads(json.dumps(cursor.state()))
        check_alike(self.items(flow.start(state))[: len(expected) - 1], expected[1:])

    def test_what_was_never_moved_can_be_closed(self, flow: Flow) -> None:
        cursor = flow.start()
        cursor.close()
        assert next(cursor, None) is None

    def test_its_identity_is_text_and_does_not_change(self, flow: Flow) -> None:
        before = flow.order(), flow.code()
        assert all(isinstance(line, str) for lines in before for line in lines)
        self.items(flow.start())
        assert (flow.order(), flow.code()) == before

    def test_a_damaged_state_is_refused_by_a_state_error(self, flow: Flow) -> None:
        cursor = flow.start()
        next(cursor)
        state = cursor.state()
        cursor.close()
        for damaged in damages(state):
            try:
                self.items(flow.start(damaged))
            except StateError:
                pass  # any other error fails the test; what is still a state of this flow may pass

    def test_closing_closes_what_lies_below(self) -> None:
        closed: list[bool] = []

        def numbers() -> Iterator[int]:
            try:
                yield from range(100)
            finally:
                closed.append(True)

        flow = self.over(Iterate.of(numbers))
        if flow is None:
            pytest.skip("it stands on no other flow")
        cursor = flow.start()
        next(cursor)
        cursor.close()
        assert closed == [True]


def check_cuts(flow: Flow, epoch: int = 0, limit: int = 60) -> None:
    """Check that a run which is stopped after any item and resumed from its state, as JSON, gives exactly the rest."""
    cursor = flow.start(epoch=epoch)
    states, items = [as_json(cursor)], []
    for item in islice(cursor, limit):
        items.append(item)
        states.append(as_json(cursor))
    cursor.close()
    for cut, state in enumerate(states):
        resumed = flow.start(state, epoch)
        rest = list(islice(resumed, limit - cut))
        resumed.close()
        check_alike(rest, items[cut:], f"resumed after {cut} items")


def as_json(cursor: Cursor) -> State:
    """Return a cursor's state as another process would read it."""
    state: State = json.loads(json.dumps(cursor.state(), allow_nan=False))
    return state


def check_alike(found: list[Any], expected: list[Any], where: str = "") -> None:
    """Check that items are equal one by one: in kind, dtype, shape and value, NaN being equal to NaN."""
    for place, (one, other) in enumerate(zip(found, expected, strict=False)):
        assert alike(one, other), f"{where}: item {place} is {one!r}, not {other!r}"
    assert len(found) == len(expected), f"{where}: {len(found)} items, not {len(expected)}"


def alike(one: Any, other: Any) -> bool:
    """Say whether two items are equal, whatever they hold."""
    if isinstance(one, np.ndarray | Ragged | Batch) or columns.is_tensor(one):
        return columns.same(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(value, other[name]) for name, value in one.items())
    return bool(one == other) or bool(one != one and other != other)


def damages(state: State) -> Iterator[Any]:
    """Give a state with each of its fields, at any depth, left out or turned into something else, one at a time."""
    for name in state:
        yield {key: value for key, value in state.items() if key != name}
        for value in (*_STRANGE, *_inside(state[name])):
            yield {**state, name: value}


_STRANGE: tuple[Any, ...] = (None, -1, 1.5, "x", [], {}, True, 10**30)


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from damages(value)
    elif isinstance(value, list):
        for place, part in enumerate(value):
            for changed in (*_STRANGE, *_inside(part)):
                yield [*value[:place], changed, *value[place + 1 :]]
