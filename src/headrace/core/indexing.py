"""What a user puts between square brackets, made into checked row numbers."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from headrace.core.errors import KindError
from headrace.core.source import Indices


def checked(index: Any, length: int) -> int:
    """Return one row number in ``range(length)``; a negative one counts from the end.

    >>> checked(-1, 10), checked(np.int32(3), 10)
    (9, 3)

    Raises:
        IndexError: The number lies outside.
        KindError: It is not a whole number (a bool is none either).
    """
    if isinstance(index, (bool, np.bool_)) or not hasattr(index, "__index__"):
        raise KindError(f"a row is asked for by a whole number, not by {index!r} ({type(index).__name__})")
    number = operator.index(index)
    if not -length <= number < length:
        raise IndexError(f"row {number} is out of range: there are {length} rows")
    return number + length if number < 0 else number


def positions(key: Any, length: int) -> Indices:
    """Return row numbers in ``range(length)`` for a list or array of whole numbers, or for a boolean mask.

    Args:
        key: Whole numbers, shape ``(k,)``, negative ones counting from the end; or booleans, shape ``(length,)``.
        length: How many rows there are.

    Returns:
        int64, shape ``(k,)``; the key itself where nothing had to be changed.

    >>> positions([5, -1], 10).tolist(), positions([True, False, True], 3).tolist()
    ([5, 9], [0, 2])

    Raises:
        IndexError: A number lies outside, or a mask has another length.
        KindError: The key holds anything but whole numbers or booleans, or is not one-dimensional.
    """
    array = np.asarray(key)
    if array.ndim != 1:
        raise KindError(f"rows are asked for by a one-dimensional list, got one of shape {array.shape}")
    if array.dtype == np.bool_:
        if len(array) != length:
            raise IndexError(f"a mask needs one value per row: it has {len(array)}, there are {length} rows")
        return array.nonzero()[0].astype(np.int64, copy=False)
    if len(array) == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind not in "iu":
        raise KindError(f"rows are asked for by whole numbers or booleans, got an array of {array.dtype}")
    low, high = int(array.min()), int(array.max())
    if low < -length or high >= length:
        raise IndexError(f"row {low if low < -length else high} is out of range: there are {length} rows")
    numbers = array.astype(np.int64, copy=False)
    return np.where(numbers < 0, numbers + length, numbers) if low < 0 else numbers
