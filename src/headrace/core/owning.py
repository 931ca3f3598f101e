"""Python's own containers, and arrays, as copies that may be written to without changing where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.kinds import Nested
from headrace.core.tensors import is_tensor

_ATOMS = frozenset({int, float, bool, complex, str, bytes, type(None)})
_WRITABLE = frozenset({np.ndarray, list, dict})


def owned(value: Any) -> Any:
    """Return a copy of an array, a tensor, or a list, tuple or dict of such; anything else as it is.

    Objects of other classes are shared: what a copy of them would mean is not known here.

    >>> record = {"image": np.zeros(2), "label": 3}
    >>> copy = owned(record)
    >>> copy["image"] += 1
    >>> record["image"].tolist()
    [0.0, 0.0]
    """
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is np.ndarray:
        return value.copy()
    if kind is dict:
        return {name: owned(part) for name, part in value.items()}
    if kind is list or kind is tuple:
        return kind([owned(part) for part in value])
    return value.clone() if is_tensor(value) else value


def all_owned(values: Sequence[Any]) -> list[Any]:
    """Return ``owned`` of each; at once where none needs it.

    >>> all_owned(["a", 1])
    ['a', 1]
    """
    if _ATOMS.issuperset(map(type, values)):
        return list(values)
    return [owned(value) for value in values]


def holds_objects(column: Any) -> bool:
    """Say whether a column, or one nested in it, holds Python objects."""
    if isinstance(column, Nested):
        return any(map(holds_objects, column._columns.values()))
    return isinstance(column, np.ndarray) and column.dtype.hasobject


def own_objects(column: NDArray[Any]) -> NDArray[Any]:
    """Return a column of Python objects that shares none which can be written to; itself where it has none such."""
    values = column.ravel().tolist()
    if _ATOMS.issuperset(map(type, values)):
        return column
    copy = np.empty(len(values), object)
    for index, value in enumerate(values):
        copy[index] = owned(value)
    return copy.reshape(column.shape)


def share(values: Sequence[Any]) -> bool:
    """Say whether two of several values are, or hold right inside them, one and the same array, list or dict.

    >>> same = np.zeros(2)
    >>> share([{"x": same}, {"x": same}]), share([{"x": same}, {"x": same.copy()}])
    (True, False)
    """
    seen: set[int] = set()
    for value in values:
        kind = type(value)
        if kind in _ATOMS:
            continue
        parts = value.values() if kind is dict else value if kind is tuple else ()
        for part in (value, *parts):
            if type(part) in _WRITABLE:
                if id(part) in seen:
                    return True
                seen.add(id(part))
    return False
