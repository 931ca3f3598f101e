"""Arguments as their kinds, or an error that names them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from headrace.core.errors import ArgumentError, KindError


def whole(value: Any, name: str, least: int = 0) -> int:
    """Return an argument as a Python integer.

    >>> whole(np.int64(3), "size", 1)
    3
    >>> whole(0, "batch size", 1)
    Traceback (most recent call last):
    headrace.core.errors.ArgumentError: batch size must be 1 or more, got 0

    Raises:
        KindError: It is no integer (a bool, a float, a string, None).
        ArgumentError: It is below ``least``.
    """
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
        raise KindError(f"{name} must be a whole number, got {value!r}, a {type(value).__name__}")
    try:
        number = operator.index(value)
    except TypeError:  # an array of several numbers has the method, too
        raise KindError(f"{name} must be a whole number, got {value!r}, a {type(value).__name__}") from None
    if number < least:
        raise ArgumentError(f"{name} must be {least} or more, got {number}")
    return number


def function(value: Any, step: str) -> None:
    """Refuse an argument that cannot be called.

    Raises:
        KindError: With what it is.
    """
    if not callable(value):
        raise KindError(f"{step} needs a function, got {value!r:.100}, a {type(value).__name__}")
