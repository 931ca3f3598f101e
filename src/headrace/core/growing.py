"""Columns that grow at the end: room is doubled when it is full, so that adding a row costs the same at any length."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.core import tensors
from headrace.core.fitting import common
from headrace.core.joining import concat
from headrace.core.kinds import Column, Nested, as_ragged, objects, rows
from headrace.core.ragged import Ragged
from headrace.core.stacking import PYTHONS

_ROOM = 16  # rows to begin with


_PYTHON: dict[np.dtype[Any], type] = {np.dtype(kind): python for python, kind in PYTHONS.items()}


class Growing(Protocol):
    """A column that grows. What is added has been found to fit."""

    def holds(self, value: Any) -> bool:
        """Say whether a row's value is just what the column holds, so that ``put`` can take it; a quick look."""
        ...

    def put(self, value: Any) -> None:
        """Put one row that the column ``holds`` at the end, copied: the quick way for most rows."""
        ...

    def add(self, column: Column) -> Growing:
        """Put rows at the end, copied; return what holds all rows now: another kind, where these ask for it."""
        ...

    def column(self) -> Column:
        """Return the rows so far as a column; a copy, which does not change when more are added."""
        ...

    def empty(self) -> Column:
        """Return a column of no rows, like the one that grows: what rows to add are held against."""
        ...


def growing(column: Column) -> Growing:
    """Return a column that grows, beginning with a copy of the given one."""
    if isinstance(column, Nested):
        return GrowingNested(column)
    if isinstance(column, Ragged):
        return GrowingRagged(column)
    if tensors.is_tensor(column):
        return GrowingTensor(column)
    if column.dtype.kind == "O" and column.ndim == 1:
        return GrowingObjects(column)
    return GrowingDense(column)


class GrowingDense:
    """Rows of one shape, in an array with room behind them."""

    def __init__(self, column: NDArray[Any]) -> None:
        self._count = len(column)
        self._room = np.empty((max(_ROOM, len(column)), *column.shape[1:]), column.dtype)
        self._room[: self._count] = column
        self._look()

    def _look(self) -> None:
        self._python = _PYTHON.get(self._room.dtype) if self._room.ndim == 1 else None

    def holds(self, value: Any) -> bool:
        if self._python is not None:
            if type(value) is int:
                return self._python is int and -(1 << 63) <= value < 1 << 63
            return type(value) is self._python
        return type(value) is np.ndarray and value.shape == self._room.shape[1:] and value.dtype == self._room.dtype

    def put(self, value: Any) -> None:
        if self._count == len(self._room):
            self._grow(self._count + 1, self._room.dtype)
        self._room[self._count] = value
        self._count += 1

    def add(self, column: NDArray[Any] | Ragged) -> Growing:
        if isinstance(column, Ragged) or column.shape[1:] != self._room.shape[1:]:
            return GrowingRagged(as_ragged(self._room[: self._count])).add(column)
        dtype = common(self._room.dtype, column.dtype) or self._room.dtype
        count = self._count + len(column)
        if dtype != self._room.dtype or count > len(self._room):
            self._grow(count, dtype)
        self._room[self._count : count] = column
        self._count = count
        return self

    def _grow(self, count: int, dtype: np.dtype[Any]) -> None:
        size = max(count, 2 * len(self._room)) if count > len(self._room) else len(self._room)
        room = np.empty((size, *self._room.shape[1:]), dtype)
        room[: self._count] = self._room[: self._count]
        self._room = room
        self._look()

    def column(self) -> NDArray[Any]:
        return self._room[: self._count].copy()

    def empty(self) -> NDArray[Any]:
        return self._room[:0]

    @property
    def last(self) -> Any:
        """The row that was added last."""
        return self._room[self._count - 1]


class GrowingRagged:
    """Rows of different lengths: values that grow, and offsets that grow."""

    def __init__(self, column: Ragged) -> None:
        self._values = GrowingDense(column.values)
        self._offsets = GrowingDense(column.offsets)

    def holds(self, value: Any) -> bool:
        like = self._values.empty()
        return (
            type(value) is np.ndarray
            and value.ndim > 0
            and value.shape[1:] == like.shape[1:]
            and value.dtype == like.dtype
        )

    def put(self, value: Any) -> None:
        self._values.add(value)
        self._offsets.put(self._offsets.last + len(value))

    def add(self, column: NDArray[Any] | Ragged) -> Growing:
        ragged = as_ragged(column)
        self._values.add(ragged.values)
        self._offsets.add(ragged.offsets[1:] + self._offsets.last)
        return self

    def column(self) -> Ragged:
        return Ragged._of(self._values.column(), self._offsets.column())

    def empty(self) -> Ragged:
        return Ragged._of(self._values.empty(), np.zeros(1, np.int64))


class GrowingObjects:
    """Rows of Python objects, which are shared, not copied."""

    def __init__(self, column: NDArray[Any]) -> None:
        self._rows: list[Any] = rows(column)

    def holds(self, value: Any) -> bool:
        return True

    def put(self, value: Any) -> None:
        self._rows.append(value)

    def add(self, column: Column) -> Growing:
        self._rows.extend(rows(column))
        return self

    def column(self) -> NDArray[Any]:
        return objects(self._rows)

    def empty(self) -> NDArray[Any]:
        return np.empty(0, object)


class GrowingTensor:
    """Rows of torch tensors, joined when they are asked for."""

    def __init__(self, column: Any) -> None:
        self._parts = [column.clone()]

    def holds(self, value: Any) -> bool:
        like = self._parts[0]
        return (
            tensors.is_tensor(value)
            and value.shape == like.shape[1:]
            and value.dtype == like.dtype
            and value.device == like.device
        )

    def put(self, value: Any) -> None:
        self._parts.append(value.clone()[None])

    def add(self, column: Any) -> Growing:
        self._parts.append(column.clone())
        return self

    def column(self) -> Any:
        whole = concat(self._parts)  # a new tensor
        self._parts = [whole]
        return whole.clone()

    def empty(self) -> Any:
        return self._parts[0][:0]


class GrowingNested:
    """Named columns that grow together."""

    def __init__(self, column: Nested) -> None:
        self._nest = column._of
        self._columns = {name: growing(one) for name, one in column._columns.items()}
        self._count = len(column)

    def __len__(self) -> int:
        return self._count

    def holds(self, value: Any) -> bool:
        return (
            type(value) is dict
            and value.keys() == self._columns.keys()
            and all(one.holds(value[name]) for name, one in self._columns.items())
        )

    def put(self, value: Any) -> None:
        for name, one in self._columns.items():
            one.put(value[name])
        self._count += 1

    def add(self, column: Nested) -> GrowingNested:
        for name, one in self._columns.items():
            self._columns[name] = one.add(column._columns[name])
        self._count += len(column)
        return self

    def column(self) -> Nested:
        return self._nest({name: one.column() for name, one in self._columns.items()}, self._count)

    def empty(self) -> Nested:
        return self._nest({name: one.empty() for name, one in self._columns.items()}, 0)
