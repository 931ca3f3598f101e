"""The muxes: what they refuse, how they end, their hooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.compat.pescador import (
    BaseMux,
    ChainMux,
    PescadorError,
    RoundRobinMux,
    ShuffledMux,
    StochasticMux,
    Streamer,
)


def stochastic(streams: Any = "ab", n_active: Any = 1, rate: Any = 2, **settings: Any) -> StochasticMux:
    return StochasticMux(streams, n_active, rate, **settings)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no streams": (lambda: stochastic([]), "at least one stream"),
    "no streams to shuffle": (lambda: ShuffledMux([]), "at least one stream"),
    "no streams in turn": (lambda: RoundRobinMux([]), "at least one stream"),
    "a function of streams": (lambda: ShuffledMux(lambda: "ab"), "at least one stream"),
    "what is no stream": (lambda: ShuffledMux([1, 2]), "generator function or an iterable, got 1"),
    "a chain of nothing known": (lambda: ChainMux(5), "needs streams, or a function"),
    "another mode": (lambda: stochastic(mode="foo"), "mode must be one of"),
    "another mode in turn": (lambda: RoundRobinMux("ab", "foo"), "mode must be one of"),
    "another mode of a chain": (lambda: ChainMux("ab", "foo"), "mode must be one of"),
    "another dist": (lambda: stochastic(dist="gaussian"), "dist must be one of"),
    "none active": (lambda: stochastic(n_active=0), "n_active must be a whole number from 1 up"),
    "half of one active": (lambda: stochastic(n_active=1.5), "n_active must be a whole number from 1 up"),
    "more active than there are": (lambda: stochastic(n_active=3, mode="exhaustive"), "n_active=3 of 2 streams"),
    "a rate below 1": (lambda: stochastic(rate=0.5), "rate must be None or a number from 1 up"),
    "a rate that is none": (lambda: stochastic(rate="fast"), "rate must be None or a number from 1 up"),
    "a rate of NaN": (lambda: stochastic(rate=float("nan")), "rate must be None or a number from 1 up"),
    "weights of another number": (lambda: ShuffledMux("ab", [1, 2, 3]), "one number for each of 2 streams"),
    "weights of nothing": (lambda: stochastic(weights=[0, 0]), "one of them above 0"),
    "a weight below 0": (lambda: ShuffledMux("ab", [2, -1]), "numbers from 0 up"),
    "a weight of NaN": (lambda: stochastic(weights=[1, np.nan]), "numbers from 0 up"),
    "a weight of text": (lambda: stochastic(weights=["a", "b"]), "weights must be numbers"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(PescadorError, match=words):
        make()


def test_weights_that_were_handed_over_stay_as_they_are() -> None:
    for weights in (np.array([1.0, 3.0]), np.array([1, 3])):
        assert ShuffledMux("ab", weights).weights.tolist() == [0.25, 0.75]
        assert stochastic(weights=weights).weights.tolist() == [0.25, 0.75]
        assert weights.tolist() == [1, 3]


EMPTY = {
    "with replacement": lambda: stochastic([[], []], 2),
    "single active": lambda: stochastic([[], []], 2, mode="single_active"),
    "exhaustive": lambda: stochastic([[], []], 2, mode="exhaustive"),
    "single active, the only one of weight": lambda: stochastic(["a", []], 2, weights=[0, 1], mode="single_active"),
    "shuffled": lambda: ShuffledMux([[], []]),
    "in turn": lambda: RoundRobinMux([[], []]),
    "in turn, cycled": lambda: RoundRobinMux([[], []], "cycle"),
    "in turn, permuted": lambda: RoundRobinMux([[], []], "permuted_cycle"),
    "chained": lambda: ChainMux([[], []]),
    "chained, cycled": lambda: ChainMux([[], []], "cycle"),
    "a chain of nothing": lambda: ChainMux([], "cycle"),
    "a mux of empty muxes": lambda: ShuffledMux([ChainMux([]), RoundRobinMux([[]], "cycle")]),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", EMPTY.values(), ids=EMPTY)
def test_a_mux_of_nothing_is_at_its_end(make: Callable[[], Any]) -> None:
    mux = make()
    assert list(mux) == [] == list(mux.iterate(10)) and mux.active == 0


@pytest.mark.timeout(20)
def test_a_stream_that_runs_dry_later_ends_a_cycle() -> None:
    left = [1, 2, 3]

    def used_up() -> Iterator[int]:
        if left:
            yield left.pop()

    assert list(RoundRobinMux([Streamer(used_up)], "cycle")) == [3, 2, 1]


def test_streams_that_are_not_pruned_are_asked_again() -> None:
    asked = []

    def late() -> Iterator[int]:
        asked.append(1)
        if len(asked) > 500:
            yield 1

    assert list(stochastic([Streamer(late)], prune_empty_streams=False).iterate(1)) == [1] and len(asked) == 501


def test_a_chain_calls_its_function_for_each_round() -> None:
    called = []

    def streams() -> Iterator[Any]:
        called.append(1)
        yield from (Streamer("ab"), "c")

    assert "".join(ChainMux(streams, "cycle").iterate(7)) == "abcabca" and len(called) == 3


def test_what_is_no_stream_in_a_chain_is_refused_when_its_turn_comes() -> None:
    def streams() -> Iterator[Any]:
        yield from ("ab", 5)

    items = ChainMux(streams).iterate()
    assert next(items) + next(items) == "ab"
    with pytest.raises(PescadorError, match="got 5"):
        next(items)


@pytest.mark.parametrize("wrong", [TypeError("in the streams"), PescadorError("in the streams")])
def test_an_error_of_a_generator_of_streams_is_not_swallowed(wrong: Exception) -> None:
    def streams() -> Iterator[Any]:
        yield "ab"
        raise wrong

    with pytest.raises(type(wrong), match="in the streams"):
        ChainMux(streams())


def test_an_error_of_a_stream_in_the_middle_arrives_and_lets_go_of_all() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise OSError("no such disk")

    streams = [Streamer(fails), Streamer("abc")]
    mux = ShuffledMux(streams, random_state=0)
    with pytest.raises(OSError, match="no such disk"):
        list(mux.iterate(100))
    assert mux.active == 0


def test_own_streams_and_datasets_may_stand_in_a_mux() -> None:
    mux = ShuffledMux([hr.Stream(range(3)), hr.Dataset([10, 11]), "ab"], random_state=0)
    assert set(mux.iterate(60)) == {0, 1, 2, 10, 11, "a", "b"}


def test_an_active_copy_shows_what_is_going_on() -> None:
    mux = StochasticMux(["a" * 9, [], "c" * 9], 2, rate=None, random_state=2)
    with mux as active:
        assert mux.active == 1 and active.active == 0 and mux.streams_ is None
        assert len(active.streams_) == len(active.stream_weights_) == len(active.stream_counts_) == 2
        assert active.distribution_.tolist() == [1 / 3] * 3
        items = list(active.iterate(30))
        assert set(items) == {"a", "c"} and len(items) == 30
        assert active.valid_streams_.tolist() == [True, False, True] and active.distribution_[1] == 0
    assert mux.active == 0


class Heaviest(BaseMux):
    """A mux as a user writes one: the stream with the least items so far has its turn; one that ends is gone."""

    def _activate(self) -> None:
        self.streams_ = [None] * self.n_streams
        self.stream_counts_ = np.zeros(self.n_streams, dtype=int)
        self.ended: list[int] = []
        for idx in range(self.n_streams):
            self._new_stream(idx)

    def _reset(self) -> None:
        self.streams_ = None

    def _streamers_available(self) -> bool:
        return len(self.ended) < self.n_streams

    def _next_sample_index(self) -> int:
        left = [idx for idx in range(self.n_streams) if idx not in self.ended]
        return min(left, key=lambda idx: int(self.stream_counts_[idx]))

    def _on_stream_exhausted(self, idx: int) -> None:
        self.ended.append(idx)

    def _replace_stream(self, idx: int) -> None:
        self.streams_[idx] = None

    def _new_stream(self, idx: int) -> None:
        self.streams_[idx] = self.streamers[idx].iterate()


def test_a_mux_of_ones_own_needs_the_hooks_alone() -> None:
    mux = Heaviest(["abc", "d", "ef"])
    assert "".join(mux) == "adebfc" == "".join(mux.iterate())
    assert "".join(mux.iterate(4)) == "adeb" and mux.active == 0
    assert Counter(ShuffledMux([mux, "x"], random_state=0).iterate(50)).keys() == set("abcdefx")


@pytest.mark.parametrize("hook", ["_activate", "_next_sample_index", "_replace_stream", "_new_stream"])
def test_a_hook_that_is_missing_is_named(hook: str) -> None:
    arguments = () if hook in ("_activate", "_next_sample_index") else (0,)
    with pytest.raises(NotImplementedError, match=f"BaseMux lacks {hook}"):
        getattr(BaseMux("ab"), hook)(*arguments)
