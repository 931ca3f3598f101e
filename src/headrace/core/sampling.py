"""A sample of an array's bytes, for digests that must not read all of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEW = 4096


def sample(array: NDArray[Any], limit: int, pieces: int = 16) -> bytes:
    """Return about ``limit`` bytes of an array: all, or evenly spaced pieces from the first byte to the last.

    They are in C order, whatever the array's own order is. Not for arrays of objects.
    """
    if array.nbytes <= limit:
        return array.tobytes()
    pieces = min(pieces, max(limit // array.itemsize, 1))
    length = max(limit // pieces // array.itemsize, 1)
    # flattening would copy all of an array that is not contiguous; its iterator copies what is asked for
    flat = array.ravel() if array.flags.c_contiguous else array.flat
    if pieces * length <= _FEW:
        return flat[spread(array.size, pieces, length)].tobytes()
    starts = np.linspace(0, array.size - length, pieces).astype(np.int64).tolist()
    return b"".join(flat[start : start + length].tobytes() for start in starts)


@lru_cache(maxsize=64)
def spread(size: int, pieces: int, length: int) -> NDArray[np.int64]:
    """Return the indices of evenly spaced pieces of a length, the first at the front, the last at the end."""
    starts = np.linspace(0, max(size - length, 0), pieces).astype(np.int64)
    return (starts[:, None] + np.arange(min(length, size))).reshape(-1)
