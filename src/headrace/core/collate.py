"""Records into the batch that a user sees: columns stacked, ragged ones padded, or what the user's function makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from headrace.core import kinds, tensors
from headrace.core.batch import Batch
from headrace.core.callables import failure, name_of
from headrace.core.errors import ArgumentError, ColumnError, KindError, RecordError, SchemaError
from headrace.core.kinds import Column
from headrace.core.ragged import Ragged
from headrace.core.records import Columns, Records, Rows, to_columns
from headrace.core.schema import Structure
from headrace.core.stacking import New
from headrace.core.tensors import is_tensor

Pad: TypeAlias = bool | int | float | complex | np.generic | Mapping[str, Any] | None
"""What ragged columns are filled up with: a value for all, or a mapping from column to value; None for no padding."""


def check(pad: Pad, function: Callable[[list[Any]], Any] | None) -> None:
    """Refuse what cannot say how a batch is made.

    Raises:
        KindError: ``function`` is not callable, or ``pad`` is neither a number nor a mapping of names to numbers.
        ArgumentError: Both are given.
    """
    if function is not None and not callable(function):
        raise KindError(f"collate must be a function of a list of records, got {type(function).__name__}")
    if function is not None and pad is not None:
        raise ArgumentError("give collate or pad, not both: a collate function pads for itself")
    fillers = pad if isinstance(pad, Mapping) else {"": pad}
    for name, filler in fillers.items():
        if not isinstance(name, str):
            raise KindError(f"pad names columns by text ('0', '1', ... of tuples, 'value' of values), got {name!r}")
        if not isinstance(filler, bool | int | float | complex | np.generic) and not (filler is None and pad is None):
            what = f"pad[{name!r}]" if name else "pad"
            raise KindError(f"{what} must be a number, got {filler!r}; pad={{'text': 0}} names the column to pad")


def collate(
    records: Records,
    pad: Pad = None,
    function: Callable[[list[Any]], Any] | None = None,
    new: New = np.empty,
) -> Any:
    """Return records as one batch: a Batch of mappings, a tuple of columns of tuples, one column of values.

    Padding fills the rows of a column up to the longest of the batch and adds a column of their true lengths (int64):
    ``text_length`` for ``text``, after all other columns; to a tuple it adds fields at its end, and a value becomes
    ``(padded, lengths)``. Whether a column is padded must not hang on chance, so that all batches of a run look alike:
    a column that ``pad`` names always is; of those not named, ragged ones are, and vectors that were stacked here
    (in other batches they may differ in length). An array of two or more dimensions is stacked here as what it is
    while all of a batch agree, so name the column where these may differ.

    Args:
        records: One or more.
        pad: A value for every such column, or a mapping from column to value (``"0"``, ``"1"``, ... name the fields of
            tuples, ``"value"`` a value).
        function: Makes the batch of the list of records; None for what is described here.
        new: Gives the memory of columns that are stacked here.

    Returns:
        The batch; columns are shared where the records came as columns and nothing was padded.

    >>> collate(Rows([{"text": np.array([7, 8])}, {"text": np.array([9])}]), pad=0).to_dict()
    {'text': array([[7, 8], [9, 0]]), 'text_length': array([2, 1])}
    >>> collate(Rows([(1, [5]), (2, [6])]), pad={"1": 0})
    (array([1, 2]), array([[5], [6]]), array([1, 1]))

    Raises:
        RecordError: ``function`` failed; the original error is the cause.
        SchemaError: The records do not fit together, or a column to pad holds single values.
        ColumnError: ``pad`` names a column that is not there.
        ArgumentError: A column's dtype cannot hold the value.
    """
    if function is not None:
        try:
            return function(list(records.rows()))
        except Exception as error:
            step = f"collate={name_of(function)}"
            raise RecordError(failure(step, function, f"{len(records)} records", error)) from error
    columns = to_columns(records, new)
    return columns.unwrap() if pad is None else _padded(columns, pad, isinstance(records, Rows)).unwrap()


def _padded(columns: Columns, pad: Pad, stacked: bool) -> Columns:
    batch = columns.batch
    if isinstance(pad, Mapping):
        for name in pad:
            if name not in batch:
                raise ColumnError.missing(name, batch)
    filled: dict[str, Column] = {}
    lengths: dict[str, Column] = {}
    for name, column in batch.items():
        if isinstance(column, Batch) and not isinstance(pad, Mapping):
            filled[name] = _padded(Columns(column), pad, stacked).batch
        elif name in pad if isinstance(pad, Mapping) else _may_be_ragged(column, stacked):
            filler = pad[name] if isinstance(pad, Mapping) else pad
            if is_tensor(column) or tensors.are_uneven(column):
                filled[name], lengths[name] = tensors.pad(name, column, filler)
                continue
            rows = _ragged(name, column)
            filled[name] = rows.pad(filler)
            lengths[name] = rows.lengths
        else:
            filled[name] = column
    return with_lengths(filled, lengths, columns.structure, len(batch))


def with_lengths(filled: dict[str, Column], lengths: dict[str, Column], structure: Structure, rows: int) -> Columns:
    """Return columns with those of the true lengths after them: named after what was padded, or as further fields."""
    if structure == "mapping":
        lengths = {f"{name}_length": length for name, length in lengths.items()}
        for name in lengths:
            if name in filled:
                raise SchemaError(f"padding adds a column {name!r}, and there is one already: rename it")
        return Columns(Batch._of({**filled, **lengths}, rows))
    fields = [*filled.values(), *lengths.values()]
    structure = "tuple" if len(fields) > 1 else structure
    names = [str(place) for place in range(len(fields))] if structure == "tuple" else ["value"]
    return Columns(Batch._of(dict(zip(names, fields, strict=True)), rows), structure)


def _may_be_ragged(column: Column, stacked: bool) -> bool:
    if isinstance(column, Ragged) or tensors.are_uneven(column):
        return True
    if stacked and is_tensor(column) and column.ndim == 2:
        return True
    return stacked and isinstance(column, np.ndarray) and column.ndim == 2 and column.dtype.kind in "biufc"


def _ragged(name: str, column: Column) -> Ragged:
    """Return a column whose rows have a length as a Ragged."""
    if isinstance(column, Ragged) or (kinds.kind(column) == "dense" and column.ndim > 1):
        return kinds.as_ragged(column)
    what = f"{column.dtype}" if isinstance(column, np.ndarray) else f"a {kinds.kind(column)} column"
    raise SchemaError(f"cannot pad column {name!r}: its rows are no arrays of numbers, it holds {what}")
