"""Streams in strict order: one item of each in turn, or one stream after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.core.errors import StateError
from headrace.core.flow import State
from headrace.core.source import Indices
from headrace.core.state import read_list, read_whole
from headrace.mux.chances import Chances
from headrace.mux.fixed import Fixed
from headrace.mux.seating import NOBODY, Lengths, Seating
from headrace.mux.weights import Schedule


class RoundRobin(Fixed):
    """One item of each in turn; a stream that has ended is passed over until all have, and then all begin anew.

    Seat s holds the stream that is s-th in the order of the round.
    """

    def __init__(self, rules: Any, seats: int, chances: Chances, schedule: Schedule, lengths: Lengths) -> None:
        super().__init__(rules, seats, chances, schedule, lengths)
        self._round = 0
        self._pointer = 0  # the seat that is asked next
        self._given = 0  # items of this round
        self._asked: Indices = np.empty(0, np.int64)

    def open(self) -> None:
        self._opened = True
        self._begin()

    def _begin(self) -> None:
        """Begin a round, with all streams that are not known to be empty."""
        seats = len(self.stream)
        order = list(range(seats))
        if self._round and self.rules.mode == "permuted_cycle":
            order = self.chances.permutation(self._round, seats)
        for seat, stream in enumerate(order):
            self.stream[seat] = stream
            self.ordinal[seat] = self._round * seats + stream
            self.life[seat] = self.span(stream)
            if not self.life[seat]:
                self.vacate(seat)
        self._pointer = self._given = 0
        self.refilled += range(seats)

    def turns(self, many: int) -> Indices:
        if not self._opened:
            self.open()
        there = np.flatnonzero(self.stream != NOBODY)
        if not len(there):
            if not self._given:
                raise self.nothing()
            if self.rules.mode == "exhaustive":
                return np.empty(0, np.int64)
            self._round += 1
            self._begin()
            there = np.flatnonzero(self.stream != NOBODY)
            if not len(there):
                raise self.nothing()
        first = there.searchsorted(self._pointer)
        self._asked = there.take(np.arange(first, first + many), mode="wrap")
        return self._asked

    def gave(self, many: int) -> None:
        super().gave(many)
        if many:
            self._given += many
            self._pointer = int(self._asked[many - 1]) + 1
            self._asked = self._asked[many:]

    def leave(self, seat: int, given: int, ended: bool) -> bool:
        self.vacate(seat)
        return True

    def entry(self, seat: int, given: int, at: State | None) -> list[Any] | None:
        first = not self._round and not given and self.stream[seat] == seat
        return None if first else Seating.entry(self, seat, given, at)

    def state(self) -> State:
        return {**super().state(), "round": self._round, "pointer": self._pointer, "given": self._given}

    def restore(self, state: State) -> None:
        super().restore(state)
        self._round, self._given = read_whole(state, "round"), read_whole(state, "given")
        self._pointer = read_whole(state, "pointer")
        if self._pointer > len(self.stream):
            raise StateError(f"the state is damaged: its next turn is {self._pointer}, of {len(self.stream)} streams")


class Succession(Seating):
    """One stream after the other, on one seat; at the end from the first one again, or not."""

    def __init__(self, rules: Any, seats: int, chances: Chances, schedule: Schedule, lengths: Lengths) -> None:
        super().__init__(rules, 1, chances, schedule, lengths)
        self._next = 0  # activations so far
        self._barren = 0  # in a row
        self._asked = False

    def turns(self, many: int) -> Indices:
        if not self._asked:
            self._asked = True
            self._seat()
        if self.stream[0] == NOBODY:
            if not self.step or self.rules.mode == "cycle":
                raise self.nothing()
            return np.empty(0, np.int64)
        return np.zeros(many, np.int64)

    def _seat(self) -> None:
        """Go to the next stream that is not known to be empty."""
        count = self.rules.count
        while self._barren < count and (self.rules.mode == "cycle" or self._next < count):
            stream = self._next % count
            self.stream[0], self.ordinal[0], self.life[0] = stream, self._next, self.span(stream)
            self._next += 1
            if self.life[0]:
                self.refilled.append(0)
                return
            self._barren += 1
        self.stream[0], self.life[0] = NOBODY, 0
        self.refilled.append(0)

    def leave(self, seat: int, given: int, ended: bool) -> bool:
        self._barren = 0 if given else self._barren + 1
        self._seat()
        return bool(self.stream[0] == NOBODY)

    def state(self) -> State:
        return {**super().state(), "next": self._next, "barren": self._barren}

    def restore(self, state: State) -> None:
        super().restore(state)
        read_list(state, "seats", 1)
        self._next, self._barren = read_whole(state, "next"), read_whole(state, "barren")
        self._asked = self._next > 0
