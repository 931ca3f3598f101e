"""One reader's share: the node that elastic resumption deals out anew."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.errors import SchemaError
from headrace.core.records import Columns, Records, Rows
from headrace.core.schema import Field, Schema
from headrace.core.shard import Shard
from headrace.core.source import Indices
from headrace.nodes.node import Context, Over
from headrace.nodes.search import search

Remainder: TypeAlias = Literal["uneven", "drop", "pad"]

PADDED = "padded"
"""The column that marks what ``remainder="pad"`` repeats."""


@dataclass(frozen=True, eq=False)
class Sharded(Over):
    """Every ``count``-th record of the node below, as :class:`headrace.core.shard.Shard` deals them out.

    With ``remainder="pad"`` each record tells whether it is there to fill up: mappings by a column ``padded``, tuples
    by one more field at the end, and a value becomes the tuple (value, padded).
    """

    index: int
    count: int
    remainder: Remainder = "uneven"
    base: int = 0

    @cached_property
    def bound(self) -> Shard:
        """The order over the length that lies below."""
        return Shard(self.input.length, self.index, self.count, self.remainder, self.base)

    @property
    def length(self) -> int | None:
        return self.bound.length

    def read(self, at: At, context: Context) -> Records:
        records = self.input.read(self.bound(at), context)
        if self.remainder != "pad":
            return records
        marks = self.bound.padded(at)
        if isinstance(records, Columns):
            return self._mark(records, marks)
        return Rows([_mark_row(row, mark) for row, mark in zip(records.rows(), marks.tolist(), strict=True)])

    def _mark(self, records: Columns, marks: Any) -> Columns:
        columns = dict(records.batch.items())
        if records.structure == "mapping":
            if PADDED in columns:
                raise SchemaError(f"{self.words()} adds a column {PADDED!r}, but there is one: rename() it first")
            columns[PADDED] = marks
            return Columns(Batch._of(columns, len(records)), "mapping")
        if records.structure == "value":
            return Columns(Batch._of({"0": columns["value"], "1": marks}, len(records)), "tuple")
        columns[str(len(columns))] = marks
        return Columns(Batch._of(columns, len(records)), "tuple")

    def ids(self, at: At) -> Indices:
        return self.input.ids(self.bound(at))

    def find(self, record: int, epoch: int) -> int | None:
        if not self.input.once:
            return search(self, record, epoch)
        below = self.input.find(record, epoch)
        return None if below is None else self.bound.find(below, epoch, epoch)

    @property
    def once(self) -> bool:
        return self.input.once and (self.remainder != "pad" or self.base == 0)

    def schema(self) -> Schema | None:
        below = self.input.schema()
        if below is None or self.remainder != "pad":
            return below
        mark = Field("bool", (), "dense")
        if below.structure == "mapping":
            return Schema("mapping", {**below.fields, PADDED: mark})
        fields = {str(place): known for place, known in enumerate([*below.fields.values(), mark])}
        return Schema("tuple", fields)

    def order(self) -> tuple[str, ...]:
        return (*self.input.order(), self.bound.text())

    def varies(self) -> str | None:
        inner = self.input.varies()
        return self.words() if inner is None and self.input.moves() is not None else inner

    def words(self) -> str:
        rest = "" if self.remainder == "uneven" else f", remainder={self.remainder!r}"
        return f"shard({self.index}, {self.count}{rest})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "bound"}


def _mark_row(row: Any, mark: bool) -> Any:
    if isinstance(row, tuple):
        return (*row, mark)
    if hasattr(row, "keys"):
        if PADDED in row:
            raise SchemaError(f"remainder='pad' adds a column {PADDED!r}, but the record has one: rename() it first")
        return {**row, PADDED: mark}
    return (row, mark)
