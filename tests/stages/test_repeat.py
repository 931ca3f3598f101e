"""Rounds: each with an epoch of its own, none of them endless over nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pytest

from headrace.core.errors import ArgumentError, KindError, OrderError, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.repeat import Repeat
from headrace.stages.stage import Stage
from headrace.stages.take import Take
from headrace.stages.window import WindowShuffle
from headrace.testing.stages import StageTests


def noisy(item: int, rng: np.random.Generator) -> float:
    return item + float(rng.random())


class TestRepeat(StageTests):
    @pytest.fixture(params=[1, 3, None])
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        return Repeat.of(Map.of(Iterate.of(range(4)), noisy, seed=0), request.param)

    def over(self, upstream: Flow) -> Flow:
        return Repeat.of(upstream, 2)


class TestNestedRepeats(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        inner = Take.of(Repeat.of(Map.of(Iterate.of(range(3)), noisy, seed=0)), 4)
        return Repeat.of(WindowShuffle.of(Repeat.of(inner, 2), 3, seed=1))


@dataclass(frozen=True, eq=False)
class Epochs(Stage):
    """Gives the epochs that it was started with: one item each."""

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        return Iterate.of([epoch]).start(state)


def test_rounds_are_epochs_that_no_two_of_them_share() -> None:
    below = Epochs(Iterate.of([0]))
    assert list(Repeat.of(below, 3).start()) == [0, 1, 2]
    assert list(Repeat.of(below, 3).start(epoch=2)) == [6, 7, 8]
    assert list(Repeat.of(Repeat.of(below, 3), 2).start()) == [0, 1, 2, 3, 4, 5]
    assert list(islice(Repeat.of(below).start(epoch=1), 2)) == [2**32, 2**32 + 1]


def test_endless_repeats_may_nest_to_any_depth_over_random_steps() -> None:
    flow: Flow = WindowShuffle.of(Map.of(Iterate.of(range(3)), noisy, seed=0), 2, seed=0)
    for _ in range(4):
        flow = Take.of(Repeat.of(flow), 2)
    assert len(set(islice(Repeat.of(flow).start(epoch=2**40), 20))) == 20


def test_a_random_map_draws_anew_in_each_round() -> None:
    values = list(Repeat.of(Map.of(Iterate.of([0]), noisy, seed=0), 3).start())
    assert len(set(values)) == 3


def test_an_endless_repeat_of_nothing_is_an_error_each_time_it_is_asked() -> None:
    nothing = Filter.of(Iterate.of(range(100)), lambda item: False)
    cursor = Repeat.of(nothing).start()
    for _ in range(2):
        with pytest.raises(OrderError, match=r"-> filter\(lambda\) gives no items; repeating it would never end"):
            next(cursor)


def test_an_endless_repeat_whose_later_rounds_are_empty_is_an_error_too() -> None:
    @dataclass(frozen=True, eq=False)
    class Fading(Stage):
        def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
            return Take.of(self.upstream, 2 - epoch).start(state)

    cursor = Repeat.of(Fading(Iterate.of([7, 8]))).start()
    assert [next(cursor), next(cursor), next(cursor)] == [7, 8, 7]
    with pytest.raises(OrderError, match="never end"):
        next(cursor)


def test_a_number_of_rounds_over_nothing_is_nothing() -> None:
    assert list(Repeat.of(Iterate.of([]), 3).start()) == []
    assert list(Repeat.of(Iterate.of([1]), 0).start()) == []


def test_lengths_and_ends_are_known() -> None:
    three, unknown = Iterate.of(range(3)), Filter.of(Iterate.of(range(3)), bool)
    assert (Repeat.of(three, 4).length(), Repeat.of(three, 4).endless) == (12, False)
    assert (Repeat.of(three).length(), Repeat.of(three).endless) == (None, True)
    assert (Repeat.of(unknown, 4).length(), Repeat.of(unknown, 4).endless) == (None, False)
    assert (Repeat.of(Repeat.of(three), 4).length(), Repeat.of(Repeat.of(three), 4).endless) == (None, True)
    assert (Repeat.of(Repeat.of(three), 0).length(), Repeat.of(Repeat.of(three), 0).endless) == (0, False)


@pytest.mark.parametrize(
    ("times", "error"), [(-1, ArgumentError), (1.5, KindError), ("2", KindError), (True, KindError)]
)
def test_times_that_cannot_be_meant_are_refused(times: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="the number of times to repeat"):
        Repeat.of(Iterate.of([1]), times)


def test_a_state_of_a_later_round_than_there_are_is_refused() -> None:
    with pytest.raises(StateError, match="in round 4, of 3"):
        Repeat.of(Iterate.of([1]), 3).start({"round": 4, "upstream": None})
