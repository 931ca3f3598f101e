"""The front of a stream, and all but the front."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import ArgumentError, KindError, RecordError, StateError
from headrace.core.flow import Flow
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.repeat import Repeat
from headrace.stages.take import Skip, Take
from headrace.testing.stages import StageTests


class TestTake(StageTests):
    @pytest.fixture(params=[1, 4, 5, 9])
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        return Take.of(Iterate.of(range(5)), request.param)

    def over(self, upstream: Flow) -> Flow:
        return Take.of(upstream, 3)


class TestSkip(StageTests):
    @pytest.fixture(params=[0, 1, 4])
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        return Skip.of(Iterate.of(range(5)), request.param)

    def over(self, upstream: Flow) -> Flow:
        return Skip.of(upstream, 3)


@given(n=st.integers(0, 20), cut=st.integers(0, 25))
def test_take_and_skip_part_the_items(n: int, cut: int) -> None:
    upstream = Iterate.of(range(n))
    front, rest = Take.of(upstream, cut), Skip.of(upstream, cut)
    assert [*front.start(), *rest.start()] == list(range(n))
    assert front.length() == len(list(front.start()))
    assert rest.length() == len(list(rest.start()))


def test_take_draws_no_more_than_it_gives() -> None:
    drawn = []

    def numbers() -> Iterator[int]:
        for number in range(10):
            drawn.append(number)
            yield number

    assert list(Take.of(Iterate.of(numbers), 3).start()) == [0, 1, 2]
    assert drawn == [0, 1, 2]
    assert list(Take.of(Iterate.of(numbers), 0).start()) == []
    assert drawn == [0, 1, 2]


def test_lengths_are_known_where_they_can_be() -> None:
    endless = Repeat.of(Iterate.of(range(3)))
    unknown = Filter.of(Iterate.of(range(3)), bool)
    assert Take.of(endless, 7).length() == 7
    assert not Take.of(endless, 7).endless
    assert Take.of(unknown, 7).length() is None
    assert Skip.of(endless, 7).length() is None
    assert Skip.of(endless, 7).endless
    assert Skip.of(unknown, 7).length() is None


def test_an_error_among_what_is_skipped_does_not_make_it_skip_too_much() -> None:
    flow = Skip.of(Filter.of(Iterate.of(range(6)), lambda item: 1 / (item - 1)), 3)
    cursor = flow.start()
    with pytest.raises(RecordError, match="item 1"):
        next(cursor)
    assert list(cursor) == [4, 5]


@pytest.mark.parametrize("kind", [Take, Skip])
@pytest.mark.parametrize(
    ("n", "error"), [(-1, ArgumentError), (1.0, KindError), ("1", KindError), (True, KindError), (None, KindError)]
)
def test_numbers_that_cannot_be_meant_are_refused(kind: Any, n: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="the number of items to"):
        kind.of(Iterate.of([1]), n)


def test_states_beyond_the_step_are_refused() -> None:
    with pytest.raises(StateError, match="4 items are taken already, of 3"):
        Take.of(Iterate.of(range(9)), 3).start({"upstream": {"count": 4}, "count": 4})
    with pytest.raises(StateError, match="4 items are left to skip, of 3"):
        Skip.of(Iterate.of(range(9)), 3).start({"upstream": {"count": 0}, "left": 4})
