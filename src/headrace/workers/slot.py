"""A slot as its writer sees it: a segment, and who in this process still holds memory of it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field

from headrace.workers.segments import Bytes, Segment


class Root:
    """An array over a segment that knows whether anybody else holds it, or a view of it."""

    __slots__ = ("_array", "_segment", "_watch")

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._renew()

    def _renew(self) -> Bytes:
        self._array: Bytes | None = self._segment.fresh()
        self._watch = weakref.ref(self._array)
        return self._array

    @property
    def array(self) -> Bytes:
        """The array, to make views of."""
        return self._renew() if self._array is None else self._array

    def is_held(self) -> bool:
        """Say whether there are views."""
        self._array = None
        self._array = self._watch()
        return self._array is not None


@dataclass(slots=True)
class Slot:
    """A slot as its writer sees it: the segment, and what was made in it for the value at hand.

    What user code was offered has a root of its own: its maker may hold it, and promises to leave it alone.
    """

    segment: Segment | None = None
    gathered: Root | None = None
    offered: Root | None = None
    is_new: bool = False  # its reader does not have it yet
    used: int = 0
    refused: int = 0
    end: int = 0  # of the value that lies in it
    made: list[tuple[object, int, int]] = field(default_factory=list)

    def renew(self, size: int) -> None:
        """Take a fresh segment."""
        self.segment = Segment(size)
        self.gathered, self.offered = Root(self.segment), Root(self.segment)
        self.is_new = True

    def is_held(self) -> bool:
        """Say whether anybody in this process still holds memory of it."""
        return any(root is not None and root.is_held() for root in (self.gathered, self.offered))
