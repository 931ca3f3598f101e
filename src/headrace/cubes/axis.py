"""One dimension of a cube, cut into windows: how many there are, and where each begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from headrace.core.errors import ArgumentError
from headrace.core.source import Indices

Partial = Literal["drop", "pad", "shift"]
"""What becomes of windows that would run past the end: left out; filled up; moved back until they fit."""

PARTIAL: tuple[Partial, ...] = get_args(Partial)


@dataclass(frozen=True)
class Axis:
    """Windows of one dimension: number k begins at ``offset + k * stride``.

    Args:
        name: Of the dimension.
        length: Elements of the dimension.
        size: Elements of a window.
        stride: From the first element of a window to that of the next.
        offset: Where the first window begins; below 0 only where windows are filled up.
        dilation: From one element of a window to the next.
        partial: What becomes of windows that would run past the end.
        kept: Whether patches have this dimension; else it only numbers them, and ``size`` is 1.

    Raises:
        ArgumentError: These cannot be meant, or no window fits.

    >>> axis = Axis("x", length=10, size=4, stride=3, partial="pad")
    >>> axis.count, axis.starts(np.arange(3)).tolist()
    (3, [0, 3, 6])
    """

    name: str
    length: int
    size: int
    stride: int
    offset: int = 0
    dilation: int = 1
    partial: Partial = "drop"
    kept: bool = True

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ArgumentError(f"dimension {self.name!r} has no elements, so it has no patches")
        for what, least in (("size", 1), ("stride", 1), ("dilation", 1)):
            if getattr(self, what) < least:
                raise ArgumentError(f"{what} of {self.name!r} must be {least} or more, got {getattr(self, what)}")
        if self.partial not in PARTIAL:
            raise ArgumentError(f"partial must be one of {', '.join(map(repr, PARTIAL))}, got {self.partial!r}")
        if self.partial == "pad":
            fits = -self.span < self.offset < self.length
        else:
            fits = 0 <= self.offset and self.offset + self.span <= self.length
        if not fits:
            raise ArgumentError(self._too_large())

    def _too_large(self) -> str:
        span = f"a window of {self.size}" + (
            f" with dilation {self.dilation} spans {self.span}" if self.dilation > 1 else ""
        )
        offset = f" from offset {self.offset}" if self.offset else ""
        mend = "take a smaller size" if self.offset >= 0 else "take an offset of 0 or more"
        mend += "" if self.partial == "pad" else ", or partial='pad'"
        return f"{self.name!r} has {self.length} elements, and {span}{offset}, which does not fit: {mend}"

    @property
    def span(self) -> int:
        """Elements from the first to the last of a window, both included."""
        return (self.size - 1) * self.dilation + 1

    @property
    def room(self) -> int:
        """The last place at which a window fits whole; below 0 where none does."""
        return self.length - self.span

    @property
    def count(self) -> int:
        """How many windows there are."""
        whole = self.room - self.offset
        if self.partial == "drop":
            return whole // self.stride + 1
        covering = -(-whole // self.stride) + 1 if whole > 0 else 1
        begins = -(-(self.length - self.offset) // self.stride)  # those that begin within the dimension
        return max(1, min(covering, begins))

    def starts(self, numbers: Indices) -> Indices:
        """Return where windows begin: a new array; below 0 or past ``room`` where they are filled up."""
        found = numbers * self.stride + self.offset
        if self.partial == "shift":
            np.minimum(found, self.room, out=found)
        return found

    def positions(self, starts: Indices, reflect: bool = False) -> Indices:
        """Return the elements of windows that begin at some places, int64 ``(n, size)``; -1 where there is none.

        Args:
            starts: Shape ``(n,)``.
            reflect: Whether those past an end are mirrored at it (the element at the end comes once) instead.
        """
        found: Indices = starts[:, None] + np.arange(self.size, dtype=np.int64) * self.dilation
        if reflect:
            period = max(2 * (self.length - 1), 1)
            found %= period
            return np.where(found < self.length, found, period - found) if self.length > 1 else np.zeros_like(found)
        found[(found < 0) | (found >= self.length)] = -1
        return found

    def window(self, start: int) -> slice:
        """Return the elements of a window that are there."""
        first = start if start >= 0 else start + -(start // self.dilation) * self.dilation
        return slice(first, min(start + self.span, self.length), self.dilation if self.dilation > 1 else None)
