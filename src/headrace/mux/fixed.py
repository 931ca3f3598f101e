"""All streams active at a time, each on a seat of its own: shuffled, in turns, by exact quotas, one after the other."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from headrace.core.errors import OrderError, StateError
from headrace.core.flow import State
from headrace.core.quotas import TurnsTable
from headrace.core.quotas import turns as turns_of
from headrace.core.shares import ShareTree
from headrace.core.source import Indices
from headrace.core.state import read_list
from headrace.mux.chances import Chances
from headrace.mux.picker import Picker
from headrace.mux.seating import NOBODY, Lengths, Seating
from headrace.mux.weights import Schedule

_BARREN = 1000  # rounds of a stream without an item that are no accident, where others go on


class Fixed(Seating):
    """What is common: stream i sits on seat i; going through it for the r-th time is activation r n + i."""

    def __init__(self, rules: Any, seats: int, chances: Chances, schedule: Schedule, lengths: Lengths) -> None:
        super().__init__(rules, seats, chances, schedule, lengths)
        self.stream[:] = np.arange(seats)
        self.ordinal[:] = np.arange(seats)
        self._opened = False

    def open(self) -> None:
        """Find how many records each gives; those that are known to have none leave at once."""
        self._opened = True
        for seat in np.flatnonzero(self.stream != NOBODY).tolist():
            self.life[seat] = self.span(seat)
        for seat in np.flatnonzero((self.stream != NOBODY) & (self.life == 0)).tolist():
            self.leave(seat, 0, True)
        self.refilled += range(len(self.stream))

    def again(self, seat: int, stream: int) -> None:
        """Begin a stream anew."""
        self.stream[seat] = stream
        self.ordinal[seat] += len(self.stream)
        self.life[seat] = self.span(stream)

    def vacate(self, seat: int) -> None:
        self.stream[seat] = NOBODY
        self.life[seat] = 0

    def entry(self, seat: int, given: int, at: State | None) -> list[Any] | None:
        fresh = not given and self.ordinal[seat] == seat == self.stream[seat]
        return None if fresh else super().entry(seat, given, at)

    def state(self) -> State:
        return {**super().state(), "opened": self._opened}

    def restore(self, state: State) -> None:
        super().restore(state)
        self._opened = bool(state.get("opened"))
        if self._opened:
            for seat in range(len(self.stream)):
                self.life[seat] = self.span(seat)

    def settled(self) -> None:
        if self._opened and ((self.stream != NOBODY) & (self.life == 0)).any():
            raise StateError("the state is damaged: a stream without items has a seat in it")


class Shuffled(Fixed):
    """Each turn is a random one's, by weights; a stream that has ended begins anew, unless it gave nothing."""

    def __init__(self, rules: Any, seats: int, chances: Chances, schedule: Schedule, lengths: Lengths) -> None:
        super().__init__(rules, seats, chances, schedule, lengths)
        self._picker: Picker | None = None

    def turns(self, many: int) -> Indices:
        if not self._opened:
            self.open()
        if self._picker is None or self.step >= self._until:
            self._picker = self._weighed()
        return self._picker(self.chances.turns(self.step, min(many, self._until - self.step)))

    def _weighed(self) -> Picker:
        weights = np.where(self.stream == NOBODY, 0.0, self.schedule.at(self.step))
        if not weights.any():
            raise self.nothing()
        self._until = self.schedule.until(self.step)
        return Picker(weights)

    def leave(self, seat: int, given: int, ended: bool) -> bool:
        if given:
            self.again(seat, seat)
            return False
        self.vacate(seat)
        self._picker = None
        return True


class Quotas(Fixed):
    """Turns in exact quotas (see ``core.quotas``): balanced at every step since the weights were set.

    With ``stop="first"`` it ends where a stream that has ended has its turn, with ``"longest"`` when each stream has
    been given in full; shorter ones begin anew.
    """

    def __init__(self, rules: Any, seats: int, chances: Chances, schedule: Schedule, lengths: Lengths) -> None:
        super().__init__(rules, seats, chances, schedule, lengths)
        self._whole = np.zeros(seats, bool)  # which have been given in full
        self._barren = np.zeros(seats, np.int64)
        self._over = False
        self._table: TurnsTable | ShareTree | None = None
        self._weighed = np.zeros(seats, bool)  # which are drawn from
        self._since = 0

    def turns(self, many: int) -> Indices:
        if not self._opened:
            self.open()
        if self._table is None or self.step >= self._until:
            weights = self.schedule.at(self.step)
            self._weighed = weights > 0
            self._table = turns_of(tuple(weights.tolist()))
            self._since, self._until = self.schedule.since(self.step), self.schedule.until(self.step)
            if self.rules.stop == "longest" and (self.stream[self._weighed] == NOBODY).any():
                raise self._without_items(int(np.flatnonzero(self._weighed & (self.stream == NOBODY))[0]))
        if self._over or self._complete():
            return self._end()
        first = self.step - self._since
        positions = np.arange(first, first + min(many, self._until - self.step))
        seats = self._table.at(positions)[0]
        vacant = self.stream.take(seats) == NOBODY
        if not vacant.any():
            return seats
        seats = seats[: int(vacant.argmax())]
        return seats if len(seats) else self._end()

    def _complete(self) -> bool:
        """Say whether all streams that are drawn from have been given in full."""
        if self.rules.stop == "first" or not self._whole.any():
            return False
        return bool(self._whole[self._weighed].all())

    def _end(self) -> Indices:
        self._over = True
        if not self.step:
            if (self.stream[self._weighed] == NOBODY).all():
                raise self.nothing()
        return np.empty(0, np.int64)

    def leave(self, seat: int, given: int, ended: bool) -> bool:
        self._whole[seat] = True
        if self.rules.stop == "first":
            self.vacate(seat)
            return True
        if given:
            self._barren[seat] = 0
        else:
            self._note_barren(seat)
        if self.stream[seat] != NOBODY:
            self.again(seat, seat)
        return self._table is None or self._complete() or not given

    def _note_barren(self, seat: int) -> None:
        self._barren[seat] += 1
        if not self.schedule.at(self.step)[seat]:
            self.vacate(seat)
        elif self._barren[seat] > _BARREN or self.lengths(seat) == 0:
            raise self._without_items(seat)

    def _without_items(self, seat: int) -> OrderError:
        return OrderError(
            f"stream {seat} of {self.rules.words()} has no items, so it can never be given in full: leave it out, "
            "give it the weight 0, or take stop='first'"
        )

    def copy(self) -> Self:
        other = super().copy()
        other._whole, other._barren = self._whole.copy(), self._barren.copy()
        return other

    def state(self) -> State:
        whole = np.flatnonzero(self._whole).tolist()
        return {**super().state(), "whole": whole, "over": self._over}

    def restore(self, state: State) -> None:
        super().restore(state)
        self._over = bool(state.get("over"))
        for seat in read_list(state, "whole"):
            if type(seat) is int and 0 <= seat < len(self._whole):
                self._whole[seat] = True
