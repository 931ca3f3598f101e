"""What users hand over as columns, made into columns: arrays stay what they are, lists are stacked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core import arrow, frames, tensors
from headrace.core.errors import KindError, SchemaError
from headrace.core.kinds import Column, Nested
from headrace.core.naming import check_name, in_column
from headrace.core.ragged import Ragged
from headrace.core.stacking import Nest, stack


def as_column(value: Any, nest: Nest) -> Column:
    """Return anything that holds one value per row as a column. See ``columns.as_column``."""
    if isinstance(value, np.ndarray):
        return _array_column(value)
    if isinstance(value, (Ragged, Nested)):
        return value
    if isinstance(value, Mapping):
        return as_nested(value, nest)
    if isinstance(value, range):
        return np.arange(value.start, value.stop, value.step)
    if isinstance(value, (str, bytes, bytearray, memoryview, set, frozenset)):
        raise KindError(f"a column needs one value per row, got a {type(value).__name__}; put the values in a list")
    if tensors.is_tensor(value):
        if value.ndim == 0:
            raise KindError("a column needs one value per row, got a single tensor; put it in a list")
        return value
    theirs = _of_another_library(value, nest)
    if theirs is not None:
        return theirs
    if hasattr(value, "__array__") and not np.isscalar(value):
        return _array_column(np.asarray(value))
    if hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        return stack(value if isinstance(value, (list, tuple)) else [value[at] for at in range(len(value))], nest)
    raise KindError(
        f"a column needs a length and one value per row, got {type(value).__name__}; "
        "make a list or an array of the values first"
    )


def as_nested(columns: Mapping[Any, Any], nest: Nest, length: int | None = None) -> Any:
    """Return a mapping of columns as a nested column, checked.

    Raises:
        KindError: A name is no text, or a value is no column.
        SchemaError: A name is empty, or the columns differ in length.
    """
    made = {}
    for name, value in columns.items():
        check_name(name)
        with in_column(name):
            made[name] = as_column(value, nest)
    lengths = {name: len(column) for name, column in made.items()}
    if len(set(lengths.values())) > 1:
        each = ", ".join(f"{name!r} has {count}" for name, count in lengths.items())
        raise SchemaError(f"columns need equal lengths: {each}")
    count = next(iter(lengths.values()), length or 0)
    if length is not None and count != length:
        raise SchemaError(f"a length of {length} is asked for, but the columns have {count} rows")
    return nest(made, count)


def _of_another_library(value: Any, nest: Nest) -> Column | None:
    """Return what belongs to pandas or Arrow as a column; None if it does not. Neither is imported for the question."""
    pandas: Any = sys.modules.get("pandas")
    pyarrow: Any = sys.modules.get("pyarrow")
    if pandas is not None:
        if isinstance(value, getattr(pandas, "Series", ())):
            return frames.from_series(value, nest, pandas)
        if isinstance(value, getattr(pandas, "DataFrame", ())):
            return frames.from_frame(value, nest, pandas)
    if pyarrow is not None:
        if isinstance(value, (getattr(pyarrow, "Array", ()), getattr(pyarrow, "ChunkedArray", ()))):
            return arrow.from_chunks(value, nest, pyarrow)
        if isinstance(value, (getattr(pyarrow, "Table", ()), getattr(pyarrow, "RecordBatch", ()))):
            return arrow.from_table(value, nest, pyarrow)
    return None


def _array_column(array: NDArray[Any]) -> NDArray[Any]:
    if isinstance(array, np.ma.MaskedArray):
        raise KindError("a masked array has values that are missing; fill them first: array.filled(...)")
    if array.ndim == 0:
        raise KindError("a column needs one value per row, got a single value; put it in a list")
    return np.asarray(array)  # a memmap or another subclass as the plain array it is: a view
