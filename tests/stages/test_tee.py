"""Several iterators over one pass: all items to each, each drawn once, one state for all, exact across any cut."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Dataset
from headrace.core.errors import ArgumentError, KindError, OrderError, RecordError, ReplayWarning, StateError
from headrace.core.flow import Flow, State
from headrace.core.iteration import StreamIterator
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.tee import Branch, Tee
from headrace.stages.window import WindowShuffle

NUMBERS = Iterate.of(range(30))


def count_up(n: int) -> Iterator[int]:
    yield from range(n)


def is_no_third(item: int) -> int:
    return item % 3


def flow_of(kind: str) -> Flow:
    if kind == "generator":
        return Iterate.of(count_up, (40,))
    if kind == "dataset":
        return Dataset(range(40)).shuffle(0).stream()._flow
    return WindowShuffle.of(Filter.of(Iterate.of(range(60)), is_no_third), 7, seed=1)


def as_json(tee: Tee) -> State:
    state: State = json.loads(json.dumps(tee.state_dict(), allow_nan=False))
    return state


TURNS = st.lists(st.integers(0, 2), max_size=120)


@given(TURNS, st.integers(0, 120), st.sampled_from(["generator", "dataset", "window"]), st.booleans())
@pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")
def test_a_group_that_is_cut_anywhere_gives_each_branch_exactly_the_rest(
    turns: list[int], cut: int, kind: str, closed: bool
) -> None:
    expected = list(flow_of(kind).start())
    tee = Tee(flow_of(kind), 3, buffer=20)
    found: list[list[int]] = [[], [], []]
    for turn, branch in enumerate(turns):
        if turn == cut:
            if closed:
                tee.close()
            state = as_json(tee)
            if turn % 2:
                tee = Tee(flow_of(kind), 3, buffer=20)
            tee.load_state_dict(state)
        ahead = len(found[branch]) - min(map(len, found))
        if ahead == 20 and len(found[branch]) < len(expected):
            with pytest.raises(OrderError, match=f"branch {branch} of tee\\(3\\) is 20 items ahead of branch"):
                next(tee[branch])
        else:
            found[branch] += islice(tee[branch], 1)
        assert tee._held.read - min(map(len, found)) <= 21
        assert len(tee._held.items) == tee._held.read - min(map(len, found))
    for branch in sorted(range(3), key=lambda number: len(found[number])):
        while len(found[branch]) < max(map(len, found)):
            found[branch].append(next(tee[branch]))
    for items in zip(*tee, strict=True):
        for branch, item in enumerate(items):
            found[branch].append(item)
    assert found == [expected] * 3
    tee.close()


def test_branches_take_in_step_or_apart_and_each_item_is_drawn_once() -> None:
    drawn: list[int] = []
    a, b = Tee(Map.of(NUMBERS, lambda item: drawn.append(item) or item), 2)  # type: ignore[func-returns-value]
    assert list(islice(a, 10)) == list(range(10)) and drawn == list(range(10))
    assert list(b) == list(range(30)) and list(a) == list(range(10, 30))
    assert drawn == list(range(30))


def test_a_group_is_a_sequence_of_its_branches() -> None:
    tee = Tee(NUMBERS, 3)
    assert len(tee) == 3 and [type(branch) for branch in tee] == [Branch] * 3
    assert next(tee[1]) == 0 and next(tee[-2]) == 1 and next(tee[np.int64(1)]) == 2
    for number in (3, -4):
        with pytest.raises(IndexError, match="there are 3 branches"):
            tee[number]
    for strange in (slice(2), "0", None, 1.0, True):
        with pytest.raises(KindError):
            tee[strange]  # type: ignore[index]


def test_one_branch_alone_is_the_flow_and_holds_nothing() -> None:
    (only,) = tee = Tee(NUMBERS, 1, buffer=1)
    for number, item in enumerate(only):
        assert item == number and not tee._held.items


def test_a_branch_too_far_ahead_is_told_so_and_goes_on_later() -> None:
    tee = Tee(NUMBERS, 3, buffer=5)
    a, b, c = tee
    next(b)
    assert list(islice(a, 5)) == list(range(5))
    for _ in range(2):
        with pytest.raises(OrderError) as raised:
            next(a)
        assert str(raised.value) == (
            "branch 0 of tee(3) is 5 items ahead of branch 2, and no more are held (buffer=5): take the branches in "
            "step, give a larger buffer, or close() a branch that nobody reads"
        )
    assert len(tee._held.items) == 6
    state = as_json(tee)
    assert next(c) == 0 and next(a) == 5
    tee.load_state_dict(state)
    assert next(b) == 1
    c.close()
    assert next(a) == 5


def test_a_buffer_as_long_as_the_flow_lets_one_branch_run_to_the_end() -> None:
    a, b = Tee(NUMBERS, 2, buffer=30)
    assert list(a) == list(range(30)) == list(b)
    a, b = Tee(NUMBERS, 2, buffer=29)
    with pytest.raises(OrderError, match="29 items ahead"):
        list(a)


def test_a_branch_that_is_closed_is_waited_for_no_more() -> None:
    tee = Tee(NUMBERS, 3, buffer=4)
    a, b, c = tee
    list(islice(a, 4))
    list(islice(b, 2))
    c.close()
    c.close()
    assert list(c) == [] and len(tee._held.items) == 2
    state = as_json(tee)
    assert state["at"]["branches"] == [4, 2, None]
    assert list(islice(a, 2)) == [4, 5]
    b.close()
    assert not tee._held.items and list(a) == list(range(6, 30))
    tee.load_state_dict(state)
    assert (next(a), next(b), next(c, None)) == (4, 2, None)
    other = Tee(NUMBERS, 3, buffer=4)
    other.load_state_dict(state)
    assert [next(branch, None) for branch in other] == [4, 2, None]


def closing(closed: list[bool]) -> Flow:
    def numbers() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(True)

    return Iterate.of(numbers)


@pytest.mark.parametrize("way", ["close", "with", "branches", "drop", "end"])
def test_closing_lets_go_of_all(way: str) -> None:
    closed: list[bool] = []
    tee: Tee | None = Tee(closing(closed), 2)
    assert tee is not None
    a, b = tee
    next(a)
    match way:
        case "close":
            tee.close()
            tee.close()
        case "with":
            with tee:
                next(b)
        case "branches":
            a.close()
            assert not closed
            b.close()
        case "drop":
            del a, b
            tee = None
        case "end":
            list(a)
    assert closed == [True]
    if tee is not None and way != "end":
        assert next(a, None) is None and next(b, None) is None


def test_a_closed_group_still_says_where_it_was() -> None:
    with Tee(NUMBERS, 2) as tee:
        a, b = tee
        assert list(islice(a, 7)) == list(range(7)) and next(b) == 0
    state = as_json(tee)
    assert all(item is None for item in tee._held.items.values())
    tee.load_state_dict(state)
    assert next(a) == 7 and list(b) == list(range(1, 30))


def test_items_are_shared_and_let_go_of_when_all_have_them() -> None:
    alive = [0]

    class Item:
        def __init__(self, _: int) -> None:
            alive[0] += 1

        def __del__(self) -> None:
            alive[0] -= 1

    tee = Tee(Map.of(Iterate.of(range(200)), Item), 2, buffer=10)
    a, b = tee
    ahead = [next(a) for _ in range(5)]
    assert next(b) is ahead[0]
    ahead.clear()
    most = 0
    for _ in range(100):
        next(a)
        next(b)
        most = max(most, alive[0])
    assert most <= 6
    tee.close()
    assert alive[0] == 0


def fails_at(place: int, times: int) -> Flow:
    left = [times]

    def fails(item: int) -> int:
        if item == place and left[0]:
            left[0] -= 1
            raise ValueError("not now")
        return item

    return Map.of(Iterate.of(range(10)), fails)


def test_an_error_upstream_reaches_each_branch_at_that_item_and_can_be_tried_again() -> None:
    tee = Tee(fails_at(4, times=3), 2)
    a, b = tee
    for branch in (a, a, b):
        found = []
        with pytest.raises(RecordError, match="item 4"):
            for item in branch:
                found.append(item)
        assert found in (list(range(4)), [])
    state = as_json(tee)
    assert list(a) == list(range(4, 10)) == list(b)
    tee.load_state_dict(state)
    assert list(b) == list(a) == list(range(4, 10))


def test_ctrl_c_loses_nothing() -> None:
    pressed = [False]

    def press(item: int) -> int:
        if item == 40 and not pressed[0]:
            pressed[0] = True
            raise KeyboardInterrupt
        return item

    a, b = Tee(Map.of(Iterate.of(count_up, (100,)), press), 2)
    found = []
    with pytest.raises(KeyboardInterrupt):
        for item in a:
            found.append(item)
    with pytest.warns(ReplayWarning):
        assert found + list(a) == list(range(100)) == list(b)


@pytest.mark.parametrize("branches", [2, 5])
def test_branches_are_taken_in_threads(branches: int) -> None:
    n = 4000
    tee = Tee(Iterate.of(count_up, (n,)), branches, buffer=n)
    found: list[list[int]] = [[] for _ in range(branches)]
    barrier = threading.Barrier(branches)

    def take(number: int) -> None:
        barrier.wait(10)
        found[number] += tee[number]

    threads = [threading.Thread(target=take, args=(number,)) for number in range(branches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [list(range(n))] * branches
    assert not tee._held.items


def test_one_branch_in_several_threads_hands_each_item_out_once() -> None:
    a, b = Tee(Iterate.of(range(3000)), 2, buffer=3000)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.extend(a)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == list(range(3000)) == list(b)


def test_it_begins_where_a_stream_is_resumed() -> None:
    iterator = StreamIterator(NUMBERS)
    list(islice(iterator, 12))
    tee = Tee(NUMBERS, 2, at=iterator.state_dict()["at"])
    a, b = tee
    assert next(a) == 12
    state = as_json(tee)
    other = Tee(NUMBERS, 2)
    other.load_state_dict(state)
    assert [next(branch) for branch in other] == [13, 12] and list(b) == list(range(12, 30))


def test_a_state_holds_numbers_only() -> None:
    tee = Tee(Iterate.of([np.full(1000, number) for number in range(3000)]), 2)
    a, b = tee
    for place, _ in enumerate(a):
        if place >= 900:
            next(b)
        if place % 50 == 0:
            assert len(json.dumps(tee.state_dict())) < 500


def test_what_the_state_belongs_to_is_checked() -> None:
    tee = Tee(NUMBERS, 2)
    a, _ = tee
    next(a)
    state = as_json(tee)
    with pytest.raises(StateError, match=r"tee\(2\).*tee\(3\)"):
        Tee(NUMBERS, 3).load_state_dict(state)
    with pytest.raises(StateError, match="another order"):
        Tee(Iterate.of(range(31)), 2).load_state_dict(state)
    with pytest.raises(StateError):
        tee.load_state_dict(StreamIterator(NUMBERS).state_dict())
    with pytest.raises(StateError):
        StreamIterator(NUMBERS).load_state_dict(state)
    assert next(a) == 1  # it stays where it is


def test_a_smaller_buffer_than_the_state_needs_is_refused() -> None:
    tee = Tee(NUMBERS, 2, buffer=20)
    list(islice(tee[0], 20))
    with pytest.raises(StateError, match="20 items apart, and 5 may be held here"):
        Tee(NUMBERS, 2, buffer=5).load_state_dict(tee.state_dict())


@pytest.mark.parametrize(
    "change",
    [
        {"branches": [3]},
        {"branches": [3, "1"]},
        {"branches": [3, -1]},
        {"branches": [3, True]},
        {"branches": [9, 1]},
        {"branches": None},
        {"branches": [3, 1.5]},
        {"read": 2},
        {"read": 10**18},
        {"read": None},
        {"from": 2},
        {"upstream": None},
        {"upstream": {"count": 10**18}},
    ],
)
def test_a_damaged_state_is_refused(change: dict[str, Any]) -> None:
    tee = Tee(NUMBERS, 2)
    list(islice(tee[0], 3))
    next(tee[1])
    state = as_json(tee)
    with pytest.raises(StateError):
        tee.load_state_dict({**state, "at": {**state["at"], **change}})
    assert next(tee[1]) == 1


def test_a_branch_has_no_state_of_its_own() -> None:
    tee = Tee(NUMBERS, 2)
    for refused in (tee[1].state_dict, lambda: tee[1].load_state_dict({})):
        with pytest.raises(StateError, match=r"branch 1 of Tee\(.*\) has no state of its own.*tee\.state_dict\(\)"):
            refused()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda tee: pickle.loads(pickle.dumps(tee))])
def test_a_copy_is_a_group_of_its_own(copied: Any) -> None:
    tee = Tee(NUMBERS, 2, buffer=17)
    list(islice(tee[0], 5))
    other = copied(tee)
    assert [next(branch) for branch in other] == [5, 0] == [next(branch) for branch in tee]
    assert repr(other) == repr(tee) == "Tee(range(0, 30) -> tee(2), buffer=17, taken=[6, 1])"


def test_no_circle_keeps_a_group_alive() -> None:
    closed: list[bool] = []
    gc.disable()
    try:
        a, b = Tee(closing(closed), 2)
        next(a)
        del a, b
        assert closed == [True]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("n", "buffer", "error"),
    [
        (0, 10, ArgumentError),
        (-1, 10, ArgumentError),
        (2.0, 10, KindError),
        (None, 10, KindError),
        (True, 10, KindError),
        (2, 0, ArgumentError),
        (2, "10", KindError),
        (2, None, KindError),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(n: Any, buffer: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Tee(NUMBERS, n, buffer)
