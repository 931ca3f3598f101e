"""Columns of Arrow as Hugging Face lays them out, by what its features say of them."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.columns import Column, objects, stack
from headrace.core.errors import KindError
from headrace.core.naming import in_column


def column_of(chunks: Any, feature: Any, nullable: bool = False) -> Column:
    """Return a column; where values are missing that have no sign for it, the values as objects, with None.

    Args:
        chunks: A chunked array of Arrow.
        feature: What Hugging Face says of it: a feature, a mapping of them, or None.
        nullable: Whether something is missing in another part of the column.
    """
    arrow = sys.modules["pyarrow"]
    array = chunks.combine_chunks() if isinstance(chunks, arrow.ChunkedArray) else chunks
    return _column(array.chunk(0) if isinstance(array, arrow.ChunkedArray) else array, feature, nullable)


def _column(array: Any, feature: Any, nullable: bool) -> Column:
    kind = type(feature).__name__
    if kind in ("Image", "Audio", "Video", "Pdf", "Nifti") and _is_struct(array):
        return _images(array) if kind == "Image" and feature.decode and _can_decode() else _files(array)
    if kind in ("Array2D", "Array3D", "Array4D", "Array5D"):
        return _arrays(array.storage if hasattr(array, "storage") else array, feature.shape)
    if (nullable or array.null_count) and not _has_sign(array.type):
        return objects(array.to_pylist())
    if _is_struct(array):
        return _struct(array, feature)
    if _is_list(array.type) and _is_uneven(array.type.value_type):
        return _lists(array)
    return Batch.from_arrow(sys.modules["pyarrow"].table({"value": array}))._columns["value"]


def _struct(array: Any, feature: Any) -> Batch:
    inner = feature if isinstance(feature, Mapping) else {}
    columns = {}
    for field, values in zip(array.type, array.flatten(), strict=True):
        with in_column(field.name):
            columns[field.name] = _column(values, inner.get(field.name), False)
    return Batch(columns, len(array))


def _is_struct(array: Any) -> bool:
    return bool(sys.modules["pyarrow"].types.is_struct(array.type))


def _is_list(kind: Any) -> bool:
    return _is_uneven(kind) or bool(sys.modules["pyarrow"].types.is_fixed_size_list(kind))


def _is_uneven(kind: Any) -> bool:
    is_ = sys.modules["pyarrow"].types
    return bool(is_.is_list(kind) or is_.is_large_list(kind))


def _has_sign(kind: Any) -> bool:
    """Say whether a column of a type has a sign of its own for what is missing: NaN, NaT, or None among objects."""
    is_ = sys.modules["pyarrow"].types
    return bool(is_.is_floating(kind) or is_.is_temporal(kind))


def _lists(array: Any) -> Column:
    """Return lists of lists: arrays, where those of each record are of one length."""
    leaf = array.type
    while _is_list(leaf):
        leaf = leaf.value_type
    if not sys.modules["pyarrow"].types.is_primitive(leaf) or array.null_count:
        return objects(array.to_pylist())
    dtype = np.dtype(leaf.to_pandas_dtype())
    try:
        rows = [np.array(row, dtype) for row in array.to_pylist()]
        first = next((row for row in rows if row.size), None)  # an empty list says nothing of what could be in it
        return stack(rows if first is None else [row if row.size else first[:0] for row in rows])
    except (ValueError, TypeError):  # lists that differ in length, or something is missing
        return objects(array.to_pylist())


def _arrays(array: Any, shape: tuple[int | None, ...]) -> Column:
    """Return arrays of a shape, whose first axis may differ from record to record."""
    if array.null_count:
        return objects(array.to_pylist())
    lengths = np.diff(array.offsets.to_numpy()) if shape[0] is None else None
    for _ in shape:
        array = array.flatten()
    flat = array.to_numpy(zero_copy_only=False)
    if lengths is None:
        return flat.reshape(-1, *shape)
    rows = flat.reshape(-1, *shape[1:])
    return stack(np.split(rows, np.cumsum(lengths)[:-1])) if len(lengths) else rows[:0]


def _images(array: Any) -> Column:
    """Return pictures as arrays of shape (height, width) or (height, width, channels)."""
    from PIL import Image  # Hugging Face decodes with it, too

    pictures: list[NDArray[Any] | None] = []
    for value in array.to_pylist():
        if value is None:
            pictures.append(None)
            continue
        with Image.open(io.BytesIO(_content(value))) as picture:
            pictures.append(np.asarray(picture))
    return stack(pictures)


def _can_decode() -> bool:
    try:
        import PIL  # noqa: F401
    except ImportError:
        return False
    return True


def _files(array: Any) -> Column:
    """Return files as they are: their bytes, and the path that they came from, ``""`` where there is none."""
    if array.null_count:
        return objects(array.to_pylist())
    values = array.to_pylist()
    paths: NDArray[Any] = objects([value.get("path") or "" for value in values])
    return Batch({"bytes": objects(list(map(_content, values))), "path": paths}, len(values))


def _content(value: Mapping[str, Any]) -> bytes:
    content = value.get("bytes")
    if content is not None:
        return bytes(content)
    path = value.get("path")
    if not path or "://" in path:
        raise KindError(f"a file has neither bytes nor a path on this machine, but {path!r}")
    return Path(path).read_bytes()
