"""Equality that answers yes or no: dtypes count, NaN equals NaN, and arrays are compared whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core import tensors


def same_arrays(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Say whether two arrays have one dtype and shape, and equal values.

    >>> same_arrays(np.array([1.0, np.nan]), np.array([1.0, np.nan])), same_arrays(np.array([1]), np.array([1.0]))
    (True, False)
    """
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "O":
        return all(map(same_values, a.ravel().tolist(), b.ravel().tolist()))
    equal = a == b
    if a.dtype.kind in "fcmM" and not equal.all():
        equal = equal | ((a != a) & (b != b))
    return bool(equal.all())


def same_values(a: Any, b: Any) -> bool:
    """Say whether two Python objects are of one type and equal, arrays and NaN inside them included.

    >>> same_values({"x": [np.arange(3), float("nan")]}, {"x": [np.arange(3), float("nan")]}), same_values(1, True)
    (True, False)
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (np.ndarray, np.generic)):
        return same_arrays(np.asarray(a), np.asarray(b))
    if tensors.is_tensor(a):
        return tensors.same(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_values(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same_values, a, b))
    return bool(np.all(a == b)) or (isinstance(a, (float, complex)) and bool(a != a and b != b))
