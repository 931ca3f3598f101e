"""Batches as pandas DataFrames and back. pandas is handed in, so that the ground floor does not import it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core import tensors
from headrace.core.errors import SchemaError
from headrace.core.kinds import Column, Nested, objects, rows
from headrace.core.naming import check_name, in_column
from headrace.core.ragged import Ragged
from headrace.core.stacking import Nest, stack


def to_frame(batch: Nested, pandas: Any) -> Any:
    """Return a DataFrame; see ``Batch.to_pandas``."""
    flat: dict[str, Any] = {}
    _flatten(batch, "", flat)
    series = {}
    for name, column in flat.items():
        with in_column(name):
            series[name] = _to_series(column, pandas)
    return pandas.DataFrame(series, index=pandas.RangeIndex(len(batch)), columns=list(series), copy=False)


def from_frame(frame: Any, nest: Nest, pandas: Any) -> Any:
    """Return a Batch; see ``Batch.from_pandas``."""
    names = list(frame.columns)
    for name in names:
        check_name(name)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SchemaError(f"two columns of the DataFrame are named {twice!r}; rename one first")
    columns = {}
    for name, series in frame.items():
        with in_column(name):
            columns[name] = from_series(series, nest, pandas)
    return nest(columns, len(frame))


def _flatten(batch: Nested, before: str, flat: dict[str, Any]) -> None:
    for name, column in batch._columns.items():
        if isinstance(column, Nested):
            _flatten(column, f"{before}{name}.", flat)
        elif f"{before}{name}" in flat:
            raise SchemaError(f"two columns of the DataFrame would be named {before + name!r}; rename one first")
        else:
            flat[f"{before}{name}"] = column


def _to_series(column: Column, pandas: Any) -> Any:
    if tensors.is_tensor(column):
        column = tensors.to_numpy(column)
    if isinstance(column, Ragged) or column.ndim > 1:
        return pandas.Series(objects(rows(column)), dtype=object)
    if column.dtype.kind == "V":
        raise SchemaError(f"pandas cannot hold records of {column.dtype}; make each field a column")
    if column.dtype.kind in "OSUT":
        return pandas.Series(column.astype(object, copy=False), dtype=object)  # else None would become NaN
    return pandas.Series(column, copy=False)


def from_series(series: Any, nest: Nest, pandas: Any) -> Column:
    """Return a Series as a column, by the rule of ``Batch.from_pandas``."""
    dtype = series.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        kind = dtype.categories.dtype
        if series.isna().any() and isinstance(kind, np.dtype) and kind.kind in "iub":
            raise missing(int(series.isna().sum()), str(kind), "dropna()")
        return from_series(series.astype(kind), nest, pandas)
    if isinstance(dtype, np.dtype):
        values: NDArray[Any] = series.to_numpy()
        return _from_objects(values, nest) if dtype.kind == "O" else values
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return series.dt.tz_convert(None).to_numpy()
    numbers = getattr(dtype, "numpy_dtype", None)  # of a nullable Int64, Float64 or boolean, and of Arrow's types
    if isinstance(numbers, np.dtype) and numbers.kind in "iubf":
        count = int(series.isna().sum())
        if count and numbers.kind != "f":
            raise missing(count, str(dtype), "fillna(0)")
        return series.to_numpy(dtype=numbers, na_value=np.nan) if count else series.to_numpy(dtype=numbers)
    values = np.array(series, dtype=object) if isinstance(dtype, pandas.StringDtype) else np.asarray(series)
    if values.dtype.kind == "O":
        values = values.copy()
        values[series.isna().to_numpy()] = None
    return values


def _from_objects(values: NDArray[Any], nest: Nest) -> Column:
    """Return an object column of arrays or lists as the dense or ragged column they make; others as they are."""
    if len(values) and all(isinstance(value, (np.ndarray, list)) for value in values):
        return stack(values.tolist(), nest)
    return values


def missing(count: int, dtype: str, mend: str) -> SchemaError:
    """Say that values are missing where the dtype has no sign for it, and what fills or drops them."""
    return SchemaError(f"{count} values are missing, and {dtype} has no sign for that; use {mend} first")
