"""One reader's share of an order, which can be dealt out anew in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headrace.core.address import At
from headrace.core.errors import ArgumentError


@dataclass(frozen=True)
class Shard:
    """Every ``count``-th position, beginning at ``base + index``.

    The readers of one run differ in ``index`` only, and together they serve each position from ``base`` on once. A
    run that has come to the global position p goes on with any other number of readers: all take ``base=p``.

    Args:
        below: Length of what lies below; None: endless, then so is every share.
        index: Which reader this is, in ``range(count)``.
        count: Number of readers.
        remainder: What becomes of the positions left over where ``count`` does not divide: ``"uneven"`` serves each
            once, so some readers have one more; ``"drop"`` leaves them out, fewer than ``count``; ``"pad"`` begins
            again from position 0 until all have the same number, and :meth:`padded` tells which those are.
        base: The first global position served.

    >>> Shard(below=7, index=1, count=3)(At(np.arange(2))).positions.tolist()
    [1, 4]
    >>> last = Shard(below=7, index=2, count=3, remainder="pad")
    >>> last(At(np.arange(3))).positions.tolist(), last.padded(At(np.arange(3))).tolist()
    ([2, 5, 1], [False, False, True])
    """

    below: int | None
    index: int
    count: int
    remainder: Literal["uneven", "drop", "pad"] = "uneven"
    base: int = 0
    reorders = False

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ArgumentError(f"shard count must be 1 or more, got {self.count}")
        if not 0 <= self.index < self.count:
            raise ArgumentError(f"shard index must be in range({self.count}), got {self.index}")
        if self.remainder not in ("uneven", "drop", "pad"):
            raise ArgumentError(f"remainder must be 'uneven', 'drop' or 'pad', got {self.remainder!r}")
        if self.base < 0 or (self.below is not None and self.base > self.below):
            raise ArgumentError(f"shard base must be in range({self.below} + 1), got {self.base}")

    @property
    def length(self) -> int | None:
        if self.below is None:
            return None
        if self.remainder == "uneven":
            return len(range(self.base + self.index, self.below, self.count))
        left = self.below - self.base
        return left // self.count if self.remainder == "drop" else -(-left // self.count)

    def __call__(self, at: At, /) -> At:
        positions = at.positions * self.count + (self.base + self.index)
        if self.remainder == "pad" and self.below:
            positions %= self.below
        return At(positions, at.epochs)

    def padded(self, at: At) -> NDArray[np.bool_]:
        """Return which positions repeat what another reader, or an earlier position, serves: bool, one for each."""
        if self.remainder != "pad" or self.below is None:
            return np.zeros(at.positions.shape, np.bool_)
        return at.positions * self.count + (self.base + self.index) >= self.below

    def find(self, position: int, below_epoch: int, epoch: int) -> int | None:
        if below_epoch != epoch or position < 0 or (self.below is not None and position >= self.below):
            return None
        length = self.length
        turn = self.below if self.remainder == "pad" and self.below else None
        while True:
            own, rest = divmod(position - self.base - self.index, self.count)
            if own >= 0 and rest == 0 and (length is None or own < length):
                return own
            if turn is None or (length is not None and own >= length):
                return None
            position += turn

    def epochs(self, epoch: int) -> Iterable[int]:
        return (epoch,)

    def text(self) -> str:
        remainder = "" if self.remainder == "uneven" else f", remainder={self.remainder!r}"
        base = f", base={self.base}" if self.base else ""
        return f"shard({self.index}, {self.count}{remainder}{base})"
