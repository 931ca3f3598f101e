"""Who is read from, and whose turn it is: the decisions of a mux, which knows neither records nor cursors.

A mux has *seats*. A stream on a seat is active; it may give so many records (its life), then leaves, and the seat is
given to the next one. Whoever runs a mux asks for the seats of the next ``turns``, says how many of them ``gave`` a
record, and tells when somebody is to ``leave``. So one at a time and whole batches by arithmetic are the same draws.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, Self, TypeAlias

import numpy as np

from headrace.core.errors import OrderError, StateError
from headrace.core.flow import State
from headrace.core.source import Indices
from headrace.core.state import read_list, read_whole
from headrace.mux.chances import Chances
from headrace.mux.lifetimes import FOREVER
from headrace.mux.weights import Schedule

NOBODY = -1

Lengths: TypeAlias = Callable[[int], int | None]
"""How many records a stream gives in one pass: ``FOREVER`` without an end, None where it is unknown."""


class Seating:
    """The seats of one run of a mux, and the numbers that decide about them.

    Args:
        rules: The mux.
        seats: How many seats there are.
        chances: What is drawn.
        schedule: The weights.
        lengths: How many records streams give.

    ``stream``, ``ordinal`` and ``life`` tell of each seat, int64 ``(seats,)``: which stream sits there (``NOBODY``),
    the number of its activation, and how many records it may give. ``refilled`` are seats given to others since it
    was emptied last, by whoever looks.
    """

    def __init__(self, rules: Any, seats: int, chances: Chances, schedule: Schedule, lengths: Lengths) -> None:
        self.rules = rules
        self.chances = chances
        self.schedule = schedule
        self.lengths = lengths
        self.step = 0
        self.stream: Indices = np.full(seats, NOBODY, np.int64)
        self.ordinal: Indices = np.zeros(seats, np.int64)
        self.life: Indices = np.zeros(seats, np.int64)
        self.refilled: list[int] = []
        self._until = 0  # the step at which other weights may hold

    def turns(self, many: int) -> Indices:
        """Return the seats of the next turns: at most ``many``, none at the end of the mux.

        They hold until somebody leaves, and ``leave`` says whether beyond that.

        Raises:
            OrderError: Nobody has anything to give.
        """
        raise NotImplementedError

    def gave(self, many: int) -> None:
        """Note that so many of the turns asked for last have given a record."""
        self.step += many

    def leave(self, seat: int, given: int, ended: bool) -> bool:
        """Give a seat to the next stream, if there is one; says whether the turns have to be asked for again.

        Args:
            seat: The seat.
            given: How many records the stream has given.
            ended: Whether it has no more; else its life is over.
        """
        raise NotImplementedError

    def is_renewed(self) -> bool:
        """Say whether streams may be put off their seats when the next turns are asked for."""
        return False

    def weights_set(self) -> None:
        """Note that the schedule holds other weights from this step on."""
        self._until = 0

    def copy(self) -> Self:
        """Return one that goes on from here by itself."""
        other = copy(self)
        other.stream, other.ordinal, other.life = self.stream.copy(), self.ordinal.copy(), self.life.copy()
        other.refilled = []
        return other

    def state(self) -> State:
        """Return all but the seats."""
        return {"step": self.step}

    def restore(self, state: State) -> None:
        """Go to where a state says; the seats are ``sat`` upon afterwards.

        Raises:
            StateError: It is damaged.
        """
        self.step = read_whole(state, "step")

    def sit(self, entry: Any) -> tuple[int, int]:
        """Restore a seat from its entry in a state; returns the seat and how many records its stream has given.

        Raises:
            StateError: It is damaged.
        """
        whole = isinstance(entry, list) and len(entry) == 6
        if whole:
            seat, stream, ordinal, given, life = entry[:5]
            whole = all(type(number) is int for number in (seat, stream, ordinal, given, 0 if life is None else life))
        if not whole or not (
            0 <= seat < len(self.stream)
            and NOBODY <= stream < self.rules.count
            and 0 <= ordinal < FOREVER
            and 0 <= given <= (FOREVER if life is None else life) <= FOREVER
        ):
            raise StateError(
                "the state is damaged: a seat should be [seat, stream, ordinal, given, life, place], "
                f"got {entry!s:.200}"
            )
        longest = 0 if stream == NOBODY else self.span(stream)
        if not min(longest, 1) <= (FOREVER if life is None else life) <= longest:
            raise StateError(
                f"the state is damaged: on seat {seat}, stream {stream} may give {life} items, and it has {longest}"
            )
        self.stream[seat], self.ordinal[seat] = stream, ordinal
        self.life[seat] = FOREVER if life is None else life
        return seat, given

    def entry(self, seat: int, given: int, at: State | None) -> list[Any] | None:
        """Return a seat as a state has it; None where it is as it was at the beginning."""
        life = int(self.life[seat])
        shown = None if life == FOREVER else life
        return [seat, int(self.stream[seat]), int(self.ordinal[seat]), given, shown, at]

    def settled(self) -> None:
        """Note that all seats are as the state says."""

    def span(self, stream: int) -> int:
        """Return how many records a stream may give at most."""
        length = self.lengths(stream)
        return FOREVER if length is None else length

    def nothing(self) -> OrderError:
        """Return the error of a mux whose streams have nothing to give."""
        return OrderError(f"all {self.rules.count} streams of {self.rules.words()} are empty: none has an item to give")


def read_seats(state: State) -> list[Any]:
    """Return the entries of the seats in a state, of each seat one at most.

    Raises:
        StateError: There are none, or several of one seat.
    """
    entries = read_list(state, "seats")
    seats = [entry[0] for entry in entries if isinstance(entry, list) and entry and type(entry[0]) is int]
    if len(set(seats)) < len(seats):
        raise StateError(f"the state is damaged: a seat is in it several times, of {seats!s:.200}")
    return entries
