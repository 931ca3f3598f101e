"""What can be done with a ready column, whatever its kind: dense, ragged, nested, object, or a torch tensor.

A dense column is an ndarray whose first axis is the rows; one of dtype object holds any Python objects. A nested one
has columns of its own: a Batch, known here by its methods only, since a Batch is built of what is in this file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError, KindError, SchemaError
from headrace.core.ragged import Ragged
from headrace.core.source import Indices

Column: TypeAlias = Any
"""An ndarray, a Ragged, a Batch or a torch tensor, with one row per record."""

_PLAIN = frozenset(map(np.dtype, (np.int64, np.float64, np.bool_, np.complex128)))


class Nested:
    """Named columns of one length: what a Batch is made of, and all that this file asks of one."""

    __slots__ = ("_columns", "_length")

    _columns: dict[str, Any]
    _length: int

    @classmethod
    def _of(cls, columns: dict[str, Any], length: int) -> Self:
        """Make one of columns known to fit; the dict becomes its own. The hot path: nothing is checked."""
        self = object.__new__(cls)
        self._columns = columns
        self._length = length
        return self

    def __len__(self) -> int:
        return self._length


def is_tensor(value: object) -> bool:
    """Say whether a value is a torch tensor, without importing torch: where it is not loaded, there are none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def take(column: Column, indices: Indices, out: NDArray[Any] | None = None) -> Column:
    """Return the rows asked for; a copy.

    Args:
        column: Any kind of column.
        indices: Row numbers, int64, known to lie in the column: they are not checked again.
        out: Where to put the rows of a dense column; of its dtype, shape ``(len(indices), *item)``.

    >>> take(np.array([10, 20, 30]), np.array([2, 0])).tolist()
    [30, 10]
    """
    if isinstance(column, np.ndarray):
        # "clip" skips the buffering that the default mode needs to leave `out` untouched on errors
        return column.take(indices, 0, out, "clip")
    if out is not None:
        raise ArgumentError("only the rows of a dense column can be put into a given array")
    if isinstance(column, Ragged):
        return column._take(indices)
    if is_tensor(column):
        return column[sys.modules["torch"].from_numpy(np.array(indices))]
    return _each(nested(column), lambda one: take(one, indices), len(indices))


def part(column: Column, rows: slice) -> Column:
    """Return the rows of a slice; a view, except of a Ragged where the step is not 1."""
    if is_tensor(column) and rows.step is not None and rows.step < 0:  # torch has no negative steps
        return take(column, np.arange(*rows.indices(len(column))))
    if isinstance(column, Nested):
        return _each(column, lambda one: part(one, rows), len(range(*rows.indices(len(column)))))
    return column[rows]


def concat(columns: Sequence[Column]) -> Column:
    """Return the rows of several columns, one column after the other; a copy.

    Number types are promoted as by ``np.result_type``. Dense columns whose rows differ in their first axis give a
    Ragged, as do dense and ragged ones together; an object column beside others gives an object column.

    >>> concat([np.zeros((1, 2), np.int32), Ragged.from_rows([[1, 2, 3]])]).lengths.tolist()
    [2, 3]

    Raises:
        ArgumentError: There is nothing to join.
        SchemaError: The columns cannot be joined.
    """
    if not columns:
        raise ArgumentError("nothing to concatenate")
    if all(isinstance(column, np.ndarray) for column in columns):
        return _concat_dense(columns)
    if all(isinstance(column, (np.ndarray, Ragged)) for column in columns):
        return Ragged.concat([as_ragged(column) for column in columns])
    if all(is_tensor(column) for column in columns):
        return sys.modules["torch"].cat(list(columns))
    if all(isinstance(column, Nested) for column in columns):
        return _concat_nested(columns)
    raise SchemaError(f"columns of kinds {', '.join(sorted({kind(column) for column in columns}))} cannot be joined")


def _concat_nested(batches: Sequence[Nested]) -> Nested:
    filled = [batch for batch in batches if batch._columns or batch._length] or list(batches[:1])
    first, length = filled[0], sum(map(len, batches))
    for number, batch in enumerate(filled):
        if batch._columns.keys() != first._columns.keys():
            raise SchemaError(f"part {number} has {_names(batch)}; part 0 has {_names(first)}")
    columns = {}
    for name in first._columns:
        try:
            columns[name] = concat([batch._columns[name] for batch in filled])
        except SchemaError as error:
            raise SchemaError(f"column {name!r}: {error}") from None
    return first._of(columns, length)


def _names(batch: Nested) -> str:
    return "columns " + ", ".join(map(repr, batch._columns)) if batch._columns else "no columns"


def _each(batch: Nested, function: Callable[[Column], Column], length: int) -> Nested:
    return batch._of({name: function(column) for name, column in batch._columns.items()}, length)


def _concat_dense(columns: Sequence[NDArray[Any]]) -> Column:
    if len({column.shape[1:] for column in columns}) > 1:
        return Ragged.concat([as_ragged(column) for column in columns])
    kinds = {column.dtype.kind for column in columns}
    if "O" in kinds and len(kinds) > 1:
        return objects([row for column in columns for row in rows(column)])
    try:
        return np.concatenate(columns)
    except TypeError:  # NumPy has no common type, such as of dates and numbers
        names = ", ".join(sorted({str(column.dtype) for column in columns}))
        raise SchemaError(f"columns of {names} cannot be joined: they have no common type") from None


def as_ragged(column: NDArray[Any] | Ragged) -> Ragged:
    """Return a dense column of vectors as a Ragged of equal lengths; a view where the memory allows."""
    if isinstance(column, Ragged):
        return column
    if column.ndim < 2:
        raise SchemaError(f"a column of single values ({column.dtype}) cannot be joined with one of arrays")
    count, length = column.shape[:2]
    return Ragged._of(column.reshape(count * length, *column.shape[2:]), np.arange(count + 1, dtype=np.int64) * length)


def rows(column: Column) -> list[Any]:
    """Return each row as a value.

    Of a dense column of single values: Python's own int, float, bool, complex, str and bytes where they hold the same
    (int64, float64, bool, complex128, strings), else NumPy scalars, such as ``np.float32``. Of arrays: views.

    >>> rows(np.array([1, 2])), rows(np.zeros(1, np.float32))[0].dtype
    ([1, 2], dtype('float32'))
    """
    if isinstance(column, np.ndarray):
        if column.ndim == 1 and (column.dtype in _PLAIN or column.dtype.kind in "OUST"):
            values: list[Any] = column.tolist()
            return values
        return list(column)
    if isinstance(column, Ragged):
        return column.rows()
    if is_tensor(column):
        return list(column)
    columns = nested(column)._columns
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
        return {name: row(one, index) for name, one in column._columns.items()}
    return column[index]


def same(a: Column, b: Column) -> bool:
    """Say whether two columns are equal: of one kind, dtype and shape, value by value; NaN equals NaN.

    >>> same(np.array([1.0, np.nan]), np.array([1.0, np.nan])), same(np.array([1]), np.array([1.0]))
    (True, False)
    """
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and _same_arrays(a, b)
    if isinstance(a, Ragged):
        return isinstance(b, Ragged) and _same_arrays(a.offsets, b.offsets) and _same_arrays(a.values, b.values)
    if is_tensor(a):
        return is_tensor(b) and a.dtype == b.dtype and a.device == b.device and _same_arrays(_host(a), _host(b))
    mine = nested(a)._columns
    return (
        isinstance(b, Nested)
        and len(a) == len(b)
        and list(mine) == list(b._columns)
        and all(same(column, b._columns[name]) for name, column in mine.items())
    )


def _same_arrays(a: NDArray[Any], b: NDArray[Any]) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "O":
        return all(map(_same_values, a.ravel().tolist(), b.ravel().tolist()))
    equal = a == b
    if a.dtype.kind in "fcmM":
        equal |= (a != a) & (b != b)
    return bool(np.all(equal))


def _same_values(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | Ragged) or is_tensor(a):
        return same(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same_values(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same_values, a, b))
    return bool(a == b) or bool(a != a and b != b)


def size_in_bytes(column: Column) -> int:
    """Return the bytes that the rows hold; of an object column those of the references and, once each, the objects'
    own (arrays inside count whole, other containers without what they hold)."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind != "O":
            return column.nbytes
        unique = {id(value): value for value in column.ravel().tolist()}
        return column.nbytes + sum(
            value.nbytes if isinstance(value, np.ndarray) else sys.getsizeof(value) for value in unique.values()
        )
    if isinstance(column, Ragged):
        return size_in_bytes(column.values) + column.offsets.nbytes
    if is_tensor(column):
        return int(column.nelement() * column.element_size())
    return sum(map(size_in_bytes, nested(column)._columns.values()))


def compact(column: Column) -> Column:
    """Return the column in memory of its own: itself if it has that, a copy if it is a view of something larger."""
    if isinstance(column, np.ndarray):
        return column if column.base is None else column.copy()
    if isinstance(column, Ragged):
        return Ragged._of(compact(column.values), compact(column.offsets))
    if is_tensor(column):
        whole = column.untyped_storage().nbytes() == column.nelement() * column.element_size()
        return column if whole else column.clone()
    return _each(nested(column), compact, len(column))


def objects(values: Sequence[Any]) -> NDArray[Any]:
    """Return any Python objects as an object column, one row each, never looking into them."""
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


def nested(column: Column) -> Nested:
    """Return a nested column as what it is, and refuse anything that is no column at all."""
    if not isinstance(column, Nested):
        raise KindError(f"not a column: {type(column).__name__}")
    return column


def _host(tensor: Any) -> NDArray[Any]:
    """Return a tensor's values as an array, from whichever device they lie on."""
    torch = sys.modules["torch"]
    host = tensor.detach().cpu()
    return np.asarray(host.view(torch.int16).numpy() if host.dtype == torch.bfloat16 else host.numpy())
