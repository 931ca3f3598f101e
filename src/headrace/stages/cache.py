"""Items given again: some of those that came stay at hand, and each step gives a new one or one of these."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

import numpy as np

from headrace.core import seeds
from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, KindError, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_list, read_whole
from headrace.stages.held import Held
from headrace.stages.stage import Stage, dealt, walk

_STEPS = 512  # whose random numbers are drawn together; part of what a seed means


@dataclass(frozen=True, eq=False)
class Cache(Stage):
    """The first ``n`` items in order, then at each step a new item or one of the ``n`` at hand, by chance.

    A new item takes the place of one of those at hand, all of them equally likely. It ends where a new one is wanted
    and none is left upstream; so each item is given once or more, about ``1 / probability`` times where there are many.

    What is given again is the same object: who writes into an item finds that in it the next time, until the run is
    stopped and resumed, which reads items anew. A map above that makes new arrays leaves those at hand as they are.

    Args:
        upstream: Where items come from.
        n: How many items are at hand.
        probability: Of a new item.
        seed: Keys the draws, together with ``place``, the epoch and the number of the step.
        place: How many such steps lie below, so that two with one seed draw different numbers.
    """

    n: int
    probability: float
    seed: int
    place: int = 0

    @classmethod
    def of(cls, upstream: Flow, n: Any, probability: Any = 0.5, seed: Any = 0) -> Self:
        """Make one of what a user gave.

        >>> from headrace.stages.iterate import Iterate
        >>> list(Cache.of(Iterate.of(range(6)), 2, seed=1).start())
        [0, 1, 1, 1, 2, 3, 4, 5]

        Raises:
            KindError: The number or the seed is no whole number, the probability no number.
            ArgumentError: The number is below 1, the seed below 0, the probability not above 0 and at most 1.
        """
        chance = _probability(probability)
        place = sum(isinstance(flow, Cache) for flow in walk(upstream))
        return cls(upstream, whole(n, "the number of items at hand", 1), chance, seeds.check(seed), place)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        if state is None:
            return CacheCursor(Held(self.upstream, epoch, self.words()), self, epoch, [], 0)
        slots, step = read_list(state, "slots"), read_whole(state, "step")
        if len(slots) != min(step, self.n):
            raise StateError(
                f"the state is damaged: after {step} steps {min(step, self.n)} items are at hand, got {slots!r:.100}"
            )
        return CacheCursor(Held(self.upstream, epoch, self.words(), state, slots), self, epoch, slots, step)

    def length(self) -> int | None:
        return self.upstream.length() if self.probability == 1 else None

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), *dealt(self.upstream), self.words())

    def words(self) -> str:
        return f"cache({self.n}, probability={self.probability}, seed={self.seed})"


def _probability(value: Any) -> float:
    what = "the probability of a new item"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise KindError(f"{what} must be a number, got {value!r:.100}, a {type(value).__name__}")
    if not 0 < float(value) <= 1:
        raise ArgumentError(f"{what} must be above 0 and at most 1, got {value!r}: 0.5 gives each item about twice")
    return float(value)


class CacheCursor:
    """A place in a cache: which items are at hand, by their number upstream, and how many steps were taken."""

    __slots__ = ("_closed", "_draws", "_flow", "_generators", "_held", "_slots", "_step")

    def __init__(self, held: Held, flow: Cache, epoch: int, slots: list[int], step: int) -> None:
        self._held = held
        self._flow = flow
        self._slots = list(slots)
        self._step = step
        # The epoch is hashed into the key: endless repeats that nest make it wider than a word of the counter.
        self._generators = seeds.KeyedGenerator(flow.seed, "stream.cache", flow.place, epoch)
        self._draws: list[list[float]] = []  # those of a block of steps
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        held, slots, step = self._held, self._slots, self._step
        if step < self._flow.n:
            slots.append(held.draw())
            self._step = step + 1
            return held.items[step]
        place = step % _STEPS
        if not place or not self._draws:
            self._draws = self._drawn(step // _STEPS)
        chance, where = self._draws[place]
        slot = int(where * len(slots))
        if chance < self._flow.probability:
            number = held.draw()
            del held.items[slots[slot]]
            slots[slot] = number
        self._step = step + 1
        return held.items[slots[slot]]

    def _drawn(self, block: int) -> list[list[float]]:
        """Return two draws in [0, 1) for each step of a block. Of raw words, whose sequence NumPy never changes."""
        bits = self._generators.at(0, block).bit_generator
        words = np.asarray(bits.random_raw(2 * _STEPS), np.uint64)
        pairs: list[list[float]] = ((words >> np.uint64(11)) * 2.0**-53).reshape(_STEPS, 2).tolist()
        return pairs

    def state(self) -> State:
        return {**self._held.state(), "slots": list(self._slots), "step": self._step}

    def close(self) -> None:
        self._closed = True
        self._held.close()
