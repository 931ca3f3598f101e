"""The iterator that a user holds: its state, its errors, and what it lets go of."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace.core.errors import CodeChangedWarning, RecordError, ReplayWarning, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.iteration import StreamIterator
from headrace.stages.batch import Batched
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.take import Take
from headrace.stages.window import WindowShuffle


class Opened:
    """A generator function that notes what is open."""

    __name__ = "opened"

    def __init__(self, n: int = 10) -> None:
        self.n = n
        self.open = 0

    def __call__(self) -> Iterator[int]:
        self.open += 1
        try:
            yield from range(self.n)
        finally:
            self.open -= 1


def test_it_iterates_and_stays_at_its_end() -> None:
    iterator = StreamIterator(Iterate.of(range(3)))
    assert iter(iterator) is iterator
    assert list(iterator) == [0, 1, 2]
    assert list(iterator) == []


def test_a_state_leads_back_to_its_place_from_anywhere() -> None:
    iterator = StreamIterator(Iterate.of(range(10)))
    next(iterator), next(iterator)
    state = json.loads(json.dumps(iterator.state_dict()))
    assert state == {"format": 1, "order": ["range(0, 10)"], "code": [], "steps": "iterate", "at": {"count": 2}}
    assert list(iterator) == list(range(2, 10))
    for _ in range(2):
        iterator.load_state_dict(state)
        assert next(iterator) == 2
    iterator.close()
    iterator.load_state_dict(state)
    assert list(iterator) == list(range(2, 10))


def test_a_state_is_its_holder_s_own() -> None:
    flow = WindowShuffle.of(Iterate.of(range(50)), 10, seed=0)
    iterator = StreamIterator(flow)
    next(iterator)
    state = iterator.state_dict()
    text = json.dumps(state)
    state["order"].clear()
    state["at"]["slots"].clear()
    state["at"]["upstream"]["count"] = 7
    assert json.dumps(iterator.state_dict()) == text
    other = json.loads(text)
    iterator.load_state_dict(other)
    other["at"]["upstream"]["count"] = 7
    assert json.dumps(iterator.state_dict()) == text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: {**state, "format": 2}, r"newer Headrace \(format 2\).*upgrade"),
        (lambda state: {**state, "order": ["range(0, 11)"]}, r"saved: 'range\(0, 11\)'; here: 'range\(0, 10\)'"),
        (lambda state: {**state, "at": {}}, "'count' is missing"),
        (lambda state: {**state, "at": {"count": "3"}}, "whole number from 0"),
        (lambda state: {**state, "at": {"count": 11}}, "ends before"),
        (lambda state: {**state, "at": None}, "'at' should be a dict"),
        (lambda state: {"at": state["at"]}, "'format'"),
        (lambda state: state["at"], "'format'"),
        (lambda state: None, "got NoneType"),
        (lambda state: json.dumps(state), "got str"),
    ],
)
def test_what_is_no_state_of_it_is_refused_and_leaves_it_where_it_is(change: Callable[[Any], Any], words: str) -> None:
    iterator = StreamIterator(Iterate.of(range(10)))
    next(iterator)
    with pytest.raises(StateError, match=words):
        iterator.load_state_dict(change(iterator.state_dict()))
    assert list(iterator) == list(range(1, 10))


def test_changed_code_warns_and_goes_on() -> None:
    saved = StreamIterator(Map.of(Iterate.of(range(3)), lambda item: item + 1))
    next(saved)
    changed = StreamIterator(Map.of(Iterate.of(range(3)), lambda item: item + 100))
    with pytest.warns(CodeChangedWarning, match=r"map\(lambda\)") as caught:
        changed.load_state_dict(saved.state_dict())
    assert caught[0].filename == __file__
    assert list(changed) == [101, 102]


def test_everything_is_closed_at_the_end_early_by_with_and_when_dropped() -> None:
    source = Opened()
    flow = Take.of(Batched.of(Filter.of(Iterate.of(source), lambda item: True), 2), 3)
    list(StreamIterator(flow))
    assert source.open == 0
    early = StreamIterator(flow)
    next(early)
    assert source.open == 1
    early.close()
    early.close()
    assert source.open == 0
    with StreamIterator(flow) as iterator:
        next(iterator)
    assert source.open == 0
    assert list(iterator) == []
    for _ in StreamIterator(flow):
        break
    gc.collect()
    assert source.open == 0


def test_loading_a_state_closes_what_was_open() -> None:
    source = Opened()
    iterator = StreamIterator(Iterate.of(source))
    next(iterator)
    with pytest.warns(ReplayWarning):
        iterator.load_state_dict(iterator.state_dict())
    assert source.open == 1
    iterator.close()


def test_a_closed_iterator_still_says_where_it_was() -> None:
    iterator = StreamIterator(Iterate.of(range(5)))
    next(iterator)
    iterator.close()
    assert iterator.state_dict()["at"] == {"count": 1}


class Failing:
    """A function that fails on some calls, counted over all iterations."""

    def __init__(self, *bad: int, error: type[BaseException] = ValueError) -> None:
        self.bad = bad
        self.error = error
        self.calls = 0

    def __call__(self, item: int) -> int:
        self.calls += 1
        if self.calls - 1 in self.bad:
            raise self.error
        return item


def test_an_error_closes_everything_and_the_step_can_be_tried_again() -> None:
    source = Opened()
    flow = Batched.of(Map.of(Iterate.of(source), Failing(5)), 4)
    iterator = StreamIterator(flow)
    assert next(iterator).tolist() == [0, 1, 2, 3]
    with pytest.raises(RecordError, match="on item 5"):
        next(iterator)
    assert source.open == 0
    assert [batch.tolist() for batch in iterator] == [[4, 5, 6, 7], [8, 9]]


def test_an_error_that_stays_is_raised_each_time_and_never_an_end() -> None:
    iterator = StreamIterator(Map.of(Iterate.of([1, 0, 2]), lambda item: 1 / item))
    assert next(iterator) == 1.0
    for _ in range(3):
        with pytest.raises(RecordError, match="on item 1"):
            next(iterator)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_the_state_after_an_error_is_that_before_the_step(error: type[BaseException]) -> None:
    flow = Batched.of(Map.of(Iterate.of(range(10)), Failing(6, error=error)), 4)
    iterator = StreamIterator(flow)
    next(iterator)
    with pytest.raises((RecordError, error)):
        next(iterator)
    state = iterator.state_dict()
    assert state["at"]["upstream"]["upstream"] == {"count": 4}
    assert state == iterator.state_dict()
    resumed = StreamIterator(flow)
    resumed.load_state_dict(state)
    assert [batch.tolist() for batch in resumed] == [[4, 5, 6, 7], [8, 9]]
    assert [batch.tolist() for batch in iterator] == [[4, 5, 6, 7], [8, 9]]


def test_the_state_after_an_error_is_right_also_after_close_and_nothing_is_open() -> None:
    source = Opened()
    iterator = StreamIterator(Batched.of(Map.of(Iterate.of(source), Failing(5)), 4))
    with pytest.raises(RecordError), iterator:
        for _ in iterator:
            pass
    assert iterator.state_dict()["at"]["upstream"]["count"] == 4
    assert source.open == 0
    assert list(iterator) == []


def test_the_way_back_after_an_error_is_short_in_a_long_run() -> None:
    function = Failing(5000)
    iterator = StreamIterator(Map.of(Iterate.of(range(10_000)), function))
    with pytest.raises(RecordError, match="on item 5000"):
        for _ in iterator:
            pass
    assert next(iterator) == 5000
    assert function.calls < 10_000


class Slow:
    """A flow of one number again and again, whose state takes a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.states = 0

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        outer = self

        class Zeros:
            def __iter__(self) -> Zeros:
                return self

            def __next__(self) -> int:
                return 0

            def state(self) -> State:
                outer.states += 1
                time.sleep(outer.seconds)
                return {}

            def close(self) -> None:
                pass

        return Zeros()

    def length(self) -> int | None:
        return None

    def order(self) -> tuple[str, ...]:
        return ()

    def code(self) -> tuple[str, ...]:
        return ()


def test_places_are_remembered_seldom_where_a_state_is_dear() -> None:
    flow = Slow(0.002)
    iterator = StreamIterator(flow)
    for _ in range(50_000):
        next(iterator)
    assert flow.states <= 12


def test_a_stream_that_cannot_be_gone_through_again_is_told() -> None:
    lengths = iter([3, 1])

    def shrinking() -> Iterator[int]:
        yield from range(next(lengths))
        raise ValueError

    iterator = StreamIterator(Iterate.of(shrinking))
    for _ in range(3):
        next(iterator)
    with pytest.raises(RecordError):
        next(iterator)
    with pytest.raises(RecordError, match="after 1 items"):
        next(iterator)


def test_a_stream_that_ends_earlier_when_gone_through_again_is_told() -> None:
    kept = [True]
    flow: Flow = Filter.of(Iterate.of(range(5)), lambda item: kept[0])
    iterator = StreamIterator(Map.of(flow, Failing(3)))
    for _ in range(3):
        next(iterator)
    with pytest.raises(RecordError):
        next(iterator)
    kept[0] = False
    with pytest.raises(StateError, match="ended earlier"):
        next(iterator)


def test_the_cursor_is_at_hand() -> None:
    iterator = StreamIterator(Iterate.of(range(5)))
    next(iterator)
    assert iterator.cursor.state() == {"count": 1}


def test_a_flow_that_cannot_start_leaves_no_noise_behind() -> None:
    with pytest.raises(StateError):
        StreamIterator(Iterate.of(range(5)), {"count": 9})
    gc.collect()
