"""A state names what it belongs to, stays small, and is refused in words wherever it does not fit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from headrace.core.errors import CodeChangedWarning, StateError
from headrace.core.flow import Cursor, State
from headrace.core.state import (
    LINES_LIMIT,
    brief,
    envelope,
    open_envelope,
    read_list,
    read_state,
    read_whole,
)


@dataclass(frozen=True)
class Named:
    """A flow that is nothing but its identity."""

    lines: tuple[str, ...] = ("range(0, 10)", "take(3)")
    codes: tuple[str, ...] = ("map(augment) 1a2b",)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        raise NotImplementedError

    def length(self) -> int | None:
        return None

    def order(self) -> tuple[str, ...]:
        return self.lines

    def code(self) -> tuple[str, ...]:
        return self.codes


def test_a_state_is_opened_where_it_was_made_also_after_json() -> None:
    state = envelope(Named(), {"count": 3})
    assert state["format"] == 1
    assert open_envelope(Named(), json.loads(json.dumps(state))) == {"count": 3}


def test_another_order_is_refused_with_the_first_line_that_differs() -> None:
    state = envelope(Named(("a", "shuffle(seed=0)", "c")), {})
    with pytest.raises(StateError, match=r"saved: 'shuffle\(seed=0\)'; here: 'shuffle\(seed=1\)'"):
        open_envelope(Named(("a", "shuffle(seed=1)", "d")), state)


def test_a_chain_that_lacks_or_adds_a_step_is_refused() -> None:
    state = envelope(Named(("a", "b")), {})
    with pytest.raises(StateError, match=r"saved: 'b'; here: nothing more"):
        open_envelope(Named(("a",)), state)
    with pytest.raises(StateError, match=r"saved: nothing more; here: 'c'"):
        open_envelope(Named(("a", "b", "c")), state)


def test_other_code_warns_at_the_line_of_the_caller() -> None:
    state = envelope(Named(codes=("map(f) 1",)), {"count": 1})
    with pytest.warns(CodeChangedWarning, match=r"Then: 'map\(f\) 1'; now: 'map\(f\) 2'") as caught:
        assert open_envelope(Named(codes=("map(f) 2",)), state) == {"count": 1}
    assert caught[0].filename == __file__


def test_a_state_of_a_newer_version_is_refused_by_name() -> None:
    state = {**envelope(Named(), {}), "format": 2}
    with pytest.raises(StateError, match=r"newer Headrace \(format 2\); this one reads up to 1: upgrade"):
        open_envelope(Named(), state)


def test_a_newer_state_need_not_look_like_ours_to_be_named() -> None:
    with pytest.raises(StateError, match="newer Headrace"):
        open_envelope(Named(), {"format": 7, "place": []})


@pytest.mark.parametrize("state", [None, [], "state", 3, b"{}", {}, {"at": {}}])
def test_what_is_no_state_is_refused(state: Any) -> None:
    with pytest.raises(StateError, match=r"state_dict\(\)"):
        open_envelope(Named(), state)


@pytest.mark.parametrize(
    "part",
    [
        {"format": "1"},
        {"format": True},
        {"format": 0},
        {"format": 1.0},
        {"order": "range"},
        {"order": None},
        {"code": {}},
        {"at": []},
        {"at": None},
    ],
)
def test_a_damaged_state_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(StateError):
        open_envelope(Named(), {**envelope(Named(), {}), **part})


@pytest.mark.parametrize("name", ["format", "order", "code", "at"])
def test_a_state_that_lacks_a_part_is_refused(name: str) -> None:
    state = envelope(Named(), {})
    del state[name]
    with pytest.raises(StateError, match=f"'{name}'"):
        open_envelope(Named(), state)


def test_lines_of_any_kind_in_a_foreign_state_are_compared_without_trouble() -> None:
    state = {**envelope(Named(), {}), "order": [{"a": 1}, None, 3]}
    with pytest.raises(StateError, match="another order"):
        open_envelope(Named(), state)


def test_an_envelope_stays_small_however_long_the_chain() -> None:
    lines = tuple(f"mix {number}: stream(read, 'file-{number}.txt')" for number in range(1000))
    flow = Named(lines, tuple(f"map(f) {number}" for number in range(1000)))
    assert len(json.dumps(envelope(flow, {}))) < 1000
    assert open_envelope(flow, envelope(flow, {"n": 1})) == {"n": 1}


def test_one_line_in_a_thousand_is_noticed() -> None:
    lines = [f"stream {number}" for number in range(1000)]
    state = envelope(Named(tuple(lines)), {})
    lines[500] = "stream five hundred"
    with pytest.raises(StateError, match="1000 lines, digest"):
        open_envelope(Named(tuple(lines)), state)


def test_a_single_line_of_any_length_is_cut_and_still_noticed() -> None:
    long = "x" * 5000
    assert sum(map(len, brief([long]))) < LINES_LIMIT
    assert brief([long]) != brief([long[:-1] + "y"])


def test_where_lines_break_makes_a_difference() -> None:
    long = "x" * LINES_LIMIT
    assert brief(["a", "bc", long])[1] != brief(["ab", "c", long])[1]


def test_short_lines_are_kept_whole() -> None:
    assert brief(()) == []
    assert brief(("a", "b")) == ["a", "b"]
    assert brief(["x" * LINES_LIMIT]) == ["x" * LINES_LIMIT]


@pytest.mark.parametrize("value", [None, -1, 1.0, True, "1", [1]])
def test_a_field_of_another_kind_is_refused(value: Any) -> None:
    with pytest.raises(StateError, match="'count' should be a whole number from 0 up"):
        read_whole({"count": value}, "count")


def test_fields_are_read() -> None:
    assert read_whole({"count": 2}, "count") == 2
    assert read_state({"upstream": {"a": 1}}) == {"a": 1}
    assert read_list({"slots": [1]}, "slots") == [1]


def test_fields_that_are_missing_or_of_another_kind_are_refused() -> None:
    with pytest.raises(StateError, match="'count' is missing"):
        read_whole({}, "count")
    with pytest.raises(StateError, match="'upstream' should be a dict, got 3"):
        read_state({"upstream": 3})
    with pytest.raises(StateError, match="'slots' should be a list, got None"):
        read_list({"slots": None}, "slots")
    with pytest.raises(StateError, match="'slots' should be a list of 2"):
        read_list({"slots": [1]}, "slots", 2)
    with pytest.raises(StateError, match="'count' is missing"):
        read_whole([], "count")  # type: ignore[arg-type]
