"""Orders: arithmetic on addresses. Which address lies under which; nothing is read, buffered or remembered.

An order maps arrays of its own addresses to the addresses of what lies below it, so orders nest, cost nothing to
make, and what they promise is a law to test: see :class:`headrace.testing.OrderTests`. Positions handed to an order
lie in ``range(length)``: whoever asks has checked them, so that this is done once and not in each order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from headrace.core.address import At, Order, spread
from headrace.core.errors import ArgumentError, OrderError
from headrace.core.shard import Shard
from headrace.core.shuffle import Shuffle
from headrace.core.subset import Subset

__all__ = ["At", "Order", "Repeat", "Sequential", "Shard", "Shuffle", "Slice", "Subset"]

ENDLESS_STRIDE = 2**32
"""How many rounds of what lies below belong to one epoch of an endless repeat."""


@dataclass(frozen=True)
class Sequential:
    """The plainest order: every address lies on itself."""

    below: int | None
    reorders = False

    @property
    def length(self) -> int | None:
        return self.below

    def __call__(self, at: At, /) -> At:
        return at

    def find(self, position: int, below_epoch: int, epoch: int) -> int | None:
        return position if below_epoch == epoch and _within(position, self.below) else None

    def epochs(self, epoch: int) -> Iterable[int]:
        return (epoch,)

    def text(self) -> str:
        return "sequential()"


@dataclass(frozen=True)
class Slice:
    """Every ``step``-th position from ``start``: take, skip and ``[a:b:c]``.

    >>> import numpy as np
    >>> Slice(below=10, start=8, step=-3, length=3)(At(np.arange(3))).positions.tolist()
    [8, 5, 2]
    """

    below: int | None
    start: int
    step: int
    length: int | None
    reorders = False

    def __post_init__(self) -> None:
        if self.step == 0:
            raise ArgumentError("a slice's step must not be 0")
        last = self.start if not self.length else self.start + self.step * (self.length - 1)
        open_end = self.length is None and (self.below is not None or self.step < 0)
        if open_end or (self.length != 0 and not (_within(self.start, self.below) and _within(last, self.below))):
            raise ArgumentError(
                f"a slice of {self.length} positions from {self.start} by {self.step} does not fit into {self.below}"
            )

    def __call__(self, at: At, /) -> At:
        return At(at.positions * self.step + self.start, at.epochs)

    def find(self, position: int, below_epoch: int, epoch: int) -> int | None:
        own, rest = divmod(position - self.start, self.step)
        return own if below_epoch == epoch and rest == 0 and _within(own, self.length) else None

    def epochs(self, epoch: int) -> Iterable[int]:
        return (epoch,)

    def text(self) -> str:
        if self.step == 1 and self.start == 0:
            return f"take({self.length})"
        if self.step == 1 and (self.length is None or self.start + self.length == self.below):
            return f"skip({self.start})"
        stop = "" if self.length is None else self.start + self.step * self.length
        stop = "" if isinstance(stop, int) and stop < 0 else stop
        return f"[{self.start}:{stop}:{self.step}]" if self.step != 1 else f"[{self.start}:{stop}]"


@dataclass(frozen=True)
class Repeat:
    """What lies below, several times over; each time is an epoch of its own below, so a shuffle there reshuffles.

    With ``times`` = t, epoch e holds the epochs e t, e t + 1, ..., e t + t - 1 of what lies below. Endless (``times``
    is None), epoch e holds those from e * 2**32 on, so that epochs stay apart for four billion rounds; nested
    endless repeats pass the room of an int64 beyond epoch 2**31, which is refused.

    >>> import numpy as np
    >>> Repeat(below=3, times=2)(At(np.arange(6), epochs=5))
    At(positions=array([0, 1, 2, 0, 1, 2]), epochs=array([10, 10, 10, 11, 11, 11]))
    """

    below: int | None
    times: int | None = None
    reorders = False

    def __post_init__(self) -> None:
        if self.times is not None and self.times < 0:
            raise ArgumentError(f"times must be 0 or more, or None for ever, got {self.times}")
        if self.times is None and self.below == 0:
            raise OrderError("there is nothing to repeat for ever: what lies below has no records")

    @property
    def length(self) -> int | None:
        if self.times == 0:
            return 0
        return None if self.times is None or self.below is None else self.below * self.times

    def __call__(self, at: At, /) -> At:
        positions, epochs = at
        first = spread(epochs, self._stride)
        if not self.below or not positions.size:
            return At(positions, first)
        # a batch mostly lies within one round: one epoch for all keeps this, and the orders below, on the fast way
        one = int(positions[0]) // self.below
        below = positions - one * self.below
        if below.view(np.uint64).max() < self.below:  # those of an earlier round are below 0: huge as unsigned
            return At(below, first + one)
        rounds = positions // self.below
        return At(positions - rounds * self.below, rounds + first)

    def find(self, position: int, below_epoch: int, epoch: int) -> int | None:
        number = below_epoch - epoch * self._stride
        if not 0 <= number < self._stride or not _within(position, self.below):
            return None
        if self.below is None:
            return position if number == 0 else None
        return number * self.below + position

    def epochs(self, epoch: int) -> range:
        """Return the epochs below as a range; of an endless repeat it has 2**32 members, so look, do not list."""
        if self.below is None and self.times != 0:
            return range(epoch * self._stride, epoch * self._stride + 1)
        return range(epoch * self._stride, (epoch + 1) * self._stride)

    def text(self) -> str:
        return f"repeat({'' if self.times is None else self.times})"

    @property
    def _stride(self) -> int:
        return ENDLESS_STRIDE if self.times is None else self.times


def _within(position: int, length: int | None) -> bool:
    return position >= 0 and (length is None or position < length)
