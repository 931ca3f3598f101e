"""How much memory the arrays of a value take."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.core.kinds import Nested
from headrace.core.ragged import Ragged
from headrace.core.tensors import is_tensor

_EACH = 64  # bytes that any other object is taken to cost
_LOOKED_AT = 16  # things in a list


def nbytes_of(value: Any) -> int:
    """Return about how many bytes a value takes: its arrays exactly, other objects by a guess.

    >>> nbytes_of((np.zeros((2, 3)), [np.zeros(1, np.uint8)]))
    49
    """
    kind = type(value)
    if kind is np.ndarray:
        return int(value.nbytes) + (_EACH * value.size if value.dtype.hasobject else 0)
    if isinstance(value, Nested):
        return sum(map(nbytes_of, value._columns.values()))
    if kind is dict:
        return sum(map(nbytes_of, value.values()))
    if kind is list or kind is tuple:
        if len(value) > _LOOKED_AT:  # records of one kind, as a rule
            some = value[:: len(value) // _LOOKED_AT]
            return sum(map(nbytes_of, some)) * len(value) // len(some)
        return sum(map(nbytes_of, value))
    if isinstance(value, Ragged):
        return int(value.values.nbytes + value.offsets.nbytes)
    if kind is str or kind is bytes or kind is bytearray:
        return len(value) + _EACH
    if is_tensor(value):
        return int(value.nelement() * value.element_size())
    return _EACH


def records_in(value: Any) -> int:
    """Return how many records a batch holds: of a Batch its rows, of a tuple those of its first column.

    >>> records_in((np.zeros(5), np.zeros(5))), records_in(3.0)
    (5, 1)
    """
    if isinstance(value, Nested):
        return value._length
    if isinstance(value, tuple):
        return records_in(value[0]) if value else 0
    if isinstance(value, dict):
        return records_in(next(iter(value.values()))) if value else 0
    if isinstance(value, str | bytes) or not hasattr(value, "__len__") or getattr(value, "ndim", 1) == 0:
        return 1
    return len(value)
