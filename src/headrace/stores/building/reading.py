"""The records of a dataset in order, read by workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple, Protocol

from headrace.core.errors import SchemaError
from headrace.core.ledger import Ledger
from headrace.core.records import Columns, Records, Rows, to_columns
from headrace.core.sizes import nbytes_of
from headrace.stores.building.pace import Pace
from headrace.workers.inline import Inline
from headrace.workers.prefetch import Prefetch
from headrace.workers.running import Running
from headrace.workers.work import Desk, Failed, Place, Run, Workers

FIRST = 64
"""How many of the first records decide together what the columns are."""

_BLOCK = 8 << 20  # bytes that a worker hands over at once
_IN_HAND = 256 << 20  # bytes that lie ready at most


class Read(Protocol):
    """Gives records by their numbers, in any order and any number of times.

    It may have ``share(place)``, which holds large arrays in memory that processes share, and ``words()``, which
    says what it is.
    """

    def __call__(self, start: int, stop: int, /) -> Records:
        """Return the records from ``start`` up to ``stop``; of none, the columns all the same."""
        ...


class Span(NamedTuple):
    """Records from ``start`` up to ``stop``."""

    start: int
    stop: int

    def __repr__(self) -> str:  # as messages call it
        return f"record {self.start}" if self.stop - self.start == 1 else f"records {self.start} to {self.stop - 1}"


class Block(NamedTuple):
    """Records that were read.

    Args:
        span: Which.
        records: The records.
        read: Reads them again, as they were before they were made columns, for what is said of one that does not fit;
            None where they are as they came.
    """

    span: Span
    records: Records
    read: Read | None = None


@dataclass(frozen=True, eq=False)
class Reads:
    """Reading as work for workers. The value of a span is its records: columns with their structure, or a list."""

    read: Read

    def open(self, desk: Desk) -> Run:
        return self._run

    def _run(self, span: Span) -> tuple[Any, None]:
        records = self.read(span.start, span.stop)
        if span.start >= FIRST:  # the first are put together, and then made columns as they would be without workers
            try:
                records = to_columns(records)
            except SchemaError:  # said by who knows the records before
                pass
        return ((records.batch, records.structure) if isinstance(records, Columns) else records.rows()), None

    def share(self, place: Place) -> None:
        give = getattr(self.read, "share", None)
        if give is not None:
            give(place)

    def words(self) -> str:
        words = getattr(self.read, "words", None)
        return str(words()) if words is not None else "reading"


def blocks(read: Read, start: int, length: int, workers: Workers) -> Iterator[Block]:
    """Yield the records from ``start`` on, in order; at least one block, of no records if need be.

    Args:
        read: Gives them.
        start: The first.
        length: How many there are in all.
        workers: Who reads ahead of whoever takes the blocks.

    Raises:
        WorkerError: A worker died; says which, and on what.
    """
    if start >= length:
        if not length:
            yield Block(Span(0, 0), read(0, 0))
        return
    if type(workers) is Inline:
        yield from _here(read, start, length)
    else:
        yield from _there(read, start, length, workers)


def _here(read: Read, start: int, length: int) -> Iterator[Block]:
    pace = Pace()
    while start < length:
        span = Span(start, min(start + pace.step(), length))
        began = perf_counter()
        records = read(*span)
        pace.seen(len(records), perf_counter() - began, size_of(records))
        yield Block(span, records)
        start = span.stop


def _there(read: Read, start: int, length: int, workers: Workers) -> Iterator[Block]:
    pace = Pace(_BLOCK)
    ledger = Ledger()
    running = Running(workers, Reads(read), _spans(start, length, pace), Prefetch(None, _IN_HAND), False, ledger)
    try:
        while True:
            try:
                span, outcome = running.next()
            except StopIteration:
                return
            if isinstance(outcome, Failed):
                raise outcome.error
            records = Rows(outcome.value) if isinstance(outcome.value, list) else Columns(*outcome.value)
            pace.seen(len(records), outcome.seconds, outcome.nbytes)
            running.handed_out(outcome, {}, 1, len(records))
            del outcome
            yield Block(span, records, read)
    finally:
        running.close()


def _spans(start: int, length: int, pace: Pace) -> Iterator[Span]:
    while start < length:
        span = Span(start, min(start + pace.step(), length))
        yield span
        start = span.stop


def size_of(records: Records) -> int:
    """Return about how many bytes records take in memory."""
    return nbytes_of(records.batch) if isinstance(records, Columns) else nbytes_of(records.records)
