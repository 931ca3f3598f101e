"""Amounts of memory as people write them."""

from __future__ import annotations

import re
from typing import Any

from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError

_UNITS = {"": 1, "B": 1, **{f"{prefix}B": 1000**power for power, prefix in enumerate("kMGT", 1)}}
_UNITS |= {f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", 1)} | {"KB": 1000}


def bytes_of(amount: Any, name: str) -> int:
    """Return an amount of memory in bytes.

    Args:
        amount: A whole number of bytes, or a text such as ``"200 MB"`` (10^6 bytes each) or ``"1.5 GiB"`` (2^30 each).
        name: What it is for, for errors.

    >>> bytes_of("1.5 kB", "buffer"), bytes_of("2MiB", "buffer"), bytes_of(7, "buffer")
    (1500, 2097152, 7)

    Raises:
        ArgumentError: It is below 1, or the text says no amount.
        KindError: It is neither a whole number nor a text.
    """
    if not isinstance(amount, str):
        return whole(amount, name, 1)
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", amount)
    if found is None or found[2] not in _UNITS:
        raise ArgumentError(f"{name} must be an amount such as '200 MB' or '1.5 GiB', got {amount!r}")
    size = int(float(found[1]) * _UNITS[found[2]])
    if size < 1:
        raise ArgumentError(f"{name} must be 1 byte or more, got {amount!r}")
    return size


def text_of(nbytes: float) -> str:
    """Return an amount of memory as text, with three figures.

    >>> text_of(0), text_of(999), text_of(12_600_000), text_of(3e12)
    ('0 B', '999 B', '12.6 MB', '3 TB')
    """
    size, unit = float(nbytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"
