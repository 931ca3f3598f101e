"""A whole stream in a process of its own, its generator included: what it gives is carried over, some ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from time import perf_counter
from typing import Any, NamedTuple, Self

from headrace.core.failures import Failure
from headrace.core.flow import Cursor, Flow, State
from headrace.core.ledger import Ledger
from headrace.core.meter import Laps
from headrace.core.sizes import records_in
from headrace.core.state import read_state, read_whole
from headrace.stages.marks import Marks
from headrace.stages.stage import Stage, chain, walk
from headrace.workers.prefetch import Prefetch
from headrace.workers.processes import Processes
from headrace.workers.running import Running
from headrace.workers.work import Desk, Failed, Place, Run, Workers

_MOST_ITEMS = 256  # carried over together, where they are small
_SHARES = 16  # jobs that fill a buffer, at least
_SHORT = 5e-4  # seconds: what takes less to make is carried over with more
_SMALL = 1 << 18  # bytes: what is larger is carried over by itself
_TALLIED = 0.01  # of the time, for accounts of what muxes have given
_TOGETHER = 5e-3  # seconds that an item which is made waits for others


class Job(NamedTuple):
    """The next items.

    Args:
        many: How many at most.
    """

    many: int

    def __repr__(self) -> str:  # as messages call it
        return "the next items"


class Notes(NamedTuple):
    """What is said beside the items.

    Args:
        marks: Places upstream, with the number of the item that begins there.
        ended: Whether there are no more items.
        laps: How long the items took to make.
        failures: Records that were left out upstream.
        tallies: What each mux upstream has given so far; None where it is not said this time.
    """

    marks: list[tuple[int, State]]
    ended: bool
    laps: Laps
    failures: list[Failure]
    tallies: list[Any] | None = None


@dataclass(frozen=True, eq=False)
class Producing:
    """A flow, gone through by one worker.

    Args:
        flow: What is gone through.
        state: Where it begins, as the step's state says; None for the front.
        epoch: Of the step.
        number: Of the first item.
    """

    flow: Flow
    state: State | None
    epoch: int
    number: int

    def open(self, desk: Desk) -> Run:
        return _Producer(self)

    def share(self, place: Place) -> None:
        for flow in walk(self.flow):
            give = getattr(flow, "share", None)
            if give is not None:
                give(place)

    def words(self) -> str:
        return chain(self.flow)


class _Producer:
    """Makes items, some at a time; the jobs come in order."""

    def __init__(self, work: Producing) -> None:
        self._work = work
        self._marks: Marks | None = None
        self._words = chain(work.flow)
        found = (getattr(flow, "ledger", None) for flow in walk(work.flow))
        self._ledgers = list({id(ledger): ledger for ledger in found if ledger is not None}.values())
        self._told = [0] * len(self._ledgers)
        self._tallies = tallies(work.flow)
        self._tallied = 0.0
        self._error: BaseException | None = None  # of the item behind those that were handed over

    def __call__(self, job: Job) -> tuple[list[Any], Notes]:
        began = perf_counter()
        if self._marks is None:
            self._marks = Marks(self._work.flow, self._work.state, self._work.epoch, self._work.number)
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        items: list[Any] = []
        ended = False
        while len(items) < job.many and (not items or perf_counter() - began < _TOGETHER):
            try:
                items.append(self._marks.draw())
            except StopIteration:
                ended = True
                break
            except BaseException as error:
                if not items:
                    raise
                self._error = error  # it is raised when the next one is asked for: asked again, a step goes past it
                break
        laps: Laps = {self._words: ("stage", 1, len(items), perf_counter() - began, 0)}
        return items, Notes(self._marks.take(ended), ended, laps, self._failures(), self._counted(ended))

    def _counted(self, ended: bool) -> list[Any] | None:
        """Return what muxes have given, now and then."""
        began = perf_counter()
        if not self._tallies or (not ended and began < self._tallied):
            return None
        counted = [tally.stats() for tally in self._tallies]
        now = perf_counter()
        self._tallied = now + (now - began) / _TALLIED
        return counted

    def _failures(self) -> list[Failure]:
        """Return the records that were left out since the last time."""
        fresh: list[Failure] = []
        for number, ledger in enumerate(self._ledgers):
            if len(ledger.failures) != self._told[number]:
                fresh += ledger.failures[self._told[number] :]
                self._told[number] = len(ledger.failures)
        return fresh


@dataclass(frozen=True, eq=False)
class Background(Stage):
    """The items of a flow, made in another process.

    Args:
        upstream: What is gone through there.
        workers: The process.
        prefetch: How far it runs ahead.
        copy: Whether items are owned; else arrays in them are views of memory shared with it.
        ledger: What the latest iteration has measured.
    """

    workers: Workers = field(default_factory=lambda: Processes(1))
    prefetch: Prefetch = field(default_factory=lambda: Prefetch(64, 64_000_000))
    copy: bool = True
    ledger: Ledger = field(default_factory=Ledger)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        if state is None and not epoch:
            self.ledger.begin()
        return BackgroundCursor(self, state, epoch)

    def words(self) -> str:
        return "background()"


class BackgroundCursor:
    """A place in a flow that goes on elsewhere."""

    def __init__(self, flow: Background, state: State | None, epoch: int) -> None:
        self._flow = flow
        self._epoch = epoch
        self._count = 0 if state is None else read_whole(state, "count")
        self._begin = state
        self._marks: deque[tuple[int, State | None]] = deque([_mark(state, self._count)])
        self._ahead: deque[Any] = deque()
        self._many = 1
        self._running: Running | None = None
        self._ended = False
        self._tallies = tallies(flow.upstream)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while not self._ahead:
            self._fetch()
        self._count += 1
        return self._ahead.popleft()

    def _fetch(self) -> None:
        if self._ended:
            raise StopIteration
        if self._running is None:
            self._running = self._opened()
        _, outcome = self._running.next()
        if isinstance(outcome, Failed):
            self.close()
            try:
                raise outcome.error
            finally:
                del outcome  # the error holds this frame: in a circle, all data would wait for the garbage collector
        items, notes = outcome.value, outcome.notes
        self._ahead.extend(items)
        self._marks.extend(notes.marks)
        while len(self._marks) > 1 and self._marks[1][0] <= self._count:
            self._marks.popleft()
        records = records_in(items[0]) * len(items) if items else 0
        self._running.handed_out(outcome, notes.laps, len(items), records)
        self._flow.ledger.admit(notes.failures, 1 << 62, None)
        for tally, counted in zip(self._tallies, notes.tallies or ()):
            tally.take(counted)
        if outcome.seconds < _SHORT and outcome.nbytes < _SMALL and len(items) >= self._many:
            each = max(1, outcome.nbytes // len(items)) if items else 1
            fits = self._flow.prefetch.nbytes // (_SHARES * each)  # so that the buffer's bound holds for items, too
            self._many = min(2 * self._many, _MOST_ITEMS, max(self._many, fits))
        if notes.ended:
            self._stop()

    def _opened(self) -> Running:
        flow = self._flow
        work = Producing(flow.upstream, self._begin, self._epoch, self._count)
        return Running(flow.workers, work, self._jobs(), flow.prefetch, flow.copy, flow.ledger)

    def _jobs(self) -> Iterator[Job]:
        for _ in repeat(None):
            yield Job(self._many)

    def state(self) -> State:
        marks = self._marks
        while len(marks) > 1 and marks[1][0] <= self._count:
            marks.popleft()
        at, upstream = marks[0]
        return {"upstream": upstream, "behind": self._count - at, "count": self._count}

    def _stop(self) -> None:
        self._ended = True
        if self._running is not None:
            self._running.close()

    def close(self) -> None:
        self._ahead.clear()
        self._stop()


def tallies(flow: Flow) -> list[Any]:
    """Return what the muxes in a flow count, from the top."""
    found = (getattr(one, "tally", None) for one in walk(flow))
    return [tally for tally in found if tally is not None]


def _mark(state: State | None, count: int) -> tuple[int, State | None]:
    """Return the place upstream that a state says, with the number of the item that begins there; None for the front.

    Raises:
        StateError: The state is damaged.
    """
    if state is None:
        return 0, None
    behind = read_whole(state, "behind") if "behind" in state else 0
    front = state.get("upstream") is None and "behind" in state
    return count - behind, None if front else read_state(state)
