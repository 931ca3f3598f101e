"""Parts as Parquet and Arrow files: each kind of column as the type that says most of it.

============================  ==========================================================================
column                        Arrow
============================  ==========================================================================
numbers                       the type of the dtype (``bfloat16`` becomes ``float32``, which holds all of it)
rows of one axis              lists of a fixed size
rows of more axes             ``fixed_shape_tensor``, whose storage is such a list for who does not know it
ragged rows                   lists
strings, bytes                ``large_string``, ``large_binary``
dates, times                  ``date32``, ``timestamp``, ``duration``; NaT becomes null
nested columns, tuples        structs; the fields of tuples are called "0", "1", ...
============================  ==========================================================================
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import MissingExtraError, SchemaError
from headrace.core.naming import in_column
from headrace.stores.layout import Layout
from headrace.stores.manifest import Manifest
from headrace.stores.mapped import Dense, Mapped, Table, Tensors, Text, Uneven

Arrow: TypeAlias = Any  # the package, a type or an array: pyarrow is an extra, and has no types

_TIMES = {"M": "timestamp", "m": "duration"}


class Writer:
    """Writes one file.

    Args:
        manifest: Of the version.
        format: ``"parquet"`` or ``"arrow"``.

    Raises:
        SchemaError: A column has no type in Arrow; all of them are named.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, manifest: Manifest, format: str) -> None:
        try:
            import pyarrow
        except ImportError as error:
            raise MissingExtraError.of("pyarrow", "arrow", f"format={format!r}") from error
        self._arrow = pyarrow
        self._parquet = format == "parquet"
        said = {
            "id": manifest.id,
            "version": manifest.version,
            "fingerprint": manifest.fingerprint,
            "structure": manifest.structure,
        }
        fields = _fields(manifest.layout, self._parquet, pyarrow)
        self._schema = pyarrow.schema(fields, metadata={"headrace": json.dumps(said)})

    def write(self, path: Path, blocks: Iterable[tuple[Table, int, int]]) -> None:
        """Write rows of tables; they are on disk when this returns."""
        with open(path, "xb") as file:
            with self._open(file) as writer:
                for table, start, stop in blocks:
                    arrays = list(_columns(table, start, stop, self._schema, self._arrow))
                    writer.write_batch(self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
            file.flush()
            os.fsync(file.fileno())

    def _open(self, file: Any) -> Any:
        if not self._parquet:
            return self._arrow.ipc.new_file(file, self._schema)
        import pyarrow.parquet

        return pyarrow.parquet.ParquetWriter(file, self._schema)


def _fields(layout: Layout, parquet: bool, arrow: Arrow) -> list[Arrow]:
    """Return the fields of a schema or a struct."""
    made, problems = [], []
    for name, one in layout.fields.items():
        try:
            with in_column(name):
                made.append(arrow.field(name, _type(one, parquet, arrow)))
        except SchemaError as error:
            problems.append(str(error))
    if problems:
        raise SchemaError("; ".join(problems))
    if not made:
        raise SchemaError("there are no columns, so there is nothing to write")
    return made


def _type(layout: Layout, parquet: bool, arrow: Arrow) -> Arrow:
    if layout.nested:
        return arrow.struct(_fields(layout, parquet, arrow))
    if layout.kind == "object":
        raise SchemaError("pickled objects are for Python alone: leave the column out with drop(...)")
    if parquet and 0 in layout.shape:
        raise SchemaError(f"Parquet has no rows of shape {list(layout.shape)}, which hold nothing")
    if layout.kind in ("string", "bytes"):
        return _lists(arrow.large_string() if layout.kind == "string" else arrow.large_binary(), layout.shape, arrow)
    value = _value(layout.dtype, arrow)
    if layout.kind == "ragged":
        return arrow.large_list(_lists(value, layout.shape, arrow))
    if len(layout.shape) > 1 and 0 not in layout.shape and (_is(value, "integer") or _is(value, "floating")):
        return arrow.fixed_shape_tensor(value, layout.shape)
    return _lists(value, layout.shape, arrow)


def _is(kind: Arrow, what: str) -> bool:
    import pyarrow

    return bool(getattr(pyarrow.types, f"is_{what}")(kind))


def _lists(value: Arrow, shape: tuple[int, ...], arrow: Arrow) -> Arrow:
    for size in reversed(shape):
        value = arrow.list_(value, size)
    return value


def _value(name: str, arrow: Arrow) -> Arrow:
    """Return the type of single values of a dtype."""
    dtype = _dtype(name)
    if dtype.kind == "U":
        return arrow.large_string()
    if dtype.kind == "S":
        return arrow.large_binary()
    if dtype.kind in _TIMES:
        unit, step = np.datetime_data(dtype)
        if dtype.kind == "M" and (unit, step) == ("D", 1):
            return arrow.date32()
        if unit in ("s", "ms", "us", "ns") and step == 1:
            return getattr(arrow, _TIMES[dtype.kind])(unit)
        raise SchemaError(f"Arrow has no type for {name}: .astype(...) it to seconds ('[s]') or finer")
    if dtype.kind in "biuf":
        try:
            return arrow.from_numpy_dtype(dtype.newbyteorder("="))
        except arrow.ArrowNotImplementedError:  # such as of long doubles
            pass
    raise SchemaError(f"Arrow has no type for {name}: turn it into numbers that it has with map(...), or drop(...) it")


def _dtype(name: str) -> np.dtype[Any]:
    """Return the dtype that a layout names; of tensors, which are kept as NumPy arrays, too."""
    name = {"torch.bfloat16": "float32"}.get(name, name).removeprefix("torch.")
    try:
        return np.dtype(name)
    except TypeError:  # of structured ones, whose names say nothing to NumPy
        return np.dtype("V1")


def _columns(table: Table, start: int, stop: int, fields: Iterable[Arrow], arrow: Arrow) -> Iterator[Arrow]:
    for field in fields:
        with in_column(field.name):
            yield _array(table.columns[field.name], start, stop, field.type, arrow)


def _array(column: Mapped, start: int, stop: int, kind: Arrow, arrow: Arrow) -> Arrow:
    """Return rows as an Arrow array; views of the files where that is possible."""
    if isinstance(column, Table):
        arrays = list(_columns(column, start, stop, list(kind), arrow))
        return arrow.StructArray.from_arrays(arrays, fields=list(kind))
    if isinstance(column, Uneven):
        offsets = column.ragged.offsets[start : stop + 1]
        values = _even(column.ragged.values[offsets[0] : offsets[-1]], kind.value_type, arrow)
        return arrow.LargeListArray.from_arrays(arrow.array(offsets - offsets[0]), values)
    if isinstance(column, Text):
        each = math.prod(column.layout.shape)
        offsets = column.offsets[start * each : stop * each + 1]
        values = column.values[offsets[0] : offsets[-1]]
        return _shaped(_texts(values, offsets - offsets[0], kind, arrow), stop - start, kind, arrow)
    assert isinstance(column, Dense | Tensors)
    array = column.array[start:stop]
    return _even(widened(array) if isinstance(column, Tensors) and column.bits else array, kind, arrow)


def widened(bits: NDArray[Any]) -> NDArray[np.float32]:
    """Return bfloat16, of which the bits are given, as float32.

    >>> widened(np.array([0x3FC0], np.uint16))
    array([1.5], dtype=float32)
    """
    return (bits.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def _texts(values: NDArray[np.uint8], offsets: NDArray[np.int64], kind: Arrow, arrow: Arrow) -> Arrow:
    buffers = [None, arrow.py_buffer(np.ascontiguousarray(offsets)), arrow.py_buffer(np.ascontiguousarray(values))]
    made = arrow.Array.from_buffers(_single(kind), len(offsets) - 1, buffers)
    try:
        made.validate(full=True)
    except arrow.ArrowInvalid as error:  # surrogates, which UTF-8 has not
        raise SchemaError(f"a string is no Unicode text ({error}): mend it with map(...)") from error
    return made


def _even(array: NDArray[Any], kind: Arrow, arrow: Arrow) -> Arrow:
    return _shaped(_flat(array.reshape(-1), _single(kind), arrow), len(array), kind, arrow)


def _single(kind: Arrow) -> Arrow:
    """Return the type of single values in rows of a type."""
    kind = getattr(kind, "storage_type", kind)
    while _is(kind, "fixed_size_list"):
        kind = kind.value_type
    return kind


def _flat(array: NDArray[Any], kind: Arrow, arrow: Arrow) -> Arrow:
    if array.dtype.kind in "US":
        return arrow.array(array.tolist(), kind)
    if array.dtype == "datetime64[D]":
        days = array.astype(np.int64)[~np.isnat(array)]
        if len(days) and (days.min() < -(1 << 31) or days.max() >= 1 << 31):  # they would be cut, silently
            raise SchemaError("Arrow's days have 32 bits, and there are later ones: .astype('datetime64[s]') them")
    return arrow.array(array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("=")), kind)


def _shaped(flat: Arrow, length: int, kind: Arrow, arrow: Arrow) -> Arrow:
    """Return single values as rows."""
    storage = getattr(kind, "storage_type", kind)
    made = _nested(flat, length, storage, arrow)
    return made if storage is kind else arrow.ExtensionArray.from_storage(kind, made)


def _nested(flat: Arrow, length: int, kind: Arrow, arrow: Arrow) -> Arrow:
    if not _is(kind, "fixed_size_list"):
        return flat
    inner = _nested(flat, length * kind.list_size, kind.value_type, arrow)
    return arrow.Array.from_buffers(kind, length, [None], children=[inner])
