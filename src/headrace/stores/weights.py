"""How much each record weighs: what decides where parts end, so that it never matters in which blocks records came."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core import columns
from headrace.core.columns import Column
from headrace.core.kinds import Nested
from headrace.core.ragged import Ragged
from headrace.stores.layout import Layout

_EACH = 8  # bytes beside a text, or an object: where it begins


def weights(column: Column, layout: Layout) -> NDArray[np.int64]:
    """Return about how many bytes each row takes in a file; a row's weight depends on that row and the layout alone.

    >>> weights(np.zeros((2, 3), np.uint8), Layout("dense", "float64", (3,))).tolist()
    [24, 24]
    """
    if isinstance(column, Nested):
        each_of = [weights(one, layout.fields.get(name, layout)) for name, one in column._columns.items()]
        return np.sum(each_of, axis=0, dtype=np.int64) if each_of else np.zeros(len(column), np.int64)
    if isinstance(column, Ragged):
        each = math.prod(column.item) * _itemsize(column.dtype, layout)
        return np.diff(column.offsets).astype(np.int64) * each
    each = math.prod(int(size) for size in column.shape[1:])
    if columns.is_tensor(column):
        return np.full(len(column), each * int(column.element_size()), np.int64)
    if column.dtype.kind not in "OT":
        return np.full(len(column), each * _itemsize(column.dtype, layout), np.int64)
    sizes = np.fromiter(map(_size, column.ravel().tolist()), np.int64, column.size)
    whole: NDArray[np.int64] = sizes.reshape(len(column), each).sum(axis=1, dtype=np.int64)
    return whole


def _itemsize(dtype: np.dtype[Any], layout: Layout) -> int:
    """Return the size of a value in the file, which need not be that of the value that came."""
    if layout.dtype and layout.dtype != str(dtype) and dtype.names is None:
        return np.dtype(layout.dtype).itemsize
    return dtype.itemsize


def _size(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value) + _EACH
    size = getattr(value, "nbytes", None)
    return _EACH + (size if isinstance(size, int) else sys.getsizeof(value))
