"""A few active streams out of many: each stays for a lifetime, then another one takes its seat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np

from headrace.core.errors import ArgumentError, OrderError, StateError
from headrace.core.flow import State
from headrace.core.source import Indices
from headrace.core.state import read_list, read_whole
from headrace.mux.chances import ACTIVATIONS, Chances, Floats
from headrace.mux.inclusion import ALWAYS, odds, speeds
from headrace.mux.lifetimes import lifetime, lifetimes
from headrace.mux.picker import Picker
from headrace.mux.seating import NOBODY, Lengths, Seating
from headrace.mux.weights import Schedule

Mode: TypeAlias = Literal["with_replacement", "single_active", "exhaustive"]
Weighting: TypeAlias = Literal["records", "active"]

_TRIES = 16  # draws that meet a stream which has a seat, before the rest is looked through
_SPARE = 1000  # activations in a row without an item, beyond ten for each stream, that are no accident


def check_word(value: Any, name: str, words: Any) -> Any:
    """Return one of a few words.

    Raises:
        ArgumentError: It is none of them.
    """
    known = get_args(words)
    if value not in known:
        raise ArgumentError(f"{name} must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}, got {value!r}")
    return value


class WorkingSet(Seating):
    """The seats of a stochastic mux; see ``stochastic.Stochastic`` for the rules."""

    def __init__(self, rules: Any, seats: int, chances: Chances, schedule: Schedule, lengths: Lengths) -> None:
        super().__init__(rules, seats, chances, schedule, lengths)
        self._activations = 0
        self._out = bytearray(rules.count)  # streams that are not chosen any more
        self._seated = [0] * rules.count  # how many seats each has
        self._barren = 0  # activations in a row that gave nothing
        self._speeds = np.zeros(seats)  # of the seats
        self._sum: float | None = None  # of the speeds, while they stay
        self._even = False  # whether all seats have equal turns, and no stream is left out
        self._block = -1  # of activations that are drawn already: which streams, and for how long
        self._streams: list[int] = []
        self._lives: list[int] = []
        self._picker: Picker | None = None
        self._left = NOBODY  # the stream whose seat is given away
        self._opened = False
        self._weigh(0)

    def _weigh(self, step: int) -> None:
        """Go by the weights that hold at a step."""
        rules = self.rules
        weights = self.schedule.at(step)
        self._changed()
        self._applied = step
        self._until = self.schedule.until(step)
        if rules.weighting == "active":
            self._odds: Floats = (weights > 0).astype(np.float64)
            self._speed_of: Floats = weights
        elif rules.mode == "with_replacement":
            self._odds, self._speed_of = weights, (weights > 0).astype(np.float64)
        else:
            self._speed_of = speeds(weights, len(self.stream))
            self._odds = weights if rules.mode == "exhaustive" else odds(weights, len(self.stream))
        sit = rules.mode == "single_active" and rules.weighting == "records"
        always = (self._odds >= ALWAYS) & sit
        self._always = dict.fromkeys(np.flatnonzero(always).tolist())
        self._standing = bool(self._always)  # whether one of them may be without a seat
        drawn = np.where(always, 0.0, self._odds)
        self._choice = Picker(drawn) if drawn.any() else None
        speeds_drawn = self._speed_of[self._odds > 0]
        self._alike = bool(speeds_drawn.min() == speeds_drawn.max())  # whoever comes has the turns of who leaves

    def _changed(self) -> None:
        """Note that the turns of seats are others than they were."""
        self._picker = self._sum = None
        self._even = False

    def turns(self, many: int) -> Indices:
        if not self._opened:
            self._open()
        if self.step >= self._until:
            self._renew()
        if self._picker is None:
            if not self._speeds.any():
                if self.step and self.rules.mode == "exhaustive":
                    return np.empty(0, np.int64)
                raise self.nothing()
            self._picker = Picker(self._speeds)
        return self._picker(self.chances.turns(self.step, min(many, self._until - self.step)))

    def _open(self) -> None:
        """Fill all seats; lifetimes are drawn when it is known with whom they share the turns."""
        self._opened = True
        numbers = [self._seat(seat) for seat in range(len(self.stream))]
        for seat, number in enumerate(numbers):
            self._grant(seat, number)
        self.refilled += range(len(self.stream))

    def _renew(self) -> None:
        """Go by other weights from here on; who has none any more leaves."""
        self._weigh(self.step)
        gone = [seat for seat, stream in enumerate(self.stream.tolist()) if self._speed_of[stream] == 0 or stream < 0]
        self._speeds = self._speed_of.take(self.stream)
        for seat in gone:
            self._speeds[seat] = 0.0
        for seat in gone:
            self._unseat(seat)
            number = self._seat(seat)
            self._changed()
            self._grant(seat, number)
        self.refilled += gone

    def is_renewed(self) -> bool:
        return self._opened and self.step >= self._until

    def weights_set(self) -> None:
        if self._opened:
            super().weights_set()
        else:
            self._weigh(self.step)  # nobody sits yet: all begin by these, as in a run that is resumed here

    def leave(self, seat: int, given: int, ended: bool) -> bool:
        if self._even and (given or not ended) and self._swap(seat):
            return False
        stream = self._left = int(self.stream[seat])
        speed = float(self._speeds[seat])
        self._unseat(seat)
        if ended and not given:
            self._note_barren(stream)
        else:
            self._barren = 0
        number = self._seat(seat)
        self._left = NOBODY
        changed = bool(self._speeds[seat] != speed)
        if changed:
            self._changed()
        self._grant(seat, number)
        return changed

    def _swap(self, seat: int) -> bool:
        """Give a seat to the next stream, where all seats are alike and each stream may have any.

        Then a draw depends on nothing but its number, so those of a block are made together. Says whether it was done.
        """
        assert self._sum is not None
        block, place = divmod(self._activations, ACTIVATIONS)
        if block != self._block:
            numbers = self.chances.activations(block)
            share = float(self._speeds[seat]) / self._sum
            self._streams = self._choice(numbers[:, 1]).tolist() if self._choice is not None else []
            self._lives = lifetimes(self.rules.dist, self.rules.rate, share, numbers[:, 0]).tolist()
            self._block = block
        stream = self._streams[place]
        span = self.span(stream)
        if not span:
            return False
        self._barren = 0
        self.stream[seat], self.ordinal[seat] = stream, self._activations
        self.life[seat] = min(self._lives[place], span)
        self._activations += 1
        return True

    def _unseat(self, seat: int) -> None:
        stream = int(self.stream[seat])
        if stream != NOBODY:
            self._seated[stream] -= 1
            self.stream[seat] = NOBODY

    def _note_barren(self, stream: int) -> None:
        """Note that a stream ended without an item.

        Raises:
            OrderError: So many did in a row that this would never end.
        """
        if self.rules.prune_empty_streams:
            self._out[stream] = 1
            self._even = False
        self._barren += 1
        if self._barren > _SPARE + 10 * self.rules.count:
            raise OrderError(
                f"{self._barren} activations in a row of {self.rules.words()} gave no item: its streams end at once, "
                "again and again. Leave such streams out, or take prune_empty_streams=True"
            )

    def _seat(self, seat: int) -> float:
        """Choose who sits on an empty seat next; returns the number that decides for how long."""
        while True:
            ordinal = self._activations
            self._activations += 1
            numbers = self.chances.activation(ordinal)
            number = next(numbers)
            stream = self._choose(numbers)
            self.ordinal[seat] = ordinal
            if stream is None:
                self.stream[seat], self._speeds[seat], self.life[seat] = NOBODY, 0.0, 0
                return number
            if self.rules.mode == "exhaustive":
                self._out[stream] = 1
            if self.lengths(stream) == 0:
                self._note_barren(stream)
                continue
            self._seated[stream] += 1
            self.stream[seat], self._speeds[seat] = stream, self._speed_of[stream]
            return number

    def _choose(self, numbers: Iterator[float]) -> int | None:
        """Return a stream that may take a seat, by the odds; None where there is none."""
        once = self.rules.mode != "with_replacement"
        if self._left in self._always and not self._out[self._left]:
            return self._left
        if self._standing:
            for stream in self._always:
                if not self._out[stream] and not self._seated[stream]:
                    return stream
            self._standing = False
        for _ in range(_TRIES if self._choice is not None else 0):
            assert self._choice is not None
            stream = self._choice.one(next(numbers))
            if not self._out[stream] and not (once and self._seated[stream]):
                return stream
        left = self._odds * (np.frombuffer(self._out, np.uint8) == 0)
        if once:
            left[np.array(self._seated) > 0] = 0.0
        return Picker(left).one(next(numbers)) if left.any() else None

    def _grant(self, seat: int, number: float) -> None:
        """Say how many records the stream on a seat may give."""
        stream = int(self.stream[seat])
        if stream == NOBODY:
            return
        rules = self.rules
        if self._sum is None:
            self._sum = float(self._speeds.sum())
            replaced = rules.mode == "with_replacement" and self._alike and not any(self._out)
            self._even = replaced and bool(self._speeds.min() == self._speeds.max())
            self._block = -1
        share = float(self._speeds[seat]) / self._sum
        self.life[seat] = min(lifetime(rules.dist, rules.rate, share, number), self.span(stream))

    def copy(self) -> Self:
        other = super().copy()
        other._out = bytearray(self._out)
        other._seated = list(self._seated)
        other._speeds = self._speeds.copy()
        return other

    def state(self) -> State:
        return {
            **super().state(),
            "activations": self._activations,
            "applied": self._applied,
            "barren": self._barren,
            "out": np.packbits(np.frombuffer(self._out, np.uint8)).tobytes().hex() if any(self._out) else "",
        }

    def restore(self, state: State) -> None:
        super().restore(state)
        read_list(state, "seats", len(self.stream))  # here a seat is always in it
        self._activations = read_whole(state, "activations")
        self._barren = read_whole(state, "barren")
        applied = read_whole(state, "applied")
        if applied > self.step:
            raise StateError(f"the state is damaged: the weights of step {applied} are applied at step {self.step}")
        self._out = _unpacked(state.get("out"), len(self._out))
        self._opened = self._activations > 0
        self._weigh(applied)

    def settled(self) -> None:
        for seat, stream in enumerate(self.stream.tolist()):
            if stream != NOBODY:
                self._seated[stream] += 1
                self._speeds[seat] = self._speed_of[stream]
        if self.rules.mode != "with_replacement" and max(self._seated) > 1:
            raise StateError(f"the state is damaged: in mode {self.rules.mode!r} no stream has two seats")
        self._changed()


def _unpacked(text: Any, count: int) -> bytearray:
    """Return which streams are out, of what a state says of it."""
    if text == "":
        return bytearray(count)
    try:
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))
    except (TypeError, ValueError):
        bits = np.empty(0, np.uint8)
    if not count <= len(bits) < count + 8:
        raise StateError(f"the state is damaged: 'out' should be a bit for each of {count} streams, got {text!r:.100}")
    return bytearray(bits[:count].tobytes())
