"""Whether numbers differ by rounding alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.dryrun.watch import same


def largest(value: Any) -> float:
    """Return the largest absolute value of the numbers in a row; 0 where there are none.

    >>> largest({"x": np.array([1.0, -3.0]), "name": "a"})
    3.0
    """
    if isinstance(value, dict | tuple):
        return max(map(largest, value.values() if isinstance(value, dict) else value), default=0.0)
    if not isinstance(value, np.ndarray | np.generic | int | float) or np.asarray(value).dtype.kind not in "iufb":
        return 0.0
    sizes = np.abs(np.asarray(value, np.float64))
    return float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))


def near(a: Any, b: Any, scale: float) -> bool:
    """Say whether floating-point numbers in two rows differ by rounding at most, and all else not at all.

    Args:
        a: A row.
        b: The other.
        scale: The size of the numbers that they were made of: differences of these may be much smaller.

    >>> near(np.float64(1e-17), np.float64(0), 1.0), near(np.float64(1e-17), np.float64(0), 1e-17)
    (True, False)
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(near(a[name], b[name], scale) for name in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(near(left, right, scale) for left, right in zip(a, b, strict=True))
    if isinstance(a, np.ndarray | np.generic | float) and np.asarray(a).dtype.kind in "fc":
        left, right = np.asarray(a), np.asarray(b)
        bound = 256 * float(np.finfo(left.dtype).eps) * max(scale, largest(left))
        return left.shape == right.shape and bool(np.allclose(left, right, rtol=0, atol=bound, equal_nan=True))
    return same(a, b)
