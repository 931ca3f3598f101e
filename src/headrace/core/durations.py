"""Durations as people write them."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from headrace.core.errors import ArgumentError, KindError

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(duration: Any, name: str) -> float:
    """Return a duration in seconds.

    Args:
        duration: A number of seconds, or a text such as ``"60 s"``, ``"1.5 min"``, ``"2 h"``, ``"7 d"``, ``"200 ms"``.
        name: What it is for, for errors.

    >>> seconds_of("5 min", "lease"), seconds_of("250ms", "lease"), seconds_of(60, "lease")
    (300.0, 0.25, 60.0)

    Raises:
        ArgumentError: It is not above 0, it has no end, or the text says no duration.
        KindError: It is neither a number nor a text.
    """
    if isinstance(duration, str):
        found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", duration)
        if found is None or found[2] not in _UNITS:
            raise ArgumentError(f"{name} must be a duration such as '60 s', '5 min' or '1 h', got {duration!r}")
        seconds = float(found[1]) * _UNITS[found[2]]
    elif isinstance(duration, bool | np.bool_) or not isinstance(duration, int | float | np.number):
        raise KindError(
            f"{name} must be a number of seconds or a text such as '60 s', "
            f"got {duration!r:.100}, a {type(duration).__name__}"
        )
    else:
        seconds = float(duration)
    if not 0 < seconds < math.inf:
        raise ArgumentError(f"{name} must be longer than 0 s and have an end, got {duration!r}")
    return seconds


def text_of(seconds: float) -> str:
    """Return a duration as text: seconds, or the two largest units that it has.

    >>> text_of(0.25), text_of(12.3), text_of(83), text_of(7500), text_of(200_000)
    ('0.25 s', '12 s', '1 min 23 s', '2 h 5 min', '2 d 7 h')
    """
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    first = next(place for place, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)
