"""The records of a mux over Datasets, drawn by arithmetic: so many of this one, from there on; nothing is read."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np

from headrace.core.changes import Changes
from headrace.core.errors import OrderError, StateError
from headrace.core.flow import State
from headrace.core.source import Indices
from headrace.mux.ground import Branch, Drawn, Ground, Stamps
from headrace.mux.seating import NOBODY, read_seats
from headrace.mux.tally import Count

Counts: TypeAlias = dict[int, Count]
"""What is counted, by the place of the mux among those below a cursor."""


_MOST = 1 << 20


class Event(NamedTuple):
    """A stream was given a seat, or has left one.

    Args:
        at: After how many records; of the plan that it is in.
        tally: Of the mux.
        stream: Which stream.
        given: How many records it has given; -1 where it was given a seat.
        ended: Whether it came to its own end.
    """

    at: int
    tally: Count
    stream: int
    given: int = -1
    ended: bool = False


class Plan(NamedTuple):
    """Records to be read.

    Args:
        drawn: Which ones.
        events: What happens on the way.
    """

    drawn: Drawn
    events: list[Event]


class Run(NamedTuple):
    """What all places of one iteration share.

    Args:
        ground: The Datasets.
        counts: What each mux has given.
        changes: What was changed in the iteration.
    """

    ground: Ground
    counts: Counts
    changes: Changes | None


class Planner:
    """A place in a mux over Datasets.

    Args:
        run: The iteration.
        branch: The mux.
        epoch: Of the mux's run.
        state: Where it begins, as ``state`` gave it or a ``MuxCursor``; None for the front.
    """

    def __init__(self, run: Run, branch: Branch, epoch: int, state: State | None) -> None:
        self._run = run
        self._ground = run.ground
        self._count = run.counts[branch.place]
        self._branch = branch
        self._epoch = epoch
        self.seating = branch.flow.seating(epoch, state, run.changes)
        seats = len(self.seating.stream)
        self._given: Indices = np.zeros(seats, np.int64)
        self._epochs: Indices = np.zeros(seats, np.int64)  # with which the Datasets on the seats begin
        self._inner: list[Planner | None] = [None] * seats
        self._ahead = _MOST  # turns asked for together: fewer where they do not hold for long
        self._leaving: list[int] = []  # seats whose streams have given their last record
        if state is not None:
            self._restore(state)

    def plan(self, many: int) -> Plan:
        """Return the next records: at most ``many``, none at the end.

        Raises:
            OrderError: Nobody has anything to give. The place is lost then: go on from a copy.
        """
        drawn: Drawn = (np.empty(many, np.int64), np.empty(many, np.int64), np.empty(many, np.int64))
        events: list[Event] = []
        done = 0
        leaving, self._leaving = self._leaving, []
        for seat in leaving:
            self._leave(seat, int(self._given[seat]), 0, events)
        while done < many:
            turns = self.seating.turns(min(many - done, self._ahead))
            self._reseat(done, events)
            if not len(turns):
                break
            used = self._serve(turns, drawn, done, events)
            self._ahead = 2 * used if used < len(turns) else min(2 * self._ahead, _MOST)
            done += used
        numbers, positions, epochs = (column[:done] for column in drawn)
        events.sort(key=_when)
        return Plan((numbers, positions, epochs), events)

    def _reseat(self, at: int, events: list[Event]) -> None:
        """Take note of those who were given seats."""
        seating = self.seating
        refilled, seating.refilled = dict.fromkeys(seating.refilled), []
        if len(refilled) == len(self._given) and self._branch.plain:
            self._reseat_all(at, events)
            return
        for seat in refilled:
            self._sit(seat, at, events)

    def _reseat_all(self, at: int, events: list[Event]) -> None:
        """Take note of new streams on all seats."""
        seating, branch = self.seating, self._branch
        self._given[:] = 0
        for seat, (stream, ordinal) in enumerate(zip(seating.stream.tolist(), seating.ordinal.tolist(), strict=True)):
            if stream != NOBODY:
                epoch = branch.flow.epoch_of(self._epoch, ordinal)
                self._epochs[seat] = self._ground.first_epoch(branch.first + stream, epoch)
                events.append(Event(at, self._count, stream))

    def _sit(self, seat: int, at: int, events: list[Event], state: State | None = None) -> None:
        """Begin with the stream on a seat."""
        stream = int(self.seating.stream[seat])
        self._given[seat] = 0
        self._inner[seat] = None
        if stream == NOBODY:
            return
        branch = self._branch
        epoch = branch.flow.epoch_of(self._epoch, int(self.seating.ordinal[seat]))
        inner = branch.inner[stream]
        if not self._epoch and self._ground.single and branch.plain:
            self._epochs[seat] = epoch  # as it is: there is room for it
        elif isinstance(inner, Branch):
            self._inner[seat] = Planner(self._run, inner, epoch, state)
        else:
            self._epochs[seat] = self._ground.first_epoch(inner, epoch)
        if state is None:
            events.append(Event(at, self._count, stream))

    def _leave(self, seat: int, given: int, at: int, events: list[Event]) -> bool:
        """Give a seat to the next stream; says whether the turns have to be asked for again."""
        seating, flow = self.seating, self._branch.flow
        stream = int(seating.stream[seat])
        ended = given == flow.length_of(stream)
        changed = seating.leave(seat, given, ended)
        events.append(Event(at, self._count, stream, given, ended))
        self._sit(seat, at, events)
        others = [one for one in seating.refilled if one != seat]
        seating.refilled = others
        if others:
            self._reseat(at, events)
        return changed

    def _serve(self, turns: Indices, drawn: Drawn, first: int, events: list[Event]) -> int:
        """Draw the records of some turns, up to where other turns have to be asked for; returns how many.

        The turns of each seat are looked at together. Where a stream has given its last record in the middle, those
        behind it are its successor's; such places are gone through in the order of the turns. One at the very end is
        left to the next call.
        """
        seating, branch = self.seating, self._branch
        table = _Table.of(turns)
        given = self._given.take(table.seats)
        # What follows is by seat, as the table has it; it is put into the order of the turns at the end.
        streams = np.repeat(seating.stream.take(table.seats), table.counts)
        epochs = np.repeat(self._epochs.take(table.seats), table.counts)
        places = np.arange(len(turns)) + np.repeat(given - table.begins, table.counts)
        left = seating.life.take(table.seats) - given
        due = []  # turns at which somebody gives his last record
        for row in np.flatnonzero(table.counts >= left).tolist():
            served = int(left[row])
            due.append((int(table.order[table.begins[row] + served - 1]), row, served))
        heapq.heapify(due)
        since: dict[int, int] = {}  # turns of a seat before the stream that sits there now
        spans: list[_Span] = []
        step, used = seating.step, len(turns)
        while due:
            at, row, served = heapq.heappop(due)
            seat, begin, end = table.row(row)
            if first + at + 1 == len(drawn[0]):
                self._leaving.append(seat)
                break
            begun = since.get(row, 0)
            inner = self._inner[seat]
            if inner is not None:
                spans.append(_Span(inner, table.order[begin + begun : begin + served]))
            seating.gave(step + at + 1 - seating.step)
            changed = self._leave(seat, int(self._given[seat]) + served - begun, first + at + 1, events)
            since[row] = served
            if changed:
                used = at + 1
                break
            behind = begin + served
            streams[behind:end], epochs[behind:end] = seating.stream[seat], self._epochs[seat]
            places[behind:end] = np.arange(end - behind)
            life = int(seating.life[seat])
            if end - behind >= life:
                heapq.heappush(due, (int(table.order[behind + life - 1]), row, served + life))
        seating.gave(step + used - seating.step)
        counts = table.counts if used == len(turns) else table.cut(used)
        self._given[table.seats] += counts
        for row, served in since.items():
            self._given[table.seats[row]] -= served
        within = slice(first, first + used)
        numbers = branch.numbers.take(streams)
        for column, by_seat in zip(drawn, (numbers, places, epochs), strict=True):
            column[within] = table.ordered(by_seat)[:used]
        if not self._ground.single:
            self._wrap(drawn, within)
        if not branch.plain:
            for row in np.flatnonzero(counts).tolist():
                seat, begin, _ = table.row(row)
                inner = self._inner[seat]
                rows = table.order[begin + since.get(row, 0) : begin + int(counts[row])]
                if inner is not None and len(rows):
                    spans.append(_Span(inner, rows))
            for span in spans:
                span.fill(drawn, first, events)
        return used

    def _wrap(self, drawn: Drawn, within: slice) -> None:
        """Make positions beyond an epoch of a Dataset positions in the epochs after it."""
        numbers, positions, epochs = (column[within] for column in drawn)
        rounds = positions // self._ground.lengths.take(numbers)
        epochs += rounds
        positions -= rounds * self._ground.lengths.take(numbers)

    # Its state

    def copy(self) -> Self:
        """Return one that goes on from here by itself."""
        other = copy(self)
        other.seating = self.seating.copy()
        other._given, other._epochs = self._given.copy(), self._epochs.copy()
        other._inner = [None if inner is None else inner.copy() for inner in self._inner]
        other._leaving = list(self._leaving)
        return other

    def state(self) -> State:
        """Return where the next record begins, as a ``MuxCursor`` does."""
        seating = self.seating
        entries = []
        known: Stamps = {}
        given = self._given.tolist()
        for seat, stream in enumerate(seating.stream.tolist()):
            inner = self._inner[seat]
            at: State | None = None
            if seat in self._leaving or not given[seat]:
                pass  # over, or not begun
            elif inner is not None:
                at = inner.state()
            else:
                at = self._ground.place(int(self._branch.numbers[stream]), int(self._epochs[seat]), given[seat], known)
            entry = seating.entry(seat, given[seat], at)
            if entry is not None:
                entries.append(entry)
        return {**seating.state(), "seats": entries}

    def _restore(self, state: State) -> None:
        entries = [(self.seating.sit(entry), entry) for entry in read_seats(state)]
        self.seating.settled()
        places: dict[int, tuple[int, Any]] = {seat: (given, entry[5]) for (seat, given), entry in entries}
        for seat, stream in enumerate(self.seating.stream.tolist()):
            given, place = places.get(seat, (0, None))
            if not isinstance(place, dict | None):
                raise StateError(f"the state is damaged: the place of stream {stream} is {place!r:.100}")
            self._sit(seat, 0, [], place)
            self._given[seat] = given
            inner = self._inner[seat]
            if inner is not None and place is not None and inner.seating.step != given:
                raise StateError(
                    f"the state is damaged: {given} items of stream {stream}, which says {inner.seating.step}"
                )
            if stream != NOBODY and given and self._inner[seat] is None and place is not None:
                self._ground.check(int(self._branch.numbers[stream]), place)
            if stream != NOBODY and given and given >= self.seating.life[seat]:
                self._leaving.append(seat)

    def walk(self) -> Iterator[Planner]:
        """Give this place and those in the muxes below that have begun, and are not over."""
        yield self
        for seat, inner in enumerate(self._inner):
            if inner is not None and inner.seating.step and seat not in self._leaving:
                yield from inner.walk()

    @property
    def branch(self) -> Branch:
        """The mux that it is a place in."""
        return self._branch


@dataclass(frozen=True, eq=False, slots=True)
class _Table:
    """Turns by their seats; a row for each seat that has some.

    Args:
        seats: The seats, int64 ``(rows,)``.
        counts: How many turns each has, int64 ``(rows,)``.
        order: The turns, those of a seat together, in their order, int64 ``(turns,)``.
        begins: Where a seat's begin in there, int64 ``(rows,)``.
    """

    seats: Indices
    counts: Indices
    order: Indices
    begins: Indices

    @classmethod
    def of(cls, turns: Indices) -> _Table:
        short = turns.astype(np.uint16) if turns.max() < 1 << 16 else turns  # 16 bits are sorted by radix
        order = np.argsort(short, kind="stable")
        by_seat = turns.take(order)
        begins = np.concatenate([[0], np.flatnonzero(by_seat[1:] != by_seat[:-1]) + 1])
        return cls(by_seat.take(begins), np.diff(begins, append=len(turns)), order, begins)

    def row(self, row: int) -> tuple[int, int, int]:
        """Return the seat of a row, and where its turns begin and end."""
        begin = int(self.begins[row])
        return int(self.seats[row]), begin, begin + int(self.counts[row])

    def cut(self, turns: int) -> Indices:
        """Return how many of the first turns each seat has, int64 ``(rows,)``."""
        rows = np.repeat(np.arange(len(self.seats)), self.counts)
        return np.bincount(rows[self.order < turns], minlength=len(self.seats))

    def ordered(self, by_seat: Indices) -> Indices:
        """Return what is said of each turn, those of a seat together, in the order of the turns."""
        ordered = np.empty_like(by_seat)
        ordered[self.order] = by_seat
        return ordered


class _Span(NamedTuple):
    """Turns that a nested mux serves.

    Args:
        planner: The mux.
        rows: The turns.
    """

    planner: Planner
    rows: Indices

    def fill(self, drawn: Drawn, first: int, events: list[Event]) -> None:
        """Put the records that it draws in their places."""
        plan = self.planner.plan(len(self.rows))
        if len(plan.drawn[0]) < len(self.rows):
            raise OrderError(f"{self.planner.branch.flow.words()} ended before the items that its length says")
        places = self.rows + first
        for column, own in zip(drawn, plan.drawn, strict=True):
            column[places] = own
        for event in plan.events:
            at = int(places[event.at - 1]) + 1 if event.at else int(places[0])
            events.append(event._replace(at=at))


def _when(event: Event) -> int:
    return event.at
