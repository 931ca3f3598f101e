"""Output buffers that are written to again once nobody holds them.

A fresh array for each batch costs page faults as soon as batches are large: the allocator hands pages back to the
system and takes them again. A buffer that is reused costs none. Whether anybody still holds one (the array, a view
of it, a tensor that shares its memory) is what its reference count says.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices

_MOST = 4  # buffers kept for a column: one in use, one just handed over, and some that a consumer holds on to
_MOST_TOLD = 31 << 20  # glibc learns from no larger ones
_LEAST_BYTES = 1 << 17  # smaller arrays come from the allocator's own free lists, faster than from here


def _idle_count() -> int:
    """Return the reference count of an array that nobody else holds; releases of Python count differently."""
    free = deque([np.empty(0)])
    buffer = free.popleft()
    return sys.getrefcount(buffer)


_IDLE = _idle_count()
_COUNTS_ARE_EXACT = getattr(sys, "_is_gil_enabled", lambda: True)()  # without the lock they are spread over threads


def tell_allocator(nbytes: int) -> None:
    """Let the C library's allocator see that a large array is freed, which one that is kept for reuse never is.

    glibc learns from the first large block that is freed to keep blocks of up to that size (and twice as much of free
    memory at the end of its heap) instead of handing them back to the system. Without that lesson the records that a
    batch is stacked of cost page faults anew in every batch: 3.3 times the time of a map that makes them.
    """
    np.empty(min(nbytes, _MOST_TOLD), np.uint8)


class Buffers:
    """Buffers for one reader, a few for each column.

    An array that was handed out stays its holder's for as long as it, or anything that shares its memory, lives.
    With all buffers held, a fresh array is made instead, so nothing waits and nothing is overwritten. Several threads
    may share one: a buffer is out of the list while it is looked at.

    >>> buffers = Buffers()
    >>> rows = buffers.take("x", np.arange(12.0).reshape(4, 3), np.array([2, 0]))
    >>> rows.tolist()
    [[6.0, 7.0, 8.0], [0.0, 1.0, 2.0]]
    """

    def __init__(self) -> None:
        self._free: dict[object, deque[NDArray[np.generic]]] = {}

    def take(self, key: object, column: NDArray[np.generic], indices: Indices) -> NDArray[np.generic]:
        """Gather rows of a column into a buffer of this key.

        Args:
            key: Names the column; keys do not share buffers.
            column: Shape ``(n, ...)``, C-contiguous.
            indices: Shape ``(k,)``, all in ``range(n)``: they are not checked here.

        Returns:
            Shape ``(k, ...)``, the caller's own, writable.
        """
        rows = len(indices)
        if rows * (column.nbytes // max(1, len(column))) < _LEAST_BYTES:
            return column.take(indices, 0, None, "clip")
        out = self._get(key, column, rows)
        return column.take(indices, 0, out, "clip")

    def empty(self, key: object, like: NDArray[np.generic], rows: int) -> NDArray[np.generic]:
        """Return an array of ``rows`` rows of a column's dtype and row shape, its content undefined."""
        return self._get(key, like, rows)

    def new(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array of a shape, one axis or more, and a dtype, its content undefined.

        >>> Buffers().new((4, 3), np.dtype("float32")).shape
        (4, 3)
        """
        if dtype.hasobject or math.prod(shape) * dtype.itemsize < _LEAST_BYTES:
            return np.empty(shape, dtype)
        return self._get((shape[1:], dtype), np.empty((0, *shape[1:]), dtype), shape[0])

    def _get(self, key: object, like: NDArray[np.generic], rows: int) -> NDArray[np.generic]:
        free = self._free.setdefault(key, deque())
        for _ in range(len(free)):
            try:
                buffer = free.popleft()
            except IndexError:  # another thread has them all
                break
            fits = len(buffer) >= rows and buffer.dtype == like.dtype and buffer.shape[1:] == like.shape[1:]
            idle = sys.getrefcount(buffer) == _IDLE
            if fits or not idle:  # an idle one that does not fit is dropped: the shape has changed
                free.append(buffer)
            if fits and idle:
                return buffer if len(buffer) == rows else buffer[:rows]
        fresh = np.empty((rows, *like.shape[1:]), like.dtype)
        if len(free) < _MOST and _COUNTS_ARE_EXACT:
            tell_allocator(fresh.nbytes)
            free.append(fresh)
        return fresh
