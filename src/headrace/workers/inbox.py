"""The reading end of slots: it gives owned copies, or views that lease the slot until the last of them has died."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from headrace.core.buffers import Buffers
from headrace.workers import codec
from headrace.workers.codec import Packed
from headrace.workers.segments import Segment


class Inbox:
    """The reading end of slots.

    Args:
        leases: How many slots at most may be leased by values at once, each until the last view of its memory has
            died. With that many leased, and so always with 0, values are copies.
        buffers: Give memory for copies; inboxes of one reader may share one.
    """

    def __init__(self, leases: int, buffers: Buffers | None = None) -> None:
        self._leases = leases
        self._buffers = Buffers() if buffers is None else buffers
        self._segments: dict[int, Segment] = {}
        self._leased: dict[int, weakref.ref[Any]] = {}
        self._ended: deque[int] = deque()  # all that a callback does is to add to it: it may run anywhere
        self._free: deque[int] = deque()

    def take(self, slot: int, packed: Packed, segment: tuple[int, int] | None = None) -> Any:
        """Return the value that lies in a slot.

        Args:
            slot: Which.
            packed: Where in it.
            segment: Descriptor (closed here) and size of the slot's segment, if it is a new one.
        """
        if segment is not None:
            self.adopt(slot, *segment)
        if packed.head is None and not packed.spans:
            self._free.append(slot)
            return codec.unpack(packed, _NOTHING, None)
        self._end_leases()
        own = self._segments[slot]
        if not packed.spans or len(self._leased) >= self._leases:
            try:
                return codec.unpack(packed, own.root, self._buffers)
            finally:
                self._free.append(slot)
        root = own.fresh()
        self._leased[slot] = weakref.ref(root, partial(_note, self._ended, slot))
        return codec.unpack(packed, root, None)

    def adopt(self, slot: int, fd: int, size: int) -> None:
        """Let a slot have another segment; the descriptor is closed here."""
        segment = Segment.adopt(fd, size)
        segment.close()
        self._segments[slot] = segment

    def freed(self) -> list[int]:
        """Return the slots that have become free since the last call, with those whose leases have ended."""
        self._end_leases()
        return list(_drained(self._free))

    def drop(self, slot: int) -> None:
        """Forget a slot's segment; views of it stay what they are."""
        self._segments.pop(slot, None)

    def _end_leases(self) -> None:
        for slot in _drained(self._ended):
            self._leased.pop(slot, None)
            self._free.append(slot)


_NOTHING = np.empty(0, np.uint8)


def _note(numbers: deque[int], number: int, _: object) -> None:
    numbers.append(number)


def _drained(numbers: deque[int]) -> Iterator[int]:
    while numbers:
        try:
            yield numbers.popleft()
        except IndexError:  # another thread has taken the last
            return
