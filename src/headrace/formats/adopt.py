"""What a user hands over, as a source: arrays, lists, mappings, frames, anything with a length and an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, KindError
from headrace.core.ragged import Ragged
from headrace.core.source import Source
from headrace.core.tensors import is_iterable_dataset, is_tensor
from headrace.formats.arrays import Arrays
from headrace.formats.rows import Counting, Sequence


def adopt(data: tuple[Any, ...], columns: Mapping[str, Any]) -> Source:
    """Return a source of what ``Dataset(...)`` was called with.

    Args:
        data: The positional arguments: one thing of any kind, or several columns.
        columns: The keyword arguments: named columns.

    Raises:
        ArgumentError: There is nothing, or both kinds at once.
        KindError: It is of a kind that cannot be read in any order.
        SchemaError: Columns differ in length.
    """
    if data and columns:
        raise ArgumentError(
            f"give columns by name or by position, not both: got {len(data)} by position and {', '.join(columns)} by "
            "name"
        )
    if columns:
        return Arrays.of(columns)
    if not data:
        raise ArgumentError(
            "no data: Dataset() needs columns, such as Dataset(image=images, label=labels), or a sequence"
        )
    if len(data) > 1:
        return Arrays.of({str(place): _column(column, place) for place, column in enumerate(data)}, "tuple")
    return _adopt_one(data[0])


def _column(column: Any, place: int) -> Any:
    if isinstance(column, str | bytes | set | frozenset | Iterator) or not hasattr(column, "__len__"):
        raise KindError(f"argument {place} cannot be a column of a tuple: {_kind(column)}; {_mend(column)}")
    return column


def _adopt_one(data: Any) -> Source:
    if isinstance(data, Batch):
        return Arrays(data)
    if _is_a(data, "pandas", "DataFrame"):
        return Arrays(Batch.from_pandas(data))
    if _is_a(data, "pyarrow", "Table") or _is_a(data, "pyarrow", "RecordBatch"):
        return Arrays(Batch.from_arrow(data))
    if _is_a(data, "pandas", "Series"):
        return Arrays.of({"value": data.to_numpy()}, "value")
    if isinstance(data, Mapping):
        if not data:
            raise ArgumentError("no data: the mapping has no columns")
        return Arrays.of(data)
    if isinstance(data, np.ndarray) and data.dtype.names:
        return Arrays.of({name: data[name] for name in data.dtype.names})
    if isinstance(data, np.ndarray | Ragged) or is_tensor(data):
        if getattr(data, "ndim", 1) == 0:
            raise KindError("an array of no dimensions has no records; give one with a first axis")
        return Arrays.of({"value": data}, "value")
    if isinstance(data, range):
        return Counting(data)
    if isinstance(data, str | bytes | bytearray | set | frozenset | type):
        raise KindError(f"{_kind(data)} cannot be read as records; {_mend(data)}")
    if isinstance(data, Source):
        return data
    if hasattr(data, "__len__") and hasattr(data, "__getitem__") and not is_iterable_dataset(data):
        return Sequence(data)
    raise KindError(f"{_kind(data)} cannot be read in any order; {_mend(data)}")


def _is_a(data: Any, package: str, name: str) -> bool:
    """Say whether it is of a class, or of one made from it, without importing the package."""
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(data).__mro__)


def _kind(data: Any) -> str:
    return f"a {type(data).__name__}" if not isinstance(data, type) else f"the class {data.__name__}"


def _mend(data: Any) -> str:
    if isinstance(data, str | bytes | bytearray):
        return "a list of one string is written [text]; to read files, load them first"
    if isinstance(data, set | frozenset):
        return "it has no order: give sorted(...) of it"
    if isinstance(data, type):
        return "give an object of it"
    if isinstance(data, Iterator) or hasattr(data, "__iter__"):
        return "it flows in one order: use Stream(...), or list(...) of it when it fits in memory"
    return "it needs __len__ and __getitem__ (read row by row), or __len__ and read(indices) (a Source)"
