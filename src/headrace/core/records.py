"""Records on their way: as columns, or still as the Python objects that a source or a map gave.

A record is a mapping, a tuple or a single value. As columns they always are a Batch: the fields of tuples are the
columns "0", "1", ...; a value is the column "value".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from headrace.core import columns
from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, KindError, SchemaError
from headrace.core.fields import packed, unpacked
from headrace.core.kinds import Column
from headrace.core.owning import all_owned, holds_objects
from headrace.core.schema import Schema, Structure
from headrace.core.stacking import New, stack_mappings


class Columns:
    """Records as columns.

    Args:
        batch: The columns, by name.
        structure: What a record is: ``"mapping"``, ``"tuple"`` or ``"value"``.
    """

    __slots__ = ("batch", "structure")

    def __init__(self, batch: Batch, structure: Structure = "mapping") -> None:
        self.batch = batch
        self.structure = structure

    def __len__(self) -> int:
        return self.batch._length

    def rows(self) -> list[Any]:
        """Return the records: dicts, tuples or values; arrays in them are views.

        >>> Columns(Batch({"0": [1, 2], "1": ["a", "b"]}), "tuple").rows()
        [(1, 'a'), (2, 'b')]
        """
        if self.structure == "mapping":
            return self.batch.rows()
        if self.structure == "value":
            return columns.rows(self.batch._columns["value"])
        fields = list(map(columns.rows, self.batch._columns.values()))
        return list(zip(*fields, strict=True)) if fields else [()] * len(self)

    def unwrap(self) -> Any:
        """Return what a user sees: a Batch, a tuple of columns, or one column; shared.

        >>> Columns(Batch({"value": [1, 2]}), "value").unwrap()
        array([1, 2])
        """
        if self.structure == "mapping":
            return self.batch
        if self.structure == "value":
            return unpacked(self.batch._columns["value"])
        return tuple(map(unpacked, self.batch._columns.values()))

    def __repr__(self) -> str:
        return f"Columns({len(self)} rows of {Schema.of(self.batch, self.structure)})"


@dataclass(frozen=True, slots=True)
class Rows:
    """Records as Python objects, as a source or a map gave them.

    Args:
        records: The objects.
        shared: Whether their source holds on to them, so that ``rows`` gives copies.
    """

    records: list[Any]
    shared: bool = False

    def __len__(self) -> int:
        return len(self.records)

    def rows(self) -> list[Any]:
        """Return the records, the caller's own: arrays and containers may be written to (see ``owning.owned``)."""
        return all_owned(self.records) if self.shared else self.records


Records: TypeAlias = Columns | Rows


def to_columns(records: Records, new: New = np.empty) -> Columns:
    """Return records as columns; stacked, if they are still objects (the rule is that of ``columns.stack``).

    >>> to_columns(Rows([(1, 2.0), (3, 4.0)])).unwrap()
    (array([1, 3]), array([2., 4.]))

    Raises:
        SchemaError: The records are of different kinds, or differ in their names; the first that does is named.
    """
    if isinstance(records, Columns):
        return records
    columns = stacked(records.records, new)  # a copy, except of what became a column of objects
    if records.shared and any(map(holds_objects, columns.batch.values())):
        return stacked(records.rows(), new)
    return columns


def stacked(rows: Sequence[Any], new: New = np.empty) -> Columns:
    """Return records given as objects as columns; a copy. No records at all give no columns.

    >>> stacked([1, 2]).batch["value"], stacked([{"x": 1}]).structure
    (array([1, 2]), 'mapping')

    Raises:
        SchemaError: The records are of different kinds, or differ in their names; the first that does is named.
    """
    if not rows:
        return Columns(Batch._of({}, 0), "mapping")
    structure = structure_of(rows[0])
    if len(set(map(_structure_of_type, set(map(type, rows))))) > 1:
        number, other = next((at, row) for at, row in enumerate(rows) if structure_of(row) != structure)
        raise SchemaError(f"row {number} is a {structure_of(other)}; row 0 is a {structure}")
    if structure == "mapping":
        return Columns(stack_mappings(rows, Batch._of, new), structure)
    if structure == "value":
        return Columns(Batch._of({"value": columns.stack(rows, new)}, len(rows)), structure)
    width = len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != width:
            raise SchemaError(f"row {number} is a tuple of {len(row)}; row 0 is one of {width}")
    return Columns(Batch._of({str(at): _field(rows, at, new) for at in range(width)}, len(rows)), structure)


def _field(rows: Sequence[Any], at: int, new: New) -> Column:
    try:
        return columns.stack([row[at] for row in rows], new)
    except SchemaError as error:
        raise SchemaError(f"field {at} of the tuples: {error}") from None


def structure_of(record: Any) -> Structure:
    """Say what a record is: a mapping, a tuple or a value (a list is a value: a vector)."""
    return _structure_of_type(type(record))


def _structure_of_type(kind: type) -> Structure:
    if issubclass(kind, Mapping):
        return "mapping"
    return "tuple" if issubclass(kind, tuple) else "value"


def wrap(value: Any, length: int | None = None) -> Columns:
    """Return what a user gave as columns: the inverse of ``Columns.unwrap``.

    Args:
        value: A Batch or a mapping of columns (or what becomes a Batch as a column: a DataFrame, an Arrow table, a
            list of mappings), a tuple of columns, or one column.
        length: The number of rows there must be, if it is known.

    >>> wrap(([1, 2], [3, 4])).structure, wrap({"x": [1, 2]}).batch["x"]
    ('tuple', array([1, 2]))

    Raises:
        SchemaError: The columns differ in length, or from ``length``.
        KindError: It is none of these.
    """
    if isinstance(value, Batch):
        wrapped = Columns(value, "mapping")
    elif isinstance(value, Mapping):
        wrapped = Columns(Batch(value, length), "mapping")
    elif isinstance(value, tuple):
        wrapped = Columns(Batch({str(at): packed(column) for at, column in enumerate(value)}, length), "tuple")
    elif value is None:
        raise KindError("columns are needed here, got None; was a return forgotten?")
    else:
        column = columns.as_column(value)  # of a DataFrame, an Arrow table, a list of mappings: a Batch
        wrapped = Columns(column) if isinstance(column, Batch) else Columns(Batch({"value": column}, length), "value")
    if length is not None and len(wrapped) != length:
        raise SchemaError(f"{length} rows are needed, got {len(wrapped)}")
    return wrapped


def concat(parts: Sequence[Records]) -> Records:
    """Return records one after the other; a copy. Where some are objects and some columns, all become columns.

    Raises:
        ArgumentError: There is nothing to join.
        SchemaError: The records do not fit together.
    """
    if not parts:
        raise ArgumentError("nothing to concatenate")
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(one, Rows) for one in parts):
        return Rows([record for one in parts for record in one.rows()])
    made = [to_columns(one) for one in parts]
    made = [one for one in made if len(one) or one.batch._columns] or made[:1]
    structures = {one.structure for one in made}
    if len(structures) > 1:
        raise SchemaError(f"records of kinds {', '.join(sorted(structures))} cannot be joined")
    return Columns(Batch.concat([one.batch for one in made]), made[0].structure)


__all__ = [
    "Column",
    "Columns",
    "Records",
    "Rows",
    "Structure",
    "concat",
    "stacked",
    "structure_of",
    "to_columns",
    "wrap",
]
