"""Columns one after the other, whatever their kinds: what they have in common decides what they make together.

The rule is that of stacking: joining the columns gives what stacking all their rows would, except that columns which
have nothing in common are refused here, where stacking would make objects of their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core import tensors
from headrace.core.errors import ArgumentError, SchemaError
from headrace.core.gathering import promoted
from headrace.core.kinds import Column, Nested, as_ragged, kind, objects, rows
from headrace.core.naming import in_column, listed
from headrace.core.ragged import Ragged


def concat(columns: Sequence[Column]) -> Column:
    """Return the rows of several columns, one column after the other; a copy.

    Number types are promoted as by ``np.result_type``. Dense columns whose rows differ in their first axis give a
    Ragged, as do dense and ragged ones together; objects beside single values give an object column.

    >>> concat([np.zeros((1, 2), np.int32), Ragged.from_rows([[1, 2, 3]])]).lengths.tolist()
    [2, 3]

    Raises:
        ArgumentError: There is nothing to join.
        SchemaError: The columns cannot be joined.
    """
    if not columns:
        raise ArgumentError("nothing to concatenate")
    if all(isinstance(column, np.ndarray) for column in columns):
        return _concat_arrays(columns)
    if all(isinstance(column, (np.ndarray, Ragged)) for column in columns):
        return _concat_ragged(columns)
    if all(map(tensors.is_tensor, columns)):
        return _concat_tensors(columns)
    if all(isinstance(column, Nested) for column in columns):
        return _concat_nested(columns)
    found = " and ".join(sorted({kind(column) for column in columns}))
    raise SchemaError(f"{found} columns cannot be joined")


def _concat_arrays(columns: Sequence[NDArray[Any]]) -> Column:
    if len({column.shape[1:] for column in columns}) > 1:
        return _concat_ragged(columns)
    if len({column.dtype.kind == "O" for column in columns}) > 1 and columns[0].ndim == 1:
        return objects([row for column in columns for row in rows(column)])  # as Python's own where they hold the same
    return np.concatenate(columns, dtype=promoted(column.dtype for column in columns))


def _concat_ragged(columns: Sequence[Any]) -> Ragged:
    return Ragged.concat([as_ragged(column) for column in columns])


def _concat_tensors(columns: Sequence[Any]) -> Any:
    if len({(column.shape[1:], column.device) for column in columns}) > 1:
        raise SchemaError("tensors whose rows differ in shape or device cannot be joined")
    return tensors.torch().cat(list(columns))


def _concat_nested(batches: Sequence[Nested]) -> Nested:
    # One without columns and rows says nothing: it is what stacking no rows gives.
    filled = [batch for batch in batches if batch._columns or batch._length] or [batches[0]]
    first = filled[0]
    for number, batch in enumerate(filled):
        if batch._columns.keys() != first._columns.keys():
            raise SchemaError(f"part {number} has {listed(batch._columns)}; part 0 has {listed(first._columns)}")
    columns = {}
    for name in first._columns:
        with in_column(name):
            columns[name] = concat([batch._columns[name] for batch in filled])
    return first._of(columns, sum(map(len, filled)))
