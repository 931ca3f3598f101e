"""The ground of every tree: a source, read at the positions asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np

from headrace.core import columns as column_of
from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.buffers import Buffers
from headrace.core.errors import ArgumentError, ColumnError, HeadraceError, RecordError, SchemaError
from headrace.core.owning import own_objects
from headrace.core.records import Columns, Records, Rows
from headrace.core.schema import Schema, Structure
from headrace.core.source import Indices, Source
from headrace.nodes.forgive import settle
from headrace.nodes.node import Context, Node


@dataclass(frozen=True, eq=False)
class Leaf:
    """A source as a node.

    A source that has its columns at hand (``columns()`` gives a Batch of them, in memory or mapped) is gathered from
    right here, one ``take`` per column into reused buffers; any other is asked to ``read``.

    Args:
        source: What is read.
        names: The columns that are wanted, in this order; None for all.
    """

    source: Source
    names: tuple[str, ...] | None = None

    @property
    def inputs(self) -> tuple[Node, ...]:
        return ()

    @property
    def length(self) -> int:
        return len(self.source)

    @property
    def sources(self) -> tuple[Leaf, ...]:
        return (self,)

    @property
    def universe(self) -> int:
        return len(self.source)

    @property
    def batched(self) -> bool:
        return False

    @property
    def structure(self) -> Structure:
        return getattr(self.source, "structure", "mapping")

    @cached_property
    def columns(self) -> Batch | None:
        """The source's columns, where it has them at hand."""
        give = getattr(self.source, "columns", None)
        if give is None:
            return None
        columns: Batch | None = give()
        return columns if columns is None or self.names is None else columns.select(*self.names)

    def read(self, at: At, context: Context) -> Records:
        began = perf_counter()
        if self.columns is not None:
            records: Records = Columns(gather(self.columns, at.positions, context.buffers, id(self)), self.structure)
        else:
            try:
                records = self._read(at, context)
            except Exception as error:
                records = self._settled(at, error, context)
        context.lap(self, "read", len(at.positions), began)
        return records

    def _read(self, at: At, context: Context) -> Records:
        """Ask the source."""
        own = at.positions.copy()  # it may write to them, or hand them back
        into = getattr(self.source, "read_into", None)
        got = self.source.read(own) if into is None else into(own, context.buffers.new)
        if isinstance(got, Rows):
            return got
        return Columns(self._checked(got, len(at.positions)), self.structure)

    def _settled(self, at: At, error: Exception, context: Context) -> Records:
        """Return what a policy puts in the place of records that the source failed to give."""
        if isinstance(error, ArgumentError | ColumnError | SchemaError):
            raise error  # the source is not what the protocol says: that is no matter of single records
        if isinstance(error, HeadraceError) and context.on_error == "raise":
            raise error
        failed = error if isinstance(error, RecordError) else RecordError(self._where(at, error))
        record = int(at.positions[0]) if len(at.positions) else None
        value = settle(self, None, error, failed, at, context, record, lambda: self._read(at, context))
        return value if isinstance(value, Columns | Rows) else Rows([value])

    def _checked(self, got: Any, rows: int) -> Batch:
        """Make sure that a source gave what the protocol says."""
        if not isinstance(got, Batch | Mapping):
            raise SchemaError(
                f"{self.words()}: read must return a Batch or a mapping of columns, got {type(got).__name__}"
            )
        batch = got if isinstance(got, Batch) else Batch(got)
        if len(batch) != rows:
            raise SchemaError(f"{self.words()}: read was asked for {rows} records and returned {len(batch)}")
        batch = Batch._of({name: _writable(column) for name, column in batch.items()}, rows)
        if self.names is None:
            return batch
        for name in self.names:
            if name not in batch.keys():
                raise ColumnError.missing(name, batch.keys())
        return batch.select(*self.names)

    def _where(self, at: At, error: Exception) -> str:
        which = ", ".join(map(str, at.positions[:5].tolist())) + (", ..." if len(at.positions) > 5 else "")
        records = "record" if len(at.positions) == 1 else "records"
        return f"{self.words()} failed to read {records} {which}: {type(error).__name__}: {error}"

    def ids(self, at: At) -> Indices:
        return at.positions

    def find(self, record: int, epoch: int) -> int | None:
        return record

    @property
    def once(self) -> bool:
        return True

    def schema(self) -> Schema | None:
        give = getattr(self.source, "schema", None)  # first: columns may have to be fetched
        known: Schema | None = give() if give is not None else None
        if known is None and self.columns is not None:
            return Schema.of(self.columns, self.structure)
        if known is None or self.names is None:
            return known
        return Schema(known.structure, {name: known.fields[name] for name in self.names})

    def order(self) -> tuple[str, ...]:
        return (f"{type(self.source).__name__} of {self.length} records {self.fingerprint}",)

    @cached_property
    def fingerprint(self) -> str:
        """The source's identity: what changes when its content does; empty for a source that cannot tell."""
        give = getattr(self.source, "fingerprint", None)
        return str(give()) if give is not None else ""

    def code(self) -> tuple[str, ...]:
        return ()

    def moves(self) -> None:
        return None

    def varies(self) -> None:
        return None

    def words(self) -> str:
        shown = getattr(self.source, "words", None)
        return str(shown()) if shown is not None else type(self.source).__name__

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source, "names": self.names}  # not the columns that are open here


def _writable(column: Any) -> Any:
    """Return a column that its reader may write to; of others than arrays and nested ones that is the source's part."""
    if isinstance(column, Batch):
        return Batch._of({name: _writable(inner) for name, inner in column.items()}, len(column))
    return column if not isinstance(column, np.ndarray) or column.flags.writeable else column.copy()


def gather(columns: Batch, indices: Indices, buffers: Buffers, key: object) -> Batch:
    """Take rows of every column.

    Args:
        columns: Columns of ``n`` rows.
        indices: Shape ``(k,)``, all in ``range(n)``.
        buffers: Where dense columns go.
        key: Tells this reader's buffers from those of others.

    Returns:
        A Batch of ``k`` rows, the caller's own.
    """
    taken = {name: gather_column(column, indices, buffers, (key, name)) for name, column in columns.items()}
    return Batch._of(taken, len(indices))


def gather_column(column: Any, indices: Indices, buffers: Buffers, key: object) -> Any:
    """Take rows of one column; see ``gather``."""
    if type(column) is np.ndarray and column.flags.c_contiguous and column.dtype != object:
        return buffers.take(key, column, indices)
    if isinstance(column, Batch):
        return gather(column, indices, buffers, key)
    if isinstance(column, np.ndarray) and column.dtype == object:
        return own_objects(column_of.take(column, indices))
    return column_of.take(column, indices)
