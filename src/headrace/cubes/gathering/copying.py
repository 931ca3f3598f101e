"""Copies of many windows of an array: all in one call where they are small, else one by one, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from headrace.core.source import Indices

TOGETHER = 16 << 10
"""Bytes of a window up to which many are copied in one call; of larger ones the detour costs more than the calls."""

AT_ONCE = 4 << 20
"""Bytes that are copied in one call: so much is taken for it beside the batch."""


class Windows:
    """All windows of one size in an array, as a view: its first axes say where a window begins.

    Where a row of a window lies in one piece, it is one element of the view (of a void dtype), which NumPy copies two
    to four times as fast as element by element.

    Args:
        array: Any layout; it is not written to.
        sizes: Of a window along each axis.
        steps: From one of its elements to the next.
        dtype: Of what they are copied to.

    >>> windows = Windows(np.arange(12).reshape(3, 4), (2, 2), (1, 2), np.dtype(np.int64))
    >>> out = np.empty((2, 2, 2), np.int64)
    >>> windows.copy(np.array([[0, 0], [1, 1]]), out)
    >>> out.tolist()
    [[[0, 2], [4, 6]], [[5, 7], [9, 11]]]
    """

    __slots__ = ("item", "nbytes", "view")

    def __init__(self, array: NDArray[Any], sizes: Sequence[int], steps: Sequence[int], dtype: np.dtype[Any]) -> None:
        self.nbytes = prod(sizes) * array.itemsize
        self.item = _row(array, sizes, steps, dtype, self.nbytes)
        shape = [
            max(length - (size - 1) * step, 0) for length, size, step in zip(array.shape, sizes, steps, strict=True)
        ]
        strides = [stride * step for stride, step in zip(array.strides, steps, strict=True)]
        if self.item is None:
            self.view = as_strided(array, (*shape, *sizes), (*array.strides, *strides), writeable=False)
        else:
            self.view = _viewed(array, (*shape, *sizes[:-1]), (*array.strides, *strides[:-1]), self.item)

    def copy(self, begins: Indices, out: NDArray[Any], rows: Indices | None = None) -> None:
        """Copy windows.

        Args:
            begins: Where they begin, ``(n, axes)``; all of them fit.
            out: Where to, ``(n, *sizes)``, C-contiguous.
            rows: Which rows of it, if not all; each once.
        """
        if self.item is not None:
            out = out.view(self.item)[..., 0]
        if not begins.shape[1]:
            out[slice(None) if rows is None else rows] = self.view
        elif self.nbytes <= TOGETHER:
            most = max(1, AT_ONCE // max(self.nbytes, 1))
            for start in range(0, len(begins), most):
                here = slice(start, start + most)
                out[here if rows is None else rows[here]] = self.view[tuple(begins[here].T)]
        else:
            view = self.view
            where: Iterable[int] = range(len(begins)) if rows is None else rows.tolist()
            for row, begin in zip(where, map(tuple, begins.tolist()), strict=True):
                out[row] = view[begin]


def _row(
    array: NDArray[Any], sizes: Sequence[int], steps: Sequence[int], dtype: np.dtype[Any], nbytes: int
) -> np.dtype[Any] | None:
    """Return what stands for a row of a window, where rows lie in one piece."""
    if dtype != array.dtype or dtype.hasobject or not sizes or not array.size:
        return None
    if len(sizes) == 1 and nbytes > TOGETHER:
        return None  # one row, which is copied as it is
    whole = sizes[-1] == 1 or (steps[-1] == 1 and array.strides[-1] == array.itemsize)
    return np.dtype((np.void, sizes[-1] * array.itemsize)) if whole and array.itemsize else None


class _Described:
    """Memory as NumPy's array interface describes it; it keeps its owner alive."""

    def __init__(self, interface: dict[str, Any], owner: Any) -> None:
        self.__array_interface__ = interface
        self.owner = owner


def _viewed(array: NDArray[Any], shape: Sequence[int], strides: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a view of an array's memory, read-only."""
    interface = {
        "version": 3,
        "data": (array.__array_interface__["data"][0], True),
        "typestr": f"|V{dtype.itemsize}",
        "shape": tuple(shape),
        "strides": tuple(strides),
    }
    return np.asarray(_Described(interface, array))


def slices(begins: Indices, ends: Indices, steps: Sequence[int] | None = None) -> list[tuple[slice, ...]]:
    """Return what takes boxes out of an array.

    Args:
        begins: The first element along each axis, ``(n, axes)``.
        ends: The one after the last.
        steps: By axis; 1 where it is not given.

    >>> slices(np.array([[0, 2]]), np.array([[3, 5]]))
    [(slice(0, 3, None), slice(2, 5, None))]
    """
    if not begins.shape[1]:
        return [()] * len(begins)
    pairs = zip(begins.T.tolist(), ends.T.tolist(), strict=True)
    if steps is None or all(step == 1 for step in steps):
        return list(zip(*(map(slice, begin, end) for begin, end in pairs), strict=True))
    return list(
        zip(
            *(map(slice, begin, end, repeat(step)) for (begin, end), step in zip(pairs, steps, strict=True)),
            strict=True,
        )
    )
