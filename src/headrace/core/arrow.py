"""Batches as Arrow tables and back. pyarrow is handed in, so that the ground floor does not import it."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core import tensors
from headrace.core.errors import KindError, SchemaError
from headrace.core.frames import missing
from headrace.core.kinds import Column, Nested, objects
from headrace.core.naming import check_name, in_column
from headrace.core.ragged import Ragged
from headrace.core.stacking import Nest


def to_table(batch: Nested, arrow: Any) -> Any:
    """Return an Arrow table; see ``Batch.to_arrow``."""
    struct = _to_struct(batch, arrow)
    return arrow.Table.from_batches([arrow.RecordBatch.from_struct_array(struct)])


def from_table(table: Any, nest: Nest, arrow: Any) -> Any:
    """Return a Batch; see ``Batch.from_arrow``."""
    if not isinstance(table, (arrow.Table, arrow.RecordBatch)):
        if not hasattr(table, "__arrow_c_stream__"):
            raise KindError(f"an Arrow table is needed, or what can be seen as one; got {type(table).__name__}")
        table = arrow.table(table)
    columns: dict[str, Column] = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        check_name(name)
        if name in columns:
            raise SchemaError(f"two columns of the table are named {name!r}; rename one first")
        with in_column(name):
            columns[name] = from_chunks(column, nest, arrow)
    return nest(columns, table.num_rows)


def _to_struct(batch: Nested, arrow: Any) -> Any:
    if not batch._columns:
        return arrow.array([{}] * len(batch), arrow.struct([]))
    arrays = []
    for name, column in batch._columns.items():
        with in_column(name):
            arrays.append(_to_array(column, arrow))
    return arrow.StructArray.from_arrays(arrays, names=list(batch._columns))


def _to_array(column: Column, arrow: Any) -> Any:
    if isinstance(column, Nested):
        return _to_struct(column, arrow)
    if isinstance(column, Ragged):
        values = _to_array(column.values, arrow)
        return arrow.LargeListArray.from_arrays(arrow.array(column.offsets), values)
    array: NDArray[Any] = tensors.to_numpy(column) if tensors.is_tensor(column) else column
    made = _flat_array(array.reshape(prod(array.shape)), arrow)
    for axis in range(array.ndim - 1, 0, -1):  # a tensor's rows: lists of a fixed size, in lists of a fixed size
        kind = arrow.list_(made.type, array.shape[axis])
        made = arrow.Array.from_buffers(kind, prod(array.shape[:axis]), [None], children=[made])
    return made


def _flat_array(flat: NDArray[Any], arrow: Any) -> Any:
    kind = flat.dtype.kind
    if flat.dtype == "datetime64[D]" and not _fit_date32(flat):  # pyarrow would cut them to 32 bits, silently
        raise SchemaError("Arrow has no type for days that 32 bits do not hold; use .astype('datetime64[s]') first")
    try:
        if kind in "OUST":
            types = {"U": arrow.string(), "T": arrow.string(), "S": arrow.binary()}
            return arrow.array(flat.tolist(), types.get(kind))
        return arrow.array(flat if flat.dtype.isnative else flat.astype(flat.dtype.newbyteorder("=")))
    except (arrow.ArrowInvalid, arrow.ArrowTypeError, arrow.ArrowNotImplementedError) as error:
        what = "objects" if kind == "O" else str(flat.dtype)
        raise SchemaError(f"Arrow has no type for these {what} ({error})") from error


def _fit_date32(days: NDArray[Any]) -> bool:
    numbers = days.astype(np.int64)
    return bool((np.isnat(days) | ((numbers >= -(1 << 31)) & (numbers < 1 << 31))).all())


def from_chunks(column: Any, nest: Nest, arrow: Any) -> Column:
    """Return an Arrow array, chunked or not, as a column, by the rule of ``Batch.from_arrow``."""
    if isinstance(column, arrow.ChunkedArray):
        if column.num_chunks == 1:
            column = column.chunk(0)
        else:  # joined: a copy
            column = column.combine_chunks() if column.num_chunks else arrow.array([], column.type)
    return _from_array(column, nest, arrow)


def _from_array(array: Any, nest: Nest, arrow: Any) -> Column:
    is_ = arrow.types
    kind = array.type
    if isinstance(kind, arrow.FixedShapeTensorType) and not array.null_count:
        return array.to_numpy_ndarray()
    if isinstance(kind, arrow.BaseExtensionType):
        return _from_array(array.storage, nest, arrow)
    if is_.is_dictionary(kind):
        return _from_array(array.dictionary_decode(), nest, arrow)
    lists = is_.is_list(kind) or is_.is_large_list(kind)
    if array.null_count and (
        lists or is_.is_integer(kind) or is_.is_boolean(kind) or is_.is_struct(kind) or is_.is_fixed_size_list(kind)
    ):
        raise missing(array.null_count, str(kind), "fill_null(...) or drop_null()")
    if is_.is_struct(kind):
        columns = {}
        for field, values in zip(kind, array.flatten(), strict=True):
            with in_column(field.name):
                columns[field.name] = _from_array(values, nest, arrow)
        return nest(columns, len(array))
    if is_.is_fixed_size_list(kind):
        values = _from_array(array.flatten(), nest, arrow)
        if isinstance(values, np.ndarray):
            return values.reshape(len(array), kind.list_size, *values.shape[1:])
        return objects(array.to_pylist())
    if lists:
        return _from_lists(array, nest, arrow)
    if is_.is_primitive(kind) or is_.is_boolean(kind) or is_.is_null(kind) or _is_text(kind, is_):
        return array.to_numpy(zero_copy_only=False)
    return objects(array.to_pylist())


def _from_lists(array: Any, nest: Nest, arrow: Any) -> Column:
    if not len(array):
        offsets = np.zeros(1, np.int64)
    else:
        offsets = array.offsets.to_numpy().astype(np.int64, copy=False)
    first, last = int(offsets[0]), int(offsets[-1])
    values = _from_array(array.values[first:last], nest, arrow)
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return Ragged._of(values, offsets - first if first else offsets)
    return objects(array.to_pylist())


def _is_text(kind: Any, is_: Any) -> bool:
    return bool(is_.is_string(kind) or is_.is_large_string(kind) or is_.is_binary(kind) or is_.is_large_binary(kind))
