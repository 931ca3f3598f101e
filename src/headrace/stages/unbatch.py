"""Batches taken apart into their records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace.core import columns as column_of
from headrace.core.errors import HeadraceError, StateError
from headrace.core.flow import Cursor, State
from headrace.core.records import Columns, wrap
from headrace.core.state import read_state, read_whole
from headrace.stages.stage import Stage, StageCursor, dealt


@dataclass(frozen=True, eq=False)
class Unbatch(Stage):
    """The records of batches, one by one: of a Batch or a mapping of columns dicts, of a tuple of columns tuples, of a
    column values. Arrays in them are views of the batch.

    Args:
        upstream: Where batches come from.
    """

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        upstream = self.upstream.start(None if state is None else read_state(state), epoch)
        if state is None:
            return UnbatchCursor(upstream, self, 0)
        cursor = UnbatchCursor(upstream, self, read_whole(state, "count"))
        if state.get("offset") is not None:
            cursor.enter(read_whole(state, "offset"))
        return cursor

    def length(self) -> int | None:
        return None

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), *dealt(self.upstream), "unbatch()")

    def words(self) -> str:
        return "unbatch()"


class UnbatchCursor(StageCursor):
    """A place within a batch: where the batch begins upstream, and how many of its records came."""

    __slots__ = ("_before", "_closed", "_count", "_flow", "_offset", "_rows")

    def __init__(self, upstream: Cursor, flow: Unbatch, count: int) -> None:
        super().__init__(upstream)
        self._flow = flow
        self._count = count  # batches before the current one
        self._before: State | None = None  # where the current one begins; None between two
        self._rows: Iterator[Any] = iter(())
        self._offset = 0
        self._closed = False

    def __next__(self) -> Any:
        while True:
            for row in self._rows:
                self._offset += 1
                return row
            self._advance(0)

    def _advance(self, offset: int) -> int:
        """Go to the next batch, behind its first ``offset`` records; return how many it has."""
        if self._closed:
            raise StopIteration
        if self._before is not None:
            self._before = None
            self._count += 1
            self._offset = 0
        before = self._upstream.state()
        item = next(self._upstream)
        self._before = before
        try:
            columns = wrap(item)
        except HeadraceError as error:
            error.add_note(f"in item {self._count} of what unbatch() was given: it needs batches")
            raise
        length = len(columns)
        if offset:
            columns = Columns(column_of.part(columns.batch, slice(offset, None)), columns.structure)
        self._rows = iter(columns.rows())
        self._offset = offset
        return length

    def enter(self, offset: int) -> None:
        """Go into the next batch, behind its first ``offset`` records."""
        try:
            length = self._advance(offset)
        except StopIteration:
            raise StateError(f"unbatch() has no batch {self._count} from upstream, which the state is in") from None
        if length < offset:
            self.close()
            raise StateError(
                f"batch {self._count} has {length} records, and the state is after {offset}: "
                "it is not what it was when the state was saved"
            )

    def state(self) -> State:
        if self._before is None:
            return {"upstream": self._upstream.state(), "count": self._count, "offset": None}
        return {"upstream": self._before, "count": self._count, "offset": self._offset}

    def close(self) -> None:
        self._closed = True
        self._rows = iter(())
        super().close()
