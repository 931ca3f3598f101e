"""The true shuffle: an order of the whole length, anew for each epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from headrace.core import permutation, seeds
from headrace.core.address import At, drawn_at
from headrace.core.errors import ArgumentError, OrderError
from headrace.core.source import Indices


@dataclass(frozen=True)
class Shuffle:
    """A true shuffle: one random permutation of the whole length for each epoch.

    Args:
        below: Length of what lies below.
        seed: A non-negative integer.
        reshuffle: Whether every epoch has a permutation of its own; else all have that of epoch 0.
        method: ``"explicit"`` holds 8 bytes a position and is faster to look up; ``"keyed"`` holds nothing and serves
            any length up to 2**62; ``"auto"`` is explicit up to 2**20 positions. The two give different orders.
        place: How many shuffles lie below, so that two of one seed do not draw the same permutation.

    >>> order = Shuffle(below=5, seed=0)
    >>> sorted(order(At(np.arange(5), epochs=3)).positions.tolist())
    [0, 1, 2, 3, 4]
    """

    below: int
    seed: int
    reshuffle: bool = True
    method: Literal["auto", "explicit", "keyed"] = "auto"
    place: int = 0
    key: seeds.Key = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.below is None:
            raise OrderError("an endless order cannot be shuffled: take(n) first, or shuffle before repeat()")
        if self.method not in ("auto", "explicit", "keyed"):
            raise ArgumentError(f"method must be 'auto', 'explicit' or 'keyed', got {self.method!r}")
        if self.method == "auto":
            chosen = "explicit" if self.below <= permutation.EXPLICIT_LIMIT else "keyed"
            object.__setattr__(self, "method", chosen)
        object.__setattr__(self, "seed", seeds.check(self.seed))
        object.__setattr__(self, "key", seeds.key(self.seed, "shuffle", self.place))

    @property
    def length(self) -> int:
        return self.below

    @property
    def reorders(self) -> bool:
        return self.reshuffle

    def __call__(self, at: At, /) -> At:
        return drawn_at(at, self.reshuffle, self._look_up)

    def find(self, position: int, below_epoch: int, epoch: int) -> int | None:
        if below_epoch != epoch or not 0 <= position < self.below:
            return None
        drawn = epoch if self.reshuffle else 0
        if self.method == "keyed":
            return int(permutation.keyed(self.key, drawn, self.below).inverse(np.array([position]))[0])
        return int((permutation.explicit(self.key, drawn, self.below) == position).argmax())

    def epochs(self, epoch: int) -> Iterable[int]:
        return (epoch,)

    def text(self) -> str:
        once = "" if self.reshuffle else ", reshuffle=False"
        return f"shuffle(seed={self.seed}{once}, method={self.method!r})"

    def _look_up(self, positions: Indices, epoch: int) -> Indices:
        if self.method == "keyed":
            return permutation.look_up(self.key, epoch, self.below, positions)
        return permutation.explicit(self.key, epoch, self.below).take(positions)
