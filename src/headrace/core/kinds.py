"""What can be done with a ready column, whatever its kind: dense, ragged, nested, object, or a torch tensor.

A dense column is an ndarray whose first axis is the rows; one of dtype object holds any Python objects. A nested one
has columns of its own: a Batch, known here by its storage only, since a Batch is built of what is in this file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.core import tensors
from headrace.core.equality import same_arrays
from headrace.core.errors import ArgumentError, KindError, SchemaError
from headrace.core.ragged import Ragged
from headrace.core.source import Indices
from headrace.core.tensors import is_tensor as is_tensor

Column: TypeAlias = Any
"""An ndarray, a Ragged, a Batch or a torch tensor, with one row per record."""

_PLAIN = frozenset(map(np.dtype, (np.int64, np.float64, np.bool_, np.complex128)))


class Nested:
    """Named columns of one length: what a Batch is made of, and all that is asked of one here."""

    __slots__ = ("_columns", "_length")

    _columns: dict[str, Column]
    _length: int
    _tuples: ClassVar[bool] = False
    """Whether a row is a tuple, not a mapping."""

    @classmethod
    def _of(cls, columns: dict[str, Column], length: int) -> Self:
        """Make one of columns known to fit; the dict becomes its own. The hot path: nothing is checked."""
        self = object.__new__(cls)
        self._columns = columns
        self._length = length
        return self

    def __len__(self) -> int:
        return self._length


def take(column: Column, indices: Indices, out: NDArray[Any] | None = None) -> Column:
    """Return the rows asked for; a copy.

    Args:
        column: Any kind of column.
        indices: Row numbers, int64, known to lie in the column: they are not checked again.
        out: Where to put the rows of a dense column; of its dtype, shape ``(len(indices), *item)``.

    >>> take(np.array([10, 20, 30]), np.array([2, 0])).tolist()
    [30, 10]

    Raises:
        ArgumentError: ``out`` is given, but the column is not dense.
    """
    if isinstance(column, np.ndarray):
        # "clip" saves the buffering by which the default mode leaves `out` untouched where an index is wrong
        return column.take(indices, 0, out, "clip")
    if out is not None:
        raise ArgumentError(f"only rows of a dense column can be put into a given array, not of a {kind(column)} one")
    if isinstance(column, Ragged):
        return column._take(indices)
    if is_tensor(column):
        return tensors.take(column, indices)
    return each(nested(column), lambda one: take(one, indices), len(indices))


def part(column: Column, rows: slice) -> Column:
    """Return the rows of a slice; a view, except of a Ragged where the step is not 1, or a tensor where it is below 0.

    >>> part(np.arange(5), slice(1, 3)).tolist()
    [1, 2]
    """
    if isinstance(column, Nested):
        return each(column, lambda one: part(one, rows), len(range(*rows.indices(len(column)))))
    if is_tensor(column) and rows.step is not None and rows.step < 0:  # torch has no negative steps
        return tensors.take(column, np.arange(*rows.indices(len(column))))
    return column[rows]


def rows(column: Column) -> list[Any]:
    """Return each row as a value.

    Of a dense column of single values: Python's own int, float, bool, complex, str and bytes where they hold the same
    (int64, float64, bool, complex128, strings), else NumPy scalars, such as ``np.float32``. Of arrays: views. Of a
    nested column: dicts, or tuples where it is made of :class:`headrace.core.fields.Fields`.

    >>> rows(np.array([1, 2])), rows(np.zeros(1, np.float32))[0].dtype
    ([1, 2], dtype('float32'))
    """
    if isinstance(column, np.ndarray):
        if column.ndim == 1 and (column.dtype in _PLAIN or column.dtype.kind in "OUST"):
            plain: list[Any] = column.tolist()
            return plain
        return list(column)
    if isinstance(column, Ragged):
        return column.rows()
    if is_tensor(column):
        return list(column)
    columns = nested(column)._columns
    if column._tuples:
        return list(zip(*map(rows, columns.values()), strict=True))
    if not columns:
        return [{} for _ in range(len(column))]
    return [dict(zip(columns, values, strict=True)) for values in zip(*map(rows, columns.values()), strict=True)]


def row(column: Column, index: int) -> Any:
    """Return one row as a value, by the rule of ``rows``; the index is known to be right."""
    if isinstance(column, np.ndarray):
        value = column[index]
        if column.ndim == 1 and (column.dtype in _PLAIN or column.dtype.kind in "US"):
            return value.item()
        return value
    if isinstance(column, Nested):
        values = {name: row(one, index) for name, one in column._columns.items()}
        return tuple(values.values()) if column._tuples else values
    return column[index]


def same(a: Column, b: Column) -> bool:
    """Say whether two columns are equal: of one kind, dtype and shape, value by value; NaN equals NaN.

    Of nested columns the order of names counts too.

    >>> same(np.array([1.0, np.nan]), np.array([1.0, np.nan])), same(np.array([1]), np.array([1.0]))
    (True, False)
    """
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and same_arrays(a, b)
    if isinstance(a, Ragged):
        return isinstance(b, Ragged) and a == b
    if is_tensor(a):
        return tensors.same(a, b)
    mine = nested(a)._columns
    return (
        isinstance(b, Nested)
        and a._tuples == b._tuples
        and len(a) == len(b)
        and list(mine) == list(b._columns)
        and all(same(column, b._columns[name]) for name, column in mine.items())
    )


def size_in_bytes(column: Column) -> int:
    """Return how many bytes the rows hold.

    An object column counts its references and, once each, the objects: arrays and Raggeds whole, other containers
    without what is in them.

    >>> size_in_bytes(np.zeros((2, 3), np.float32)), size_in_bytes(Ragged.from_rows([[1], [2, 3]]))
    (24, 48)
    """
    if isinstance(column, np.ndarray):
        if column.dtype.kind != "O":
            return column.nbytes
        unique = {id(value): value for value in column.ravel().tolist()}
        sized = (np.ndarray, Ragged)
        return column.nbytes + sum(
            size_in_bytes(value) if isinstance(value, sized) else sys.getsizeof(value) for value in unique.values()
        )
    if isinstance(column, Ragged):
        return size_in_bytes(column.values) + (len(column) + 1) * 8
    if is_tensor(column):
        return int(column.nelement() * column.element_size())
    return sum(map(size_in_bytes, nested(column)._columns.values()))


def compact(column: Column) -> Column:
    """Return the column in memory of its own: itself if it has that, a copy if it is a view of something else."""
    if isinstance(column, np.ndarray):
        return column if column.base is None else column.copy()
    if isinstance(column, Ragged):
        return Ragged._of(compact(column.values), compact(column.offsets))
    if is_tensor(column):
        return tensors.compact(column)
    return each(nested(column), compact, len(column))


def as_ragged(column: NDArray[Any] | Ragged) -> Ragged:
    """Return a dense column of arrays as a Ragged of equal lengths; a view where the memory allows.

    Raises:
        SchemaError: It is a column of single values.
    """
    if isinstance(column, Ragged):
        return column
    if column.ndim < 2:
        raise SchemaError(f"a column of single values ({column.dtype}) cannot be joined with one of arrays")
    count, length = column.shape[:2]
    offsets: Indices = np.arange(count + 1, dtype=np.int64) * length
    return Ragged._of(column.reshape(count * length, *column.shape[2:]), offsets)


def objects(values: Sequence[Any]) -> NDArray[Any]:
    """Return any Python objects as an object column, one row each, never looking into them; the objects are shared."""
    column = np.empty(len(values), object)
    for index, value in enumerate(values):  # column[:] = values would spread arrays of equal shape out
        column[index] = value
    return column


def kind(column: Column) -> str:
    """Name the kind of a column: dense, object, ragged, tensor or batch."""
    if isinstance(column, np.ndarray):
        return "object" if column.dtype.kind == "O" else "dense"
    if isinstance(column, Ragged):
        return "ragged"
    return "tensor" if is_tensor(column) else "batch"


def each(batch: Nested, function: Callable[[Column], Column], length: int) -> Nested:
    """Return what a function makes of each column, under the same names; ``length`` is what it makes of the rows."""
    return batch._of({name: function(column) for name, column in batch._columns.items()}, length)


def nested(column: Column) -> Nested:
    """Return a nested column as what it is.

    Raises:
        KindError: It is no column at all.
    """
    if not isinstance(column, Nested):
        raise KindError(f"not a column: {type(column).__name__}")
    return column
