"""Rows that are added to columns which exist: the columns say what fits, and keep their dtypes where they can.

Python's own numbers take on the dtype of the column, unless they are too large or too fine for it; NumPy's are promoted
together with it, as everywhere. What has nothing in common with the column is refused, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import KindError, SchemaError
from headrace.core.gathering import promoted
from headrace.core.kinds import Column, Nested, is_tensor, objects
from headrace.core.naming import in_column, listed
from headrace.core.ragged import Ragged
from headrace.core.schema import Field
from headrace.core.stacking import PYTHONS, Nest, stack, stack_mappings, weaker

N = TypeVar("N", bound=Nested)


def fit_rows(rows: Sequence[Any], like: N, nest: Nest) -> N:
    """Return records as columns that can be joined with those of ``like``; a copy.

    Raises:
        SchemaError: A record does not fit: the column is named, what it holds and what was given.
        KindError: A record is no mapping.
    """
    try:
        return _fit(rows, like, nest)
    except (SchemaError, KindError):
        if len(rows) == 1:
            raise
    for number, row in enumerate(rows):
        try:
            _fit([row], like, nest)
        except (SchemaError, KindError) as error:
            raise type(error)(f"row {number}: {error}") from None
    return _fit(rows, like, nest)  # each fits alone, but not together: refused as a whole


def _fit(rows: Sequence[Any], like: N, nest: Nest) -> N:
    for row in rows:
        if not isinstance(row, Mapping):
            raise KindError(f"a row to add is a mapping of names to values, got a {type(row).__name__}")
        if row.keys() != like._columns.keys():
            raise SchemaError(f"a row to add has {listed(row)}; there are {listed(like._columns)}")
    columns = {name: _fit_values([row[name] for row in rows], column, nest) for name, column in like._columns.items()}
    fitted = like._of(columns, len(rows))
    check(fitted, like)
    return fitted


def check(added: Nested, like: Nested) -> None:
    """Refuse columns that cannot be joined with those of ``like``.

    Raises:
        SchemaError: The names differ, or a column does not fit; it is named, what it holds and what was given.
    """
    if added._columns.keys() != like._columns.keys():
        raise SchemaError(f"rows to add have {listed(added._columns)}; there are {listed(like._columns)}")
    for name, column in like._columns.items():
        new = added._columns[name]
        if isinstance(column, Nested) and isinstance(new, Nested):
            with in_column(name):
                check(new, column)
        elif not _joins(new, column):
            raise SchemaError(f"column {name!r}: expected {Field.of(column)}, got {_shown(new)}")


def common(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any] | None:
    """Return the dtype that holds values of both; None where there is none but object.

    >>> common(np.dtype("int32"), np.dtype("float32")), common(np.dtype("int64"), np.dtype("O"))
    (dtype('float64'), None)
    """
    try:
        both = promoted([a, b])
    except SchemaError:
        return None
    return both if both.kind != "O" or a == b else None


def _joins(new: Column, column: Column) -> bool:
    if isinstance(column, np.ndarray) and column.dtype.kind == "O" and column.ndim == 1:
        return not isinstance(new, Nested)  # holds anything
    if is_tensor(column) or is_tensor(new):
        return is_tensor(column) and is_tensor(new) and _of_tensor(column) == _of_tensor(new)
    if isinstance(column, Nested) or isinstance(new, Nested) or common(new.dtype, column.dtype) is None:
        return False
    return _item(new) == _item(column) or (_rest(new) is not None and _rest(new) == _rest(column))


def _of_tensor(column: Any) -> tuple[Any, ...]:
    return column.shape[1:], column.dtype, column.device


def _item(column: NDArray[Any] | Ragged) -> tuple[int, ...] | None:
    """Return the shape that all rows have; None where they differ."""
    return None if isinstance(column, Ragged) else column.shape[1:]


def _rest(column: NDArray[Any] | Ragged) -> tuple[int, ...] | None:
    """Return the shape of rows but for their first axis; None where they have none."""
    if isinstance(column, Ragged):
        return column.item
    return column.shape[2:] if column.ndim > 1 else None


def _fit_values(values: list[Any], column: Column, nest: Nest) -> Column:
    types = set(map(type, values))
    if isinstance(column, Nested) and types and all(issubclass(one, Mapping) for one in types):
        for value in values:
            if value.keys() != column._columns.keys():
                return stack_mappings(values, nest)  # refused by its names
        return nest(
            {name: _fit_values([value[name] for value in values], one, nest) for name, one in column._columns.items()},
            len(values),
        )
    if isinstance(column, np.ndarray) and column.dtype.kind == "O" and column.ndim == 1:
        return objects(values)
    made = stack(values, nest)
    if not all(one in PYTHONS or issubclass(one, (list, tuple)) for one in types):
        return made
    dtype = getattr(column, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "biufc":
        if isinstance(made, Ragged):
            return Ragged._of(_weaken(made._values, dtype), made._offsets)
        if isinstance(made, np.ndarray):
            return _weaken(made, dtype)
    return made


def _weaken(made: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return Python's own numbers in the dtype of a column, if that holds them."""
    if made.dtype.kind not in "biufc":
        return made
    return made.astype(weaker(made, dtype) if made.size else dtype, copy=False)  # an empty list has no dtype of its own


def _shown(column: Column) -> str:
    """Return what was given, with the value where it is a single one."""
    if isinstance(column, np.ndarray) and column.ndim == 1 and len(column) == 1:
        value = column[0]
        text = repr(value.item() if isinstance(value, np.generic) else value)
        return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"
    return repr(Field.of(column))
