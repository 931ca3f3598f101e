"""Records that were read apart, put together in the order asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headrace.core import columns as column_of
from headrace.core.batch import Batch
from headrace.core.records import Columns, Records, Rows, concat, to_columns
from headrace.core.source import Indices


def merged(parts: Sequence[Records], places: Sequence[Indices]) -> Records:
    """Return records of several reads as one; a copy.

    Args:
        parts: What was read, two parts or more.
        places: Of each part, which rows of the result it fills; all together, every row once.

    Raises:
        SchemaError: The records do not fit together.
    """
    length = sum(map(len, places))
    if any(isinstance(part, Rows) for part in parts):
        rows: list[Any] = [None] * length
        for part, where in zip(parts, places, strict=True):
            for place, row in zip(where.tolist(), part.rows(), strict=True):
                rows[place] = row
        return Rows(rows)
    sides = [part for part in parts if isinstance(part, Columns)]
    if _alike(sides):
        return _scattered(sides, places, length)
    filled = np.concatenate(places)
    back = np.empty_like(filled)
    back[filled] = np.arange(length)
    joined = to_columns(concat(parts))
    return Columns(Batch._of({n: column_of.take(c, back) for n, c in joined.batch.items()}, length), joined.structure)


def _alike(sides: Sequence[Columns]) -> bool:
    """Say whether all columns are dense and of the same dtypes and shapes, so that rows go straight to their places."""
    first = _shape(sides[0])
    return first is not None and all(_shape(side) == first for side in sides[1:])


def _shape(side: Columns) -> Any:
    columns = side.batch._columns
    if not all(type(column) is np.ndarray for column in columns.values()):
        return None
    return side.structure, [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]


def _scattered(sides: Sequence[Columns], places: Sequence[Indices], length: int) -> Columns:
    """One copy of each row, where joining and ordering would be two."""
    made: dict[str, Any] = {}
    for name, like in sides[0].batch._columns.items():
        out = np.empty((length, *like.shape[1:]), like.dtype)
        for side, where in zip(sides, places, strict=True):
            out[where] = side.batch._columns[name]
        made[name] = out
    return Columns(Batch._of(made, length), sides[0].structure)
