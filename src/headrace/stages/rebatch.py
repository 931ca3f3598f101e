"""Batches of other sizes: records of batches gathered anew, so many at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Self

from headrace.core import columns as column_of
from headrace.core.arguments import whole
from headrace.core.errors import HeadraceError, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.records import Columns, concat, to_columns, wrap
from headrace.core.state import read_whole
from headrace.stages.marks import Marks
from headrace.stages.stage import Stage, dealt


@dataclass(frozen=True, eq=False)
class Rebatch(Stage):
    """The same records in the same order, ``size`` in each batch, however many came in those below.

    Args:
        upstream: Where batches come from.
        size: Records in a batch.
        drop_remainder: Whether to leave out a last batch of fewer.
    """

    size: int
    drop_remainder: bool = False

    @classmethod
    def of(cls, upstream: Flow, size: Any, drop_remainder: bool = False) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: The size is no whole number.
            ArgumentError: The size is below 1.
        """
        return cls(upstream, whole(size, "batch size", 1), bool(drop_remainder))

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        count = 0 if state is None else read_whole(state, "count")
        cursor = RebatchCursor(Marks(self.upstream, state, epoch, count), self, count)
        if state is not None:
            cursor.enter(read_whole(state, "rows"))
        return cursor

    def length(self) -> None:
        return None

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), *dealt(self.upstream), self.words())

    def words(self) -> str:
        return f"rebatch({self.size}{', drop_remainder=True' if self.drop_remainder else ''})"


class RebatchCursor:
    """A place within a batch upstream: which one, and how many of its rows were handed out."""

    def __init__(self, marks: Marks, flow: Rebatch, count: int) -> None:
        self._marks = marks
        self._flow = flow
        self._count = count  # batches upstream that were handed out whole
        self._rows = 0  # rows handed out of the one after them
        self._held: deque[Columns] = deque()  # from that one on, what is left of them
        self._waiting = 0  # rows held
        self._last: State | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._last is not None:
            raise StopIteration
        size = self._flow.size
        while self._waiting < size:
            try:
                self._draw()
            except StopIteration:
                if not self._waiting or self._flow.drop_remainder:
                    raise
                break
        return self._taken(min(size, self._waiting)).unwrap()

    def _draw(self) -> None:
        item = self._marks.draw()
        try:
            columns = wrap(item)
        except HeadraceError as error:
            error.add_note(f"in item {self._marks.number - 1} of what {self._flow.words()} was given: it needs batches")
            raise
        self._held.append(columns)
        self._waiting += len(columns)

    def _taken(self, rows: int) -> Columns:
        """Take rows from the front; of one batch they are a view."""
        pieces: list[Columns] = []
        self._waiting -= rows
        while rows:
            first = self._held[0]
            if len(first) > rows:
                pieces.append(_part(first, slice(None, rows)))
                self._held[0] = _part(first, slice(rows, None))
                self._rows += rows
                break
            rows -= len(first)
            if len(first):
                pieces.append(first)
            self._held.popleft()
            self._count += 1
            self._rows = 0
        while self._held and not len(self._held[0]):
            self._held.popleft()
            self._count += 1
        self._marks.forget(self._count)
        return to_columns(concat(pieces))

    def enter(self, rows: int) -> None:
        """Go into the next batch upstream, behind its first ``rows`` records."""
        if not rows:
            return
        try:
            self._draw()
        except StopIteration:
            raise StateError(
                f"{self._flow.words()} has no batch {self._count} upstream, which the state is in"
            ) from None
        if self._waiting < rows:
            self.close()
            raise StateError(
                f"batch {self._count} upstream has {self._waiting} records, and the state is after {rows} of them: "
                "it is not what it was when the state was saved"
            )
        self._held[0] = _part(self._held[0], slice(rows, None))
        self._waiting -= rows
        self._rows = rows

    def state(self) -> State:
        place = self._marks.state(self._count) if self._last is None else self._last
        return {**place, "count": self._count, "rows": self._rows}

    def close(self) -> None:
        if self._last is None:
            self._last = self._marks.state(self._count)
            self._marks.close()
            self._held.clear()


def _part(columns: Columns, rows: slice) -> Columns:
    return Columns(column_of.part(columns.batch, rows), columns.structure)
