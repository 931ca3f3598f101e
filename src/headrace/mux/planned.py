"""A place in a mux over Datasets: many records are drawn by arithmetic and read together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from headrace.core import columns as column_of
from headrace.core.changes import current
from headrace.core.errors import SchemaError
from headrace.core.flow import State
from headrace.core.meter import Clock
from headrace.core.records import Columns, Records, Rows
from headrace.core.sizes import nbytes_of
from headrace.core.source import Indices
from headrace.mux.failing import Failing
from headrace.mux.ground import Branch, Differing, Ground
from headrace.mux.planner import Counts, Event, Plan, Planner, Run
from headrace.mux.weights import check
from headrace.nodes.node import Context

if TYPE_CHECKING:
    from headrace.mux.flow import MuxFlow

_MOST = 16  # batches read together
_MOST_ROWS = 256  # records read together where they are handed out one by one
_MOST_BYTES = 4 << 20
_SHORT = 2e-3  # seconds: what takes less is read with more
_SHARE = 0.01  # of the time, for copies of the place


class PlannedCursor:
    """A place in a mux over Datasets.

    What is drawn ahead is no part of the state: a copy of the planner is kept at an earlier place, and drawn on from
    there to where the last record was handed out.

    Args:
        flow: The mux.
        ground: The Datasets.
        epoch: Of the run.
        state: Where it begins; None for the front.
    """

    def __init__(self, flow: MuxFlow, ground: Ground, epoch: int, state: State | None) -> None:
        self._flow = flow
        self._ground = ground
        self._context = Context(clock=Clock())
        branches = list(_branches(ground.root))
        self._counts = {branch.place: branch.flow.tally.now for branch in branches}
        self._planner = Planner(Run(ground, self._counts, current()), ground.root, epoch, state)
        self._plan: Plan | None = None
        self._block: Records = Rows([])
        self._rows: Iterator[Any] | None = None
        self._at = 0  # records of the block that were handed out
        self._told = 0  # of these, in the tally
        self._happened = 0  # events of the plan that are in the tally
        self._asked = 0  # records that the plan was to have
        self._together = 1  # units read together
        self._apart = False  # whether records differ in their dtypes, so that units are read one by one
        self._closed = False
        self._over = False  # whether the end was told: it is for good
        self._keep()
        self._runs = [_Run(self, branch) for branch in branches]
        for run in self._runs:
            run.branch.flow.tally.running.add(run)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._rows is None or self._at == len(self._block):
            if self._at == len(self._block):
                self._load(1, _MOST_ROWS)
            if not len(self._block):
                self._over = True
                raise StopIteration
            self._rows = islice(self._block.rows(), self._at, None)
        self._at += 1
        return next(self._rows)

    def take_columns(self, many: int) -> Records:
        """Return the next ``many`` records together, the caller's own; fewer at the end, then none."""
        if len(self._block) - self._at < many:
            if self._at < len(self._block):
                self._rewind()
            self._load(many, _MOST)
        self._rows = None
        first, last = self._at, min(self._at + many, len(self._block))
        self._at = last
        self._over = last - first < many
        return self._block if last - first == len(self._block) else _part(self._block, first, last)

    # Drawing and reading

    def _load(self, unit: int, most: int) -> None:
        """Read the next block: some units, as many as are quickly read and few in memory."""
        self._drop()
        if self._closed:
            return
        began = perf_counter()
        if began - self._kept_at > self._cost / _SHARE:
            self._keep()
        many = unit * (1 if self._apart else min(self._together, most))
        try:
            self._read(many, many > unit)
        except Exception as error:
            self._apart = self._apart or isinstance(error, Differing)
            self._rewind()
            if many == unit:
                raise self._explained(error, unit)  # noqa: B904 - it has the cause that it needs
            self._together = 1
            self._load(unit, most)
            return
        self._note(began)
        enough = perf_counter() - began > _SHORT or 2 * nbytes_of(_value(self._block)) > _MOST_BYTES
        if not enough and len(self._block) == many:
            self._together = 2 * many // unit

    def _read(self, many: int, alike: bool) -> None:
        self._plan, self._asked = self._planner.plan(many), many
        if len(self._plan.drawn[0]):
            self._block = self._ground.read(self._plan.drawn, self._context, alike)
        else:  # the end: what has happened since the last record
            self._tell_of(self._plan.events)

    def _explained(self, error: Exception, unit: int) -> Exception:
        """Return an error of some records with the stream that it is of, where one of them alone has it."""
        numbers: Indices = np.empty(0, np.int64)
        seen: dict[int, Records] = {}  # a record of each stream
        try:
            for _ in range(unit):
                numbers = numbers[:0]  # what fails before there are some is no stream's
                drawn = self._planner.plan(1).drawn
                numbers = drawn[0]
                if len(numbers):
                    stream = int(self._ground.root.streams[int(numbers[0])])
                    seen.setdefault(stream, self._ground.read(drawn, self._context, False))
            if isinstance(error, SchemaError):
                error = self._differing(error, seen)
        except Exception as found:
            error = found
            if len(numbers):
                stream = int(self._ground.root.streams[int(numbers[0])])
                error = Failing(self._flow, self._flow.shown).named(stream, found)
                if error is not found:
                    error.__cause__ = found.__cause__ or found
        self._rewind()
        return error

    def _differing(self, error: SchemaError, seen: dict[int, Records]) -> SchemaError:
        """Return an error of records that do not fit together with the first two streams that differ."""
        (first, one), *others = seen.items()
        for stream, other in others:
            if _names(other) != _names(one):
                shown = [f"stream {which} ({self._flow.shown(which)})" for which in (stream, first)]
                return SchemaError(
                    f"a batch needs records of the same columns; of {self._flow.words()} {shown[0]} has "
                    f"{_names(other)}, and {shown[1]} has {_names(one)}"
                )
        return error

    def _note(self, began: float) -> None:
        """Note in the ledger what was measured."""
        meter = self._flow.ledger.meter
        now = perf_counter()
        meter.workers, meter.size = "inline", 0
        if meter.began is None:
            meter.began = began
        meter.ended = now
        meter.waited += now - began
        meter.service += now - began
        meter.delivered += len(self._block)
        meter.records += len(self._block)
        if self._context.clock is not None:
            meter.add(self._context.clock.take())

    # Its place

    def _keep(self) -> None:
        """Keep a copy of the planner, which stands where the next record will be handed out."""
        began = perf_counter()
        self._kept, self._behind = self._planner.copy(), 0
        self._kept_at = perf_counter()
        self._cost = self._kept_at - began

    def _drop(self) -> None:
        """Let go of the block."""
        self.tell()
        self._behind += self._at
        self._block, self._rows, self._plan = Rows([]), None, None
        self._at = self._told = self._happened = 0

    def _rewind(self) -> None:
        """Go back to where the last record was handed out."""
        self._drop()
        self._planner = self._placed()

    def _placed(self) -> Planner:
        """Return a planner where the last record was handed out."""
        planner = self._kept.copy()
        if self._behind + self._at:
            planner.plan(self._behind + self._at)
        return planner

    def state(self) -> State:
        if self._behind + self._at:
            self._kept = self._placed()
            self._behind = -self._at
        return self._kept.state()

    def close(self) -> None:
        if self._closed:
            return
        self._drop()
        self._closed = True
        for run in self._runs:
            run.branch.flow.tally.running.discard(run)

    # Beside the records

    def tell(self) -> None:
        """Bring the tallies up to what was handed out."""
        plan, at = self._plan, self._at
        if plan is None or at == self._told:
            return
        _count(self._ground.root, plan.drawn[0][self._told : at], self._counts)
        at_end = at == len(plan.drawn[0]) < self._asked  # then what follows the last record has happened, too
        happened = [event for event in plan.events[self._happened :] if event.at < at + at_end]
        self._tell_of(happened)
        self._happened += len(happened)
        self._told = at

    def _tell_of(self, events: list[Event]) -> None:
        for event in events:
            if event.given < 0:
                event.tally.sat(event.stream)
            else:
                event.tally.left(event.stream, event.given, event.ended)

    def set_weights(self, branch: Branch, weights: Any) -> bool:
        """Have a mux go by other weights from the next record on; says whether it is active."""
        if self._over:
            check(weights, branch.flow.count)
            return True
        self._rewind()
        active = [place.seating for place in self._planner.walk() if place.branch is branch]
        for seating in active:
            seating.schedule.set(seating.step, weights)
            seating.weights_set()
        self._keep()
        return bool(active)


class _Run:
    """A mux of those below a cursor, as its tally knows it.

    Args:
        cursor: The cursor.
        branch: The mux.
    """

    def __init__(self, cursor: PlannedCursor, branch: Branch) -> None:
        self._cursor = cursor
        self.branch = branch

    def tell(self) -> None:
        self._cursor.tell()

    def set_weights(self, weights: Any) -> bool:
        return self._cursor.set_weights(self.branch, weights)


def _branches(branch: Branch) -> Iterator[Branch]:
    yield branch
    for inner in branch.inner:
        if isinstance(inner, Branch):
            yield from _branches(inner)


def _count(branch: Branch, numbers: Indices, counts: Counts) -> None:
    """Count records in the tally of a mux, and of those below it."""
    below = numbers - branch.first
    if not branch.plain:
        for inner in branch.inner:
            if isinstance(inner, Branch):
                own = (numbers >= inner.first) & (numbers < inner.first + len(inner.streams))
                _count(inner, numbers[own], counts)
    counts[branch.place].gave_all(below if branch.plain else branch.streams.take(below))


def _part(block: Records, first: int, last: int) -> Records:
    """Return some records of a block: views, of which no two share memory."""
    if isinstance(block, Rows):
        return Rows(block.records[first:last], block.shared)
    return Columns(column_of.part(block.batch, slice(first, last)), block.structure)


def _names(records: Records) -> str:
    """Return the names of the columns of a record."""
    row = records.rows()[0]
    if isinstance(row, Mapping):
        return f"columns {', '.join(map(repr, row))}"
    return f"{len(row)} fields" if isinstance(row, tuple) else "values"


def _value(block: Records) -> Any:
    return block.records if isinstance(block, Rows) else block.batch
