"""A place in a map that workers do: items go out in order, results come back in order, a bounded number is between."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Self

from headrace.core.errors import RecordError
from headrace.core.failures import SKIP, Failure, OnError
from headrace.core.flow import State
from headrace.core.ledger import Ledger
from headrace.core.sizes import records_in
from headrace.stages.applying import Applying, Job
from headrace.stages.marks import Marks
from headrace.workers.inline import Inline
from headrace.workers.prefetch import Prefetch
from headrace.workers.running import Running
from headrace.workers.work import Failed, Workers

_SHORT = 5e-4  # seconds: jobs that take less are made of more items
_SMALL = 1 << 18  # bytes: what is larger goes by itself
_MOST_ITEMS = 64
_SLOW_UPSTREAM = 5e-3  # seconds: items that come more slowly are not waited for together


@dataclass(frozen=True, eq=False)
class Doing:
    """How a map is done.

    Args:
        workers: Who applies the function.
        prefetch: How far they run ahead.
        copy: Whether what comes from other processes is owned; else views of memory shared with them.
        on_error: What becomes of items that the function fails on.
        max_errors: How many items may fail, or which fraction of those seen.
        ledger: What the latest iteration has measured, and which items failed in it.
    """

    workers: Workers = field(default_factory=Inline)
    prefetch: Prefetch = field(default_factory=Prefetch)
    copy: bool = True
    on_error: OnError = "raise"
    max_errors: int | float = 100
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def plain(self) -> bool:
        """Whether a loop over the items does."""
        return not self.workers.size and self.on_error == "raise" and type(self.workers) is Inline


class ParallelCursor:
    """A place in a map.

    Args:
        marks: What lies upstream.
        work: What is done with each item.
        doing: How.
        count: How many items were drawn for those handed out.
    """

    def __init__(self, marks: Marks, work: Applying, doing: Doing, count: int) -> None:
        self._marks = marks
        self._work = work
        self._doing = doing
        self._count = count
        self._ahead: deque[Any] = deque()
        self._running: Running | None = None
        self._chunk = 1
        self._error: BaseException | None = None  # of the item behind those ahead
        self._last: State | None = None  # the place where it was closed

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while True:
            while not self._ahead:
                self._fetch()
            item = self._ahead.popleft()
            self._count += 1
            if item is not SKIP:
                return item

    def _fetch(self) -> None:
        if self._last is not None:
            raise StopIteration
        if self._error is not None:
            error, self._error = self._error, None
            self._count += 1  # whoever goes on, goes on with the next item
            try:
                raise error
            finally:
                del error  # see below
        if self._running is None:
            self._running = self._opened()
        try:
            job, outcome = self._running.next()
        except StopIteration:
            self.close()
            raise
        if isinstance(outcome, Failed):
            if job is not None:
                self._count += 1
                if len(job.items) > 1:
                    self._running.first(Job(job.number + 1, job.items[1:]))
            try:
                raise outcome.error
            finally:
                del outcome  # the error holds this frame: in a circle, all data would wait for the garbage collector
        made, notes = outcome.value, outcome.notes
        self._ahead.extend(made)
        if notes.error is not None:
            self._error = notes.error.error
            done = len(made) + 1
            if done < len(job.items):
                self._running.first(Job(job.number + done, job.items[done:]))
        self._marks.forget(self._count)
        records = sum(map(records_in, made)) if made and not isinstance(made[0], str) else len(made)
        self._running.handed_out(outcome, notes.laps, len(made), records)
        fits = outcome.nbytes * 4 * self._doing.workers.size < self._doing.prefetch.nbytes
        if outcome.seconds < _SHORT and outcome.nbytes < _SMALL and fits and len(made) >= self._chunk:
            self._chunk = min(2 * self._chunk, self._most)
        if notes.failures:
            self._admit(notes.failures, job.number)

    def _admit(self, failures: list[Failure], first: int) -> None:
        """Take in failures among the items from a number on; one too many is an error when those before it are gone."""
        ledger = self._doing.ledger
        for failure in failures:
            try:
                ledger.admit([failure], self._doing.max_errors, ledger.meter.delivered)  # of items, not of their rows
            except RecordError as error:
                for _ in range(len(self._ahead) - (failure.record - first)):
                    self._ahead.pop()
                self._error = error
                return

    def _opened(self) -> Running:
        """Start the workers."""
        doing = self._doing
        size = doing.workers.size
        depth = doing.prefetch.depth(size)
        # a bound that the user gave is one of items, whatever number of them goes out together
        self._most = _MOST_ITEMS if doing.prefetch.batches is None else max(1, depth // (2 * max(size, 1)))
        self._most = self._most if size else 1
        jobs = self._jobs()
        return Running(
            doing.workers, self._work, jobs, doing.prefetch, doing.copy, doing.ledger, weigh=lambda: self._chunk
        )

    def _jobs(self) -> Iterator[Job]:
        """Draw items, as many together as is worth it."""
        while True:
            number = self._marks.number
            items: list[Any] = []
            until = perf_counter() + _SLOW_UPSTREAM
            try:
                while len(items) < self._chunk:
                    items.append(self._marks.draw())
                    if perf_counter() > until:
                        self._chunk = max(1, len(items))
            except StopIteration:
                if items:
                    yield Job(number, items)
                return
            except Exception:
                if items:
                    yield Job(number, items)
                raise
            yield Job(number, items)

    def state(self) -> State:
        return {**self._place(), "count": self._count}

    def _place(self) -> State:
        return self._marks.state(self._count) if self._last is None else self._last

    def close(self) -> None:
        if self._last is None:
            self._last = self._marks.state(self._count)
            self._marks.close()
        self._ahead.clear()
        if self._running is not None:
            self._running.close()
