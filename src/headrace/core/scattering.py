"""Columns that were read apart, put together in the order asked for: each row goes straight to its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from headrace.core.errors import SchemaError
from headrace.core.joining import concat
from headrace.core.kinds import Column, Nested, take
from headrace.core.naming import in_column, listed
from headrace.core.ragged import Ragged
from headrace.core.source import Indices

N = TypeVar("N", bound=Nested)


def scattered(parts: Sequence[N], places: Sequence[Indices]) -> N:
    """Return the rows of several nested columns as one; a copy.

    Args:
        parts: Columns of the same names, one part or more.
        places: Of each part, which rows of the result it fills; all together, every row once.

    >>> from headrace.core.batch import Batch
    >>> parts = [Batch({"x": [1, 2]}), Batch({"x": [3]})]
    >>> scattered(parts, [np.array([2, 0]), np.array([1])])["x"].tolist()
    [2, 3, 1]

    Raises:
        SchemaError: The parts differ in their names, or columns have nothing in common.
    """
    first = parts[0]._columns
    for number, part in enumerate(parts):
        if part._columns.keys() != first.keys():
            raise SchemaError(f"part {number} has {listed(part._columns)}; part 0 has {listed(first)}")
    made: dict[str, Any] = {}
    for name in first:
        with in_column(name):
            made[name] = _column([part._columns[name] for part in parts], places)
    return parts[0]._of(made, sum(map(len, places)))


def _column(pieces: Sequence[Column], places: Sequence[Indices]) -> Column:
    first = pieces[0]
    if all(isinstance(piece, Nested) and piece._tuples == first._tuples for piece in pieces):
        return scattered(pieces, places)
    if all(type(piece) is np.ndarray for piece in pieces) and len({(p.dtype, p.shape[1:]) for p in pieces}) == 1:
        out = np.empty((sum(map(len, places)), *first.shape[1:]), first.dtype)
        for piece, place in zip(pieces, places, strict=True):
            out[place] = piece
        return out
    filled = np.concatenate(places)
    back = np.empty_like(filled)
    back[filled] = np.arange(len(filled))
    joined = take(concat(pieces), back)
    if isinstance(joined, Ragged) and isinstance(first, Ragged) and joined.dtype == first.dtype.newbyteorder("="):
        return Ragged._of(joined.values.astype(first.dtype, copy=False), joined.offsets)  # joining loses byte order
    return joined
