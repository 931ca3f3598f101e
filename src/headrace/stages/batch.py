"""Items gathered into batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

from headrace.core import collate as collating
from headrace.core.arguments import whole
from headrace.core.callables import code_of, name_of
from headrace.core.collate import Pad, collate
from headrace.core.errors import HeadraceError, RecordError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.records import Records, Rows
from headrace.core.state import read_state, read_whole
from headrace.stages.stage import Stage, StageCursor


@dataclass(frozen=True, eq=False)
class Batched(Stage):
    """Items one after the other, ``size`` of them stacked into one.

    A batch knows nothing of what lies below, so after a ``repeat`` one may hold the end of a round and the front of
    the next; before it, none does.

    Args:
        upstream: Where items come from.
        size: Items in a batch.
        drop_remainder: Whether to leave out a last batch of fewer.
        collate: Makes the batch of a list of items; None stacks columns.
        pad: What ragged columns are filled up with; None leaves them ragged.
    """

    size: int
    drop_remainder: bool = False
    collate: Callable[[list[Any]], Any] | None = None
    pad: Pad = None

    @classmethod
    def of(
        cls,
        upstream: Flow,
        size: Any,
        drop_remainder: bool = False,
        collate: Callable[[list[Any]], Any] | None = None,
        pad: Pad = None,
    ) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: The size is no whole number, ``collate`` no function, ``pad`` neither a number nor a mapping.
            ArgumentError: The size is below 1, or both ``collate`` and ``pad`` are given.
        """
        collating.check(pad, collate)
        if collate is not None:
            code_of(collate)  # now, before it runs
        return cls(upstream, whole(size, "batch size", 1), bool(drop_remainder), collate, pad)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        upstream = self.upstream.start(None if state is None else read_state(state), epoch)
        return BatchedCursor(upstream, self, 0 if state is None else read_whole(state, "count"))

    def length(self) -> int | None:
        items = self.upstream.length()
        if items is None:
            return None
        return items // self.size if self.drop_remainder else -(-items // self.size)

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), self._text())

    def code(self) -> tuple[str, ...]:
        making = [] if self.collate is None else [f"{self.words()} {code_of(self.collate)}"]
        padding = [] if self.pad is None else [self.words()]
        return (*self.upstream.code(), *making, *padding)

    def words(self) -> str:
        collated = "" if self.collate is None else f", collate={name_of(self.collate)}"
        return self._text(collated + ("" if self.pad is None else f", pad={self.pad!r}"))

    def _text(self, more: str = "") -> str:
        return f"batch({self.size}{', drop_remainder=True' if self.drop_remainder else ''}{more})"


class BatchedCursor(StageCursor):
    """A place between two batches."""

    __slots__ = ("_count", "_flow")

    def __init__(self, upstream: Cursor, flow: Batched, count: int) -> None:
        super().__init__(upstream)
        self._flow = flow
        self._count = count

    def _take(self, many: int) -> Records:
        """Draw items: as columns, where what lies upstream has them so; lent, where they are copied here."""
        upstream: Any = self._upstream
        if hasattr(upstream, "take_columns"):
            records: Records = upstream.take_columns(many)
            return records
        if self._flow.collate is None and hasattr(upstream, "take_lent"):
            return Rows(upstream.take_lent(many))
        return Rows(list(islice(upstream, many)))

    def _settle(self) -> None:
        settle = getattr(self._upstream, "settle", None)
        if settle is not None:
            settle()

    def __next__(self) -> Any:
        flow = self._flow
        items = self._take(flow.size)
        if not len(items) or (flow.drop_remainder and len(items) < flow.size):
            self._settle()
            raise StopIteration
        try:
            batch = collate(items, flow.pad, flow.collate)
            self._settle()
        except HeadraceError as error:
            if isinstance(error, RecordError):
                raise RecordError(f"batch {self._count}: {error}") from error.__cause__
            error.add_note(f"in batch {self._count} of {flow.words()}")
            raise
        self._count += 1
        return batch

    def state(self) -> State:
        return {"upstream": self._upstream.state(), "count": self._count}
