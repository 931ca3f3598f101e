"""Records that are whole batches of the node below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from headrace.core.address import At
from headrace.core.collate import Pad, collate
from headrace.core.errors import HeadraceError, RecordError
from headrace.core.records import Records, Rows
from headrace.core.schema import Field, Schema
from headrace.core.source import Indices
from headrace.nodes.forgive import read_kept
from headrace.nodes.fused import padded_read
from headrace.nodes.ground import down_orders
from headrace.nodes.node import Context, Node, Over


@dataclass(frozen=True, eq=False)
class Batched(Over):
    """Consecutive records of the node below as one record each; no batch spans two epochs.

    Args:
        input: The node below.
        size: Records in a batch, at least 1.
        drop_remainder: Whether a last batch of fewer records is left out.
        collate: The user's function from a list of records to a batch; None stacks columns.
        pad: What ragged columns are filled up with; None leaves them ragged.
    """

    size: int
    drop_remainder: bool = False
    collate: Callable[[list[Any]], Any] | None = None
    pad: Pad = None

    @property
    def batched(self) -> bool:
        return True

    @property
    def length(self) -> int | None:
        below = self.input.length
        if below is None:
            return None
        return below // self.size if self.drop_remainder else -(-below // self.size)

    def under(self, step: int, epoch: int) -> At:
        """Return the addresses below of one batch."""
        below = self.input.length
        start = step * self.size
        stop = start + self.size if below is None else min(start + self.size, below)
        return At(np.arange(start, stop, dtype=np.int64), epoch)

    def read(self, at: At, context: Context) -> Records:
        epochs = np.broadcast_to(np.asarray(at.epochs, np.int64), at.positions.shape).tolist()
        steps = at.positions.tolist()
        return Rows([self.batch(step, epoch, context) for step, epoch in zip(steps, epochs, strict=True)])

    def batch(self, step: int, epoch: int, context: Context) -> Any:
        """Return one batch, as its user sees it."""
        under = self.under(step, epoch)
        try:
            if self.pad is not None:
                columns = padded_read(self.input, under, self.pad, context)
                if columns is not None:
                    return columns.unwrap()
            at_once = self.collate is None and self.pad is None
            records = read_kept(self.input, under, context, _stacked_read if at_once else None)
            began = perf_counter()
            made = collate(records, self.pad, self.collate, context.buffers.new)
            context.lap(self, "batch", len(records), began)
            return made
        except HeadraceError as error:
            if not isinstance(error, RecordError):
                error.add_note(f"in batch {step} of epoch {epoch}")
            raise

    def ids(self, at: At) -> Indices:
        """Return the source records of the batches, one batch after the other."""
        epochs = np.broadcast_to(np.asarray(at.epochs, np.int64), at.positions.shape).tolist()
        parts = [
            self.input.ids(self.under(step, epoch)) for step, epoch in zip(at.positions.tolist(), epochs, strict=True)
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def find(self, record: int, epoch: int) -> int | None:
        found = self.input.find(record, epoch)
        if found is None:
            return None
        step, length = found // self.size, self.length
        return step if length is None or step < length else None

    def schema(self) -> Schema | None:
        below = self.input.schema()
        if below is None or self.collate is not None or self.pad is not None:
            return None
        return of_batch(below, self.size if self.drop_remainder else None)

    def order(self) -> tuple[str, ...]:
        rest = ", drop_remainder=True" if self.drop_remainder else ""
        return (*self.input.order(), f"batch({self.size}{rest})")

    def varies(self) -> str | None:
        inner = self.input.varies()
        return self.words() if inner is None and self.input.moves() is not None else inner

    def words(self) -> str:
        extra = ", drop_remainder=True" if self.drop_remainder else ""
        extra += "" if self.pad is None else f", pad={self.pad!r}"
        extra += "" if self.collate is None else ", collate=..."
        return f"batch({self.size}{extra})"


def _stacked_read(node: Node, at: At, context: Context) -> Records:
    """Read records that are to be stacked: by a map right below, each as soon as it is made."""
    below, under = down_orders(node, at)
    read = getattr(below, "read_stacked", None)
    return node.read(at, context) if read is None else read(under, context)


def of_batch(records: Schema, rows: int | None) -> Schema:
    """Return what a batch looks like whose records have a schema; None for rows that differ in number."""
    return Schema(records.structure, {name: _with_rows(field, rows) for name, field in records.fields.items()})


def _with_rows(field: Field, rows: int | None) -> Field:
    if field.kind in ("batch", "tuple"):
        return replace(field, fields={name: _with_rows(inner, rows) for name, inner in field.fields.items()})
    return replace(field, shape=(rows, *field.shape))
