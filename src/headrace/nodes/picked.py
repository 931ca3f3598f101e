"""Some columns of each record, under the same or other names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.errors import ColumnError, SchemaError
from headrace.core.records import Columns, Records, Rows
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

    def chosen(self, names: tuple[str, ...]) -> dict[str, str]:
        """Return old name to new name, in the order of the result, for a record with these names."""
        for old, _ in self.pairs:
            if old not in names:
                raise ColumnError.missing(old, names)
        if self.kind == "drop":
            gone = {old for old, _ in self.pairs}
            return {name: name for name in names if name not in gone}
        if self.kind == "rename":
            new = dict(self.pairs)
            result = {name: new.get(name, name) for name in names}
            twice = [name for name in result.values() if list(result.values()).count(name) > 1]
            if twice:
                raise SchemaError(f"rename would make two columns {twice[0]!r}")
            return result
        return dict(self.pairs)

    def structure(self, below: Structure) -> Structure:
        return "tuple" if self.kind == "select_tuple" else below

    def read(self, at: At, context: Context) -> Records:
        records = self.input.read(at, context)
        if isinstance(records, Columns):
            batch = records.batch
            chosen = self.chosen(tuple(batch.keys()))
            columns = {new: batch[old] for old, new in chosen.items()}
            return Columns(Batch._of(columns, len(batch)), self.structure(records.structure))
        return Rows([self._row(row) for row in records.rows()])

    def _row(self, row: Any) -> Any:
        fields = dict(row) if isinstance(row, Mapping | Batch) else None
        if fields is None and isinstance(row, tuple):
            fields = {str(place): value for place, value in enumerate(row)}
        if fields is None:
            raise SchemaError(f"{self.words()} needs records with named columns, got {type(row).__name__}")
        result = {new: fields[old] for old, new in self.chosen(tuple(fields)).items()}
        if self.kind == "select_tuple" or isinstance(row, tuple):
            return tuple(result.values())
        return Batch(result) if isinstance(row, Batch) else result

    def schema(self) -> Schema | None:
        below = self.input.schema()
        if below is None:
            return None
        chosen = self.chosen(tuple(below.fields))
        fields = {new: below.fields[old] for old, new in chosen.items()}
        return Schema(self.structure(below.structure), fields)

    def words(self) -> str:
        if self.kind == "rename":
            return f"rename({', '.join(f'{old}={new}' for old, new in self.pairs)})"
        return f"{self.kind}({', '.join(old for old, _ in self.pairs)})"
