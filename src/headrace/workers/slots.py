"""Slots: segments that values are written into by one process and read from by another, over and over.

Here is the writing end: batches are gathered right into the slot, where their reader will find them. The reading end is
:class:`headrace.workers.inbox.Inbox`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from math import prod
from operator import index
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from headrace.core.buffers import Buffers
from headrace.workers import codec
from headrace.workers.codec import ALIGN, Packed
from headrace.workers.parts import LEAST
from headrace.workers.segments import Segment
from headrace.workers.slot import Slot

_GRAIN = 1 << 16
_TRIES = 3  # how often an array made in a slot may turn out not to be part of the value, before it is made elsewhere


class SlotBuffers(Buffers):
    """Buffers that lie in the slot which the next value goes to, as long as there is room."""

    def __init__(self, make: Callable[[object, tuple[int, ...], np.dtype[Any]], NDArray[Any] | None]) -> None:
        super().__init__()
        self._make = make

    def _get(self, key: object, like: NDArray[np.generic], rows: int) -> NDArray[np.generic]:
        made = self._make(key, (rows, *like.shape[1:]), like.dtype)
        return super()._get(key, like, rows) if made is None else made


class Outbox:
    """The writing end of slots.

    Args:
        to_worker: Whether the reader is a worker, which does not run the main module (see :func:`codec.take_apart`).

    >>> import os
    >>> from headrace.workers.inbox import Inbox
    >>> outbox, inbox = Outbox(), Inbox(leases=0)
    >>> outbox.begin(0)
    >>> packed, segment = outbox.put(0, {"x": np.arange(10_000)})
    >>> value = inbox.take(0, packed, (os.dup(segment.fd), segment.size))  # in another process
    >>> int(value["x"].sum())
    49995000
    """

    def __init__(self, to_worker: bool = False) -> None:
        self.buffers: Buffers = SlotBuffers(self._gather)
        self._to_worker = to_worker
        self._slots: dict[int, Slot] = {}
        self._open: Slot | None = None  # where arrays are made
        self._lock = threading.Lock()  # user code may gather in threads of its own
        self._size = 0  # what all slots should have
        self._misses: dict[object, int] = {}
        self._held = 0

    def choose(self, free: Iterable[int]) -> int:
        """Return the first of some slots that nobody in this process holds memory of; else the last.

        A generator still holds what it has yielded when it is asked for more: its next value had better go elsewhere.

        Args:
            free: Slots that their reader has given free, at least one; such as have never been used are good last ones.
        """
        number = -1
        for number in free:
            if number not in self._slots or not self._slots[number].is_held():
                break
        return number

    def begin(self, slot: int) -> None:
        """Let arrays be made in this slot from now on, until its value is put.

        If any user code still holds memory of the slot, from the last time, the slot gets a fresh segment.
        """
        one = self._slots.setdefault(slot, Slot())
        if one.is_held():
            self._held += 1
            one.segment = None
        one.used = one.refused = 0
        one.made.clear()
        if self._size and (one.segment is None or one.segment.size < self._size):
            one.renew(self._size)
        with self._lock:
            self._open = one

    def put(self, slot: int, value: Any) -> tuple[Packed, Segment | None]:
        """Write a value into a slot; arrays that were made in it are not copied.

        Returns:
            Where the value lies; and the slot's segment if its reader does not have it yet, to be sent to it.

        Raises:
            KindError: The value cannot travel; the slot is as it was.
            OSError: There is no memory.
        """
        if self._open is None or self._open is not self._slots.get(slot):
            self.begin(slot)
        with self._lock:
            one, self._open = self._slots[slot], None
        taken = codec.take_apart(value, self._to_worker)
        root = one.segment.root if one.segment is not None else None
        packed, copies, end = codec.layout(taken, one.used, root)
        self._learn(one, packed)
        wanted = max(end, one.used + one.refused)
        fits = one.segment is not None and end <= one.segment.size
        if not fits and end:
            packed, copies, end = codec.layout(taken, 0, None)
        if max(end, wanted) > self._size:
            self._size = -(-max(end, wanted) * 5 // 4 // _GRAIN) * _GRAIN
        if not fits and end:
            one.renew(self._size)
        if one.segment is None:
            return packed, None
        codec.write(copies, one.segment.root)
        one.end = max(end, one.used)
        sent, one.is_new = one.is_new, False
        return packed, one.segment if sent else None

    def settle(self, slot: int) -> Segment | None:
        """Make sure that nobody can write to what was put, once the caller has let go of the value.

        Returns:
            None, as a rule. If user code has kept a batch that was gathered in the slot: a fresh segment with the same
            content, to be sent in the other's stead.
        """
        one = self._slots[slot]
        if one.segment is None or one.gathered is None or not one.made:
            return None
        if not one.gathered.is_held():
            self._held = 0
            return None
        before, self._held = one.segment, self._held + 1
        one.renew(before.size)
        assert one.segment is not None
        one.segment.root[: one.end] = before.root[: one.end]
        one.is_new = False
        return one.segment

    def segment(self, slot: int) -> Segment | None:
        """Return the segment that a slot has now."""
        return self._slots[slot].segment if slot in self._slots else None

    def drop(self, slot: int) -> None:
        """Forget a slot's segment; its memory is free once its reader forgets it too."""
        self._slots.pop(slot, None)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
        """Return an array in the slot that is begun, for user code; None where there is no room."""
        return self._make(None, shape, dtype)

    def _gather(self, key: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
        if self._held > _TRIES or self._misses.get(key, 0) >= _TRIES:
            return None
        return self._make(key, shape, dtype)

    def _make(self, key: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
        size = prod(shape) * dtype.itemsize
        with self._lock:
            one = self._open
            if one is None or size < LEAST or dtype.hasobject:
                return None
            offset = -(-one.used // ALIGN) * ALIGN
            root = one.offered if key is None else one.gathered
            if one.segment is None or root is None or offset + size > one.segment.size:
                one.refused += size + ALIGN
                return None
            one.used = offset + size
            one.made.append((key, offset, size))
            return np.ndarray(shape, dtype, root.array, offset)

    def _learn(self, one: Slot, packed: Packed) -> None:
        """Count how often what was gathered in the slot was no part of the value: it had better lie elsewhere."""
        for key, offset, size in one.made:
            hit = any(offset <= start < offset + size for start, _ in packed.spans)
            self._misses[key] = 0 if hit else self._misses.get(key, 0) + 1


_outbox: Outbox | None = None


def offer(outbox: Outbox | None) -> None:
    """Let :func:`empty` make arrays in this outbox's slots; None for ordinary ones again."""
    global _outbox
    _outbox = outbox


def empty(shape: SupportsIndex | Sequence[SupportsIndex], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array whose content is undefined, like ``numpy.empty``, to be filled and given out once.

    In a worker process it lies where the consumer will find it, so that nothing is copied when it is given out; with no
    room there, and outside of workers, it is an ordinary array. Once it has been given out (returned, yielded), it is
    the consumer's: it must not be written to again.

    >>> batch = empty((64, 3), "float32")
    >>> batch.shape, batch.dtype
    ((64, 3), dtype('float32'))
    """
    kind = np.dtype(dtype)
    sizes = (index(shape),) if isinstance(shape, SupportsIndex) else tuple(map(index, shape))
    outbox = _outbox
    made = None if outbox is None else outbox.empty(sizes, kind)
    return np.empty(sizes, kind) if made is None else made
