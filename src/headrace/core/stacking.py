"""Rows into a column: what the values of many records have in common decides what kind of column they make.

A mapping makes a nested column. Which class that is, is handed down as ``nest``: a Batch, in all of Headrace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import KindError, SchemaError
from headrace.core.kinds import Column, Nested, is_tensor, objects
from headrace.core.ragged import Ragged

Nest: TypeAlias = Callable[[dict[str, Any], int], Any]
"""Makes a nested column of columns and their length."""

_NUMBERS: dict[type, type] = {int: np.int64, float: np.float64, bool: np.bool_, complex: np.complex128}


def stack(rows: Sequence[Any], nest: Nest) -> Column:
    """Return row values as one column; a copy. See ``columns.stack`` for the rule."""
    types = set(map(type, rows))
    if len(types) == 1:
        (only,) = types
        if only is np.ndarray:
            return _arrays(rows)
        if only in _NUMBERS:
            return _numbers(rows, np.dtype(_NUMBERS[only]))
        if only is str or only is bytes:
            return np.array(rows, object)
    if not types:
        return np.empty(0, object)
    if all(issubclass(one, Mapping) for one in types):
        return stack_mappings(rows, nest)
    if all(issubclass(one, np.str_) or one is str for one in types):
        return np.array([str(row) for row in rows], object)
    if all(issubclass(one, np.bytes_) or one is bytes for one in types):
        return np.array([bytes(row) for row in rows], object)
    if all(one in _NUMBERS or issubclass(one, np.generic) for one in types):
        return _scalars(rows)
    if all(map(is_tensor, rows)):
        return _tensors(rows)
    if all(issubclass(one, (list, tuple, np.ndarray)) for one in types):
        return _sequences(rows)
    return objects(rows)


def stack_mappings(rows: Sequence[Mapping[str, Any]], nest: Nest) -> Any:
    """Return mappings of the same names as a nested column, in the first one's order of names.

    Raises:
        SchemaError: The names differ; the first row that does is named.
    """
    names = list(rows[0])
    for name in names:
        check_name(name)
    for number, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise SchemaError(f"row {number} has {_listed(row)}; row 0 has {_listed(names)}")
    columns = {}
    for name in names:
        try:
            columns[name] = stack([row[name] for row in rows], nest)
        except SchemaError as error:
            raise SchemaError(f"column {name!r}: {error}") from None
    return nest(columns, len(rows))


def as_column(value: Any, nest: Nest) -> Column:
    """Return anything that holds one value per row as a column. See ``columns.as_column``."""
    if isinstance(value, np.ndarray):
        return _array_column(value)
    if isinstance(value, (Ragged, Nested)):
        return value
    if is_tensor(value):
        if value.ndim == 0:
            raise KindError("a column needs one value per row, got a single tensor; put it in a list")
        return value
    if isinstance(value, Mapping):
        return nest_columns(value, nest)
    if isinstance(value, range):
        return np.arange(value.start, value.stop, value.step)
    if isinstance(value, (str, bytes, bytearray, memoryview, set, frozenset)):
        raise KindError(f"a column needs one value per row, got a {type(value).__name__}; put the values in a list")
    if hasattr(value, "__array__"):
        return _array_column(np.asarray(value))
    if hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        return stack(value if isinstance(value, (list, tuple)) else [value[i] for i in range(len(value))], nest)
    raise KindError(
        f"a column needs a length and one value per row, got {type(value).__name__}; "
        "make a list or an array of the values first"
    )


def nest_columns(columns: Mapping[Any, Any], nest: Nest, length: int | None = None) -> Any:
    """Return a mapping of columns as a nested column, checked.

    Raises:
        KindError: A name is no text, or a value is no column.
        SchemaError: The columns differ in length.
    """
    made = {}
    for name, value in columns.items():
        check_name(name)
        try:
            made[name] = as_column(value, nest)
        except (KindError, SchemaError) as error:
            raise type(error)(f"column {name!r}: {error}") from None
    lengths = {name: len(column) for name, column in made.items()}
    if len(set(lengths.values())) > 1:
        each = ", ".join(f"{name!r} has {count}" for name, count in lengths.items())
        raise SchemaError(f"columns need equal lengths: {each}")
    count = next(iter(lengths.values()), length or 0)
    if length is not None and count != length:
        raise SchemaError(f"a length of {length} is asked for, but the columns have {count} rows")
    return nest(made, count)


def check_name(name: object) -> None:
    """Refuse what cannot be the name of a column.

    Raises:
        KindError: The name is no text.
        SchemaError: It is empty.
    """
    if not isinstance(name, str):
        raise KindError(f"columns are named by text, not by {name!r} ({type(name).__name__})")
    if not name:
        raise SchemaError("a column needs a name, got an empty one")


def _array_column(array: NDArray[Any]) -> NDArray[Any]:
    if isinstance(array, np.ma.MaskedArray):
        raise KindError("a masked array has rows without a value; fill them first: array.filled(...)")
    if array.ndim == 0:
        raise KindError("a column needs one value per row, got a single value; put it in a list")
    return np.asarray(array)  # a memmap or another subclass as the plain array it is: a view


def _numbers(rows: Sequence[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.array(rows, dtype)
    except OverflowError:  # an int too large for the dtype stays exact as an object
        return objects(rows)


def _scalars(rows: Sequence[Any]) -> NDArray[Any]:
    """Stack numbers of several types; Python's own are weak: beside NumPy's they take on those types where they fit."""
    try:
        dtype = np.result_type(*{_weak(row) for row in rows})
    except TypeError:  # no common type, such as of dates and numbers
        return objects(rows)
    return _numbers(rows, dtype)


def _weak(value: Any) -> Any:
    return value.dtype if isinstance(value, np.generic) else type(value)(0)


def _arrays(rows: Sequence[NDArray[Any]]) -> Column:
    first = rows[0]
    shape, dtype = first.shape, first.dtype
    if any(row.shape != shape for row in rows):
        return _uneven(rows)
    try:
        if any(row.dtype != dtype for row in rows):
            dtype = np.result_type(*{row.dtype for row in rows})
    except TypeError:
        return objects(rows)
    out = np.empty((len(rows), *shape), dtype)
    if shape:
        np.concatenate(rows, out=out.reshape(len(rows) * shape[0], *shape[1:]))
    else:
        for index, row in enumerate(rows):
            out[index] = row
    return out


def _uneven(rows: Sequence[NDArray[Any]]) -> Column:
    if any(row.ndim == 0 for row in rows) or len({row.shape[1:] for row in rows}) > 1:
        return objects(rows)
    try:
        return Ragged.from_rows(rows)
    except TypeError:
        return objects(rows)


def _sequences(rows: Sequence[Any]) -> Column:
    """Stack lists of numbers, alone or beside arrays, as arrays; lists of anything else as objects."""
    arrays = []
    for row in rows:
        try:
            array = np.asarray(row)
        except ValueError:  # lists in it that differ in length
            return objects(rows)
        if array.dtype.kind not in "biufc" and not isinstance(row, np.ndarray):
            return objects(rows)
        arrays.append(array)
    told = [array.dtype for row, array in zip(rows, arrays, strict=True) if array.size or isinstance(row, np.ndarray)]
    if told:  # an empty list says nothing of its dtype
        try:
            dtype = np.result_type(*set(told))
        except TypeError:
            return objects(rows)
        arrays = [array.astype(dtype, copy=False) for array in arrays]
    return _arrays(arrays)


def _tensors(rows: Sequence[Any]) -> Any:
    if any(row.shape != rows[0].shape or row.device != rows[0].device for row in rows):
        return objects(rows)
    import torch  # loaded already: there are tensors

    return torch.stack(list(rows))


def _listed(names: Any) -> str:
    return "columns " + ", ".join(map(repr, names)) if len(names) else "no columns"
