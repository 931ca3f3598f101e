"""Records stacked as they are made: each goes to its row at once, while it still lies in the processor's cache.

Kept in a list until a batch is whole, records of images fill more memory than any cache holds, are written to memory
and read again; and the allocator hands that memory back after each batch and takes it anew for the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.columns import stack
from headrace.core.naming import check_name
from headrace.core.records import Columns
from headrace.core.schema import Structure
from headrace.core.stacking import PYTHONS, New

_LEAST_BYTES = 2048  # of the arrays of a record: less is gathered in a list as fast
_SINGLE = frozenset({*PYTHONS, str, bytes})


class Stacker:
    """Takes records one by one and gives them as columns: what stacking all of them together gives.

    Args:
        rows: How many there will be.
        first: The first of them: arrays of numbers have rows made for them, single values are gathered in lists.
        new: Gives the memory of columns.

    >>> records = [(np.full(1000, number), number) for number in range(3)]
    >>> stacker = Stacker.of(3, records[0], np.empty)
    >>> all(map(stacker.add, records))
    True
    >>> [column.shape for column in stacker.columns().batch.values()]
    [(3, 1000), (3,)]
    """

    __slots__ = ("_arrays", "_count", "_lists", "_names", "_structure")

    def __init__(self, rows: int, first: Any, structure: Structure, new: New) -> None:
        self._structure = structure
        self._names = tuple(first) if structure == "mapping" else None
        self._count = 0
        self._arrays: list[tuple[Any, NDArray[Any]]] = []
        self._lists: list[tuple[Any, list[Any]]] = []
        for name, value in _fields(first, structure):
            if type(value) is np.ndarray:
                self._arrays.append((name, new((rows, *value.shape), value.dtype)))
            else:
                self._lists.append((name, []))

    @classmethod
    def of(cls, rows: int, first: Any, new: New) -> Stacker | None:
        """Return one for records like the first; None where these are better stacked together."""
        structure: Structure = "mapping" if type(first) is dict else "tuple" if type(first) is tuple else "value"
        nbytes = 0
        for name, value in _fields(first, structure):
            if structure == "mapping":
                check_name(name)
            if type(value) is np.ndarray:
                if not value.ndim or value.dtype.kind not in "biufc" or not value.dtype.isnative:
                    return None
                nbytes += value.nbytes
            elif type(value) not in _SINGLE and not isinstance(value, np.generic):
                return None
        return cls(rows, first, structure, new) if nbytes >= _LEAST_BYTES and rows > 1 else None

    def add(self, record: Any) -> bool:
        """Take the next record; False, and nothing is taken, where it is not like the first."""
        if self._names is not None:
            if type(record) is not dict or len(record) != len(self._names):
                return False
        elif self._structure == "tuple" and (type(record) is not tuple or len(record) != self._width):
            return False
        at = self._count
        try:
            for name, out in self._arrays:
                value = record if name is None else record[name]
                if type(value) is not np.ndarray or value.shape != out.shape[1:] or value.dtype != out.dtype:
                    return False
                out[at] = value
            for name, gathered in self._lists:
                value = record[name]
                if type(value) not in _SINGLE and not isinstance(value, np.generic):
                    self._shorten(at)
                    return False
                gathered.append(value)
        except KeyError:
            self._shorten(at)
            return False
        self._count += 1
        return True

    @property
    def _width(self) -> int:
        return len(self._arrays) + len(self._lists)

    def _shorten(self, count: int) -> None:
        for _, gathered in self._lists:
            del gathered[count:]

    def columns(self) -> Columns:
        """Return what was taken as columns."""
        made = dict(self._arrays) | {name: stack(gathered) for name, gathered in self._lists}
        if self._names is not None:
            return Columns(Batch._of({name: made[name] for name in self._names}, self._count), "mapping")
        if self._structure == "value":
            return Columns(Batch._of({"value": made[None]}, self._count), "value")
        return Columns(Batch._of({str(place): made[place] for place in range(self._width)}, self._count), "tuple")

    def records(self) -> list[Any]:
        """Return what was taken as records again; their arrays are views of the rows."""
        rows = self._count
        fields = {name: list(out[:rows]) for name, out in self._arrays} | dict(self._lists)
        if self._names is not None:
            return [{name: fields[name][row] for name in self._names} for row in range(rows)]
        if self._structure == "value":
            return fields[None]
        return [tuple(fields[place][row] for place in range(self._width)) for row in range(rows)]


def _fields(record: Any, structure: Structure) -> Iterator[tuple[Any, Any]]:
    if structure == "mapping":
        yield from record.items()
    elif structure == "tuple":
        yield from enumerate(record)
    else:
        yield None, record
