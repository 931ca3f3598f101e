"""A column of any kind: dense, ragged, nested, object, or a torch tensor; and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headrace.core import adopting, stacking
from headrace.core.batch import Batch
from headrace.core.joining import concat
from headrace.core.kinds import Column, as_ragged, compact, kind, objects, part, row, rows, same, size_in_bytes, take
from headrace.core.stacking import New
from headrace.core.tensors import is_tensor

__all__ = [
    "Column",
    "as_column",
    "as_ragged",
    "compact",
    "concat",
    "is_tensor",
    "kind",
    "objects",
    "part",
    "row",
    "rows",
    "same",
    "size_in_bytes",
    "stack",
    "take",
]


def stack(values: Sequence[Any], new: New = np.empty) -> Column:
    """Return row values as one column; a copy.

    Args:
        values: One for each row.
        new: Gives the memory of columns of arrays.

    What the rows are decides what they make:

    * Python ints int64, floats float64, bools bool, complex complex128; NumPy scalars and arrays keep their dtype.
      Number types that differ are promoted as by ``np.result_type``, Python's own giving way to NumPy's.
    * str and bytes: an object column of them (a ``<U5`` would differ from batch to batch).
    * Arrays of one shape: a dense column; arrays that differ in their first axis only: a Ragged. Lists and tuples of
      numbers are taken for arrays.
    * Mappings of the same names: a nested Batch. torch tensors of one shape and dtype: a tensor.
    * Anything else, None and mixed kinds included: an object column. So are no rows at all, and ints beyond 64 bits.

    >>> stack([1, 2]).dtype, stack([[1, 2], [3]]), stack(["a", None]).dtype
    (dtype('int64'), Ragged(2 rows of int64[?], 3 values), dtype('O'))

    Raises:
        SchemaError: Mappings differ in their names; the first row that does is named.
    """
    return stacking.stack(values, Batch._of, new)


def as_column(value: Any) -> Column:
    """Return anything with one value per row as a column: a view where the memory allows, else a copy.

    Arrays (and what can become one), Raggeds, Batches and tensors stay what they are; a pandas Series or an Arrow array
    becomes what ``Batch.from_pandas`` or ``Batch.from_arrow`` makes of it; a mapping, a DataFrame or an Arrow table
    becomes a nested Batch; a list or another sequence is stacked by the rule of ``stack``.

    >>> as_column(range(3)), as_column(["a", "b"]).dtype
    (array([0, 1, 2]), dtype('O'))

    Raises:
        KindError: It is none of these: a single value, text, a set, a generator, a masked array.
        SchemaError: The columns of a mapping differ in length.
    """
    return adopting.as_column(value, Batch._of)
