"""Some columns of each record, under the same or other names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.errors import ColumnError, SchemaError
from headrace.core.records import Columns, Records, Rows, structure_of
from headrace.core.schema import Schema, Structure
from headrace.nodes.node import Context, Over


@dataclass(frozen=True, eq=False)
class Picked(Over):
    """A choice of columns.

    Args:
        input: The node below.
        kind: ``select`` (these, in this order), ``drop`` (all but these), ``rename`` (all, some under new names) or
            ``select_tuple`` (these, as a tuple).
        pairs: Old and new name of each column that is named.
    """

    kind: str
    pairs: tuple[tuple[str, str], ...]

    def chosen(self, names: tuple[str, ...], below: Structure) -> list[tuple[str, str]]:
        """Return old and new name of each column of the result, in order, for records with these names.

        Raises:
            ColumnError: There is no such column.
            SchemaError: The columns have no names to change, or two would have the same.
        """
        self._refuse(below)
        for old, _ in self.pairs:
            if old not in names:
                raise ColumnError.missing(old, names)
        pairs = list(self.pairs)
        if self.kind == "drop":
            gone = {old for old, _ in self.pairs}
            pairs = [(name, name) for name in names if name not in gone]
        if self.kind == "rename":
            new = dict(self.pairs)
            pairs = [(name, new.get(name, name)) for name in names]
            result = [name for _, name in pairs]
            twice = next((name for name in result if result.count(name) > 1), None)
            if twice is not None:
                raise SchemaError(f"rename would make two columns {twice!r}")
        if self.structure(below) == "tuple":
            pairs = [(old, str(place)) for place, (old, _) in enumerate(pairs)]
        return pairs

    def _refuse(self, below: Structure) -> None:
        if below == "tuple" and self.kind == "rename":
            raise SchemaError(f"{self.words()}: the fields of tuples have numbers and no names; map() makes mappings")
        if below == "value" and self.kind in ("rename", "drop"):
            raise SchemaError(f"{self.words()} needs records with named columns, and these are single values")

    def structure(self, below: Structure) -> Structure:
        return "tuple" if self.kind == "select_tuple" else below

    def read(self, at: At, context: Context) -> Records:
        return self.pick(self.input.read(at, context))

    def pick(self, records: Records) -> Records:
        """Return the choice of records that were read below; columns are shared."""
        if isinstance(records, Columns):
            batch = records.batch
            pairs = self.chosen(tuple(batch.keys()), records.structure)
            columns = {new: batch[old] for old, new in pairs}
            return Columns(Batch._of(columns, len(batch)), self.structure(records.structure))
        return Rows([self._row(row) for row in records.rows()])

    def _row(self, row: Any) -> Any:
        below: Structure = "mapping" if isinstance(row, Batch) else structure_of(row)
        if below == "mapping":
            fields = dict(row.items())
        else:
            fields = {"value": row} if below == "value" else {str(place): field for place, field in enumerate(row)}
        pairs = self.chosen(tuple(fields), below)
        if self.structure(below) == "tuple":
            return tuple(fields[old] for old, _ in pairs)
        if below == "value":
            return row
        result = {new: fields[old] for old, new in pairs}
        return Batch._of(result, len(row)) if isinstance(row, Batch) else result

    def schema(self) -> Schema | None:
        below = self.input.schema()
        if below is None:
            return None
        pairs = self.chosen(tuple(below.fields), below.structure)
        return Schema(self.structure(below.structure), {new: below.fields[old] for old, new in pairs})

    def words(self) -> str:
        if self.kind == "rename":
            return f"rename({', '.join(f'{old}={new}' for old, new in self.pairs)})"
        return f"{self.kind}({', '.join(old for old, _ in self.pairs)})"
