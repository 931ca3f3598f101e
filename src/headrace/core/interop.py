"""Batches to and from pandas, Arrow and torch, each imported when it is asked for.

These methods belong to every Batch. They stand here, so that what stays the same on such a trip, what changes and what
is refused can be read in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from headrace.core import arrow, frames, tensors
from headrace.core.adopting import as_nested
from headrace.core.errors import MissingExtraError, SchemaError
from headrace.core.kinds import Nested
from headrace.core.naming import in_column
from headrace.core.ragged import Ragged

if TYPE_CHECKING:
    import pandas as pd


class Interop(Nested):
    """What a Batch can be made into, and what it can be made of."""

    __slots__ = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame, its rows numbered from 0.

        Single numbers and dates are views where pandas allows. Text and other objects become object columns; rows
        that are arrays, dense or ragged, object columns of arrays (views); the columns of a nested batch ``a`` stand
        beside the others as ``a.b``. Dates by the day become dates by the second, as pandas has none.

        >>> from headrace.core.batch import Batch
        >>> Batch({"x": [1, 2], "box": {"left": [3, 4]}}).to_pandas().columns.tolist()
        ['x', 'box.left']

        Raises:
            MissingExtraError: pandas is not installed.
            SchemaError: Two columns would have the same name, or pandas has no type for one.
        """
        return frames.to_frame(self, _pandas("Batch.to_pandas"))  # type: ignore[no-any-return]

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame) -> Self:
        """Return the columns of a DataFrame; its index is left out (``frame.reset_index()`` makes it a column).

        Numbers and dates are views where pandas allows, and those cannot be written to. Text becomes an object column
        with None for what is missing, categories their values, dates with a time zone those of UTC. An object column
        of arrays or lists becomes a dense or ragged one. Missing numbers are NaN in float columns; in others they are
        refused, since filling them is a choice.

        Raises:
            MissingExtraError: pandas is not installed.
            KindError: A column's name is no text.
            SchemaError: Two columns have one name, or whole numbers or booleans are missing.
        """
        return frames.from_frame(frame, cls._of, _pandas("Batch.from_pandas"))  # type: ignore[no-any-return]

    def to_arrow(self) -> Any:
        """Return a ``pyarrow.Table``; ``from_arrow`` gives an equal Batch back.

        Numbers and dates are shared without a copy where they lie in one piece (booleans are packed into bits: a
        copy). Rows of a shape become lists of a fixed size, one in another for each axis; ragged rows large lists, a
        nested batch a struct, text and other objects what Arrow finds in them. NaN stays NaN. These come back as
        something else: ``<U5`` text and ``S5`` bytes as objects, tensors as arrays, the other byte order as the
        machine's own, objects that Arrow has a type for (numbers, lists of numbers) as columns of that type.

        Raises:
            MissingExtraError: pyarrow is not installed.
            SchemaError: Arrow has no type for a column (complex numbers, objects of mixed kinds); it is named.
        """
        return arrow.to_table(self, _pyarrow("Batch.to_arrow"))

    @classmethod
    def from_arrow(cls, table: Any) -> Self:
        """Return the columns of a ``pyarrow.Table`` or RecordBatch, or of what Arrow can read, such as a polars frame.

        Numbers are views where a column lies in one piece, and those cannot be written to; a chunked column is joined
        first: a copy. Lists of numbers become ragged, lists of a fixed size dense, structs nested, text, bytes and all
        else objects, categories their values, dates with a time zone those of UTC. Missing values are NaN among
        floats, NaT among dates and None among objects; among whole numbers, booleans, lists and structs they are
        refused, since filling them is a choice.

        Raises:
            MissingExtraError: pyarrow is not installed.
            SchemaError: Values are missing where there is no sign for it, or two columns have one name.
            KindError: It is no table.
        """
        return arrow.from_table(table, cls._of, _pyarrow("Batch.from_arrow"))  # type: ignore[no-any-return]

    def to_torch(self, device: Any = None) -> Self:
        """Return a Batch whose number columns are torch tensors; text and other objects stay as they are.

        Args:
            device: Where the tensors shall lie, such as ``"cuda"``; None for main memory.

        In main memory the tensors share the arrays' memory, but for arrays that cannot be written to, run backwards or
        have the other byte order: those are copied.

        Raises:
            MissingExtraError: torch is not installed.
            SchemaError: torch has no dtype for a column, or it is ragged; it is named.
        """
        _torch("Batch.to_torch")
        made: Self = _to_torch(self, device)
        return made

    @classmethod
    def from_torch(cls, columns: Mapping[str, Any] | Nested) -> Self:
        """Return a Batch of arrays for a mapping of names to tensors, or for a Batch that has tensors.

        Tensors in main memory are shared, those on a device copied; columns that are no tensors stay as they are.

        Raises:
            SchemaError: NumPy has no dtype for a tensor (bfloat16); it is named.
        """
        made: Self = _from_torch(columns if isinstance(columns, Nested) else as_nested(columns, cls._of))
        return made


def _pandas(purpose: str) -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError.of("pandas", "pandas", purpose) from error
    return pandas


def _pyarrow(purpose: str) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError.of("pyarrow", "arrow", purpose) from error
    return pyarrow


def _torch(purpose: str) -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError.of("torch", "torch", purpose) from error
    return torch


def _to_torch(column: Any, device: Any) -> Any:
    if isinstance(column, Nested):
        return _each(column, lambda one: _to_torch(one, device))
    if isinstance(column, Ragged):
        raise SchemaError("torch has no ragged rows; pad them first: batch.with_columns(...) with column.pad(0)")
    if tensors.is_tensor(column):
        return column if device is None else column.to(device)
    return column if column.dtype.kind in "OUST" else tensors.from_array(column, device)


def _from_torch(column: Any) -> Any:
    if isinstance(column, Nested):
        return _each(column, _from_torch)
    return tensors.to_numpy(column) if tensors.is_tensor(column) else column


def _each(batch: Nested, function: Callable[[Any], Any]) -> Nested:
    columns = {}
    for name, column in batch._columns.items():
        with in_column(name):
            columns[name] = function(column)
    return batch._of(columns, len(batch))
