"""A place in a mux, whose streams are gone through item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from headrace.core.changes import current
from headrace.core.errors import HeadraceError, OrderError, ReplayWarning, StateError
from headrace.core.failures import SKIP
from headrace.core.flow import Cursor, State
from headrace.core.warn import gathered, warn
from headrace.mux.failing import Failing
from headrace.mux.seating import NOBODY, read_seats
from headrace.mux.weights import check

if TYPE_CHECKING:
    from headrace.mux.flow import MuxFlow

_ASKED = 256  # turns that are asked for together


class MuxCursor:
    """A place in a mux: who sits where, and where each of them is.

    A stream is started at its first turn, and closed with its last item.

    Args:
        flow: The mux.
        epoch: Of the run.
        state: Where it begins; None for the front.
    """

    def __init__(self, flow: MuxFlow, epoch: int, state: State | None) -> None:
        self._flow = flow
        self._epoch = epoch
        self._seating = flow.seating(epoch, state, current())
        seats = len(self._seating.stream)
        self._cursors: list[Cursor | None] = [None] * seats
        self._nexts: list[Callable[[], Any] | None] = [None] * seats  # what draws from each cursor
        self._lends: list[Callable[[], Any] | None] = [None] * seats
        self._places: list[State | None] = [None] * seats  # of streams that are not open yet
        self._lives: list[int] = self._seating.life.tolist()
        self._left: list[int] = list(self._lives)  # items that each may still give
        self._told: list[int] = [0] * seats  # items of each that are in the tally
        self._turns: Iterator[int] = iter(())
        self._used = 0  # turns since they were asked for
        self._drawn = NOBODY  # the seat that has given the last item
        self._lent: list[int] = []  # seats that have lent items which are not settled yet
        self._leaving = NOBODY  # a seat whose stream has given its last item
        self._closed = False
        self._over = False  # whether the end was told: it is for good
        self._failing = Failing(flow, flow.shown)
        self._count = flow.tally.now
        flow.tally.running.add(self)
        if state is not None:
            self._restore(state)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._draw(self._nexts)

    def lend(self) -> Any:
        """Return the next item to somebody who lets nobody write to it before ``settle`` is called."""
        item = self._draw(self._lends)
        self._lent.append(self._drawn)
        return item

    def take_lent(self, many: int) -> list[Any]:
        """Return the next items, each of them lent: at most ``many``, none at the end."""
        items = []
        draw, lends, lent = self._draw, self._lends, self._lent
        with suppress(StopIteration):  # what there is, is given; the next call finds the end again
            for _ in range(many):
                items.append(draw(lends))
                lent.append(self._drawn)
        return items

    def settle(self) -> None:
        """Have the streams note what the items that were lent are known by, before others may write to them."""
        for seat in set(self._lent):
            settle = getattr(self._cursors[seat], "settle", None)
            if settle is not None:
                settle()
        self._lent.clear()

    def _draw(self, pulls: list[Callable[[], Any] | None]) -> Any:
        """Return the next item, drawn in one of the two ways."""
        if self._leaving >= 0:
            self._leave(self._leaving, False)
        seat = next(self._turns, NOBODY)
        if seat < 0:
            seat = self._ask()
        while True:
            try:
                pull = pulls[seat]
                if pull is None:
                    self._open(seat)
                    pull = pulls[seat]
                item = pull()  # type: ignore[misc]
            except StopIteration:
                seat = self._next_on(seat)
            except Exception as error:
                try:
                    item = self._failed(seat, error)
                except StopIteration:
                    item = SKIP
                if item is not SKIP:
                    break
                seat = self._next_on(seat)
            else:
                break
        self._used += 1
        self._drawn = seat
        left = self._left[seat] - 1
        self._left[seat] = left
        if not left:
            self._end(seat)
        return item

    def _ask(self) -> int:
        """Return the seat of the next turn, and have some after it at hand.

        Raises:
            StopIteration: The mux has ended.
        """
        if self._closed:
            raise StopIteration
        self._gave()
        if self._seating.is_renewed():
            self.tell()
        try:
            turns = self._seating.turns(_ASKED)
        finally:
            self._reseat()
        if not len(turns):
            if not self._seating.step:
                self._look_for_an_item()
            self._over = True
            raise StopIteration
        self._turns = iter(turns.tolist())
        return next(self._turns)

    def _look_for_an_item(self) -> None:
        """See whether a mux that ends before its first item does so since all streams are empty.

        Raises:
            OrderError: They are.
        """
        seating = self._seating
        for seat in np.flatnonzero((seating.stream != NOBODY) & (seating.schedule.at(0) > 0)).tolist():
            try:
                found = any(True for _ in self._cursors[seat] or self._open(seat))
            except OrderError:
                found = False  # a mux, and it says the same of its streams
            except Exception as error:
                found = self._failed(seat, error) is not SKIP
            self._release(seat)
            if found:
                return
        raise seating.nothing()

    def _gave(self) -> None:
        used, self._used = self._used, 0
        self._seating.gave(used)

    def _reseat(self) -> None:
        """Let go of those who have lost their seats, and take note of those who have got one."""
        seating = self._seating
        refilled, seating.refilled = dict.fromkeys(seating.refilled), []
        for seat in refilled:
            self._release(seat)
            self._places[seat] = None
            self._lives[seat] = self._left[seat] = int(seating.life[seat])
            self._told[seat] = 0
            if seating.stream[seat] != NOBODY:
                self._count.sat(int(seating.stream[seat]))

    def _open(self, seat: int) -> Cursor:
        stream = int(self._seating.stream[seat])
        epoch = self._flow.epoch_of(self._epoch, int(self._seating.ordinal[seat]))
        cursor = self._flow.upstreams[stream].start(self._places[seat], epoch)
        self._cursors[seat] = cursor
        self._nexts[seat] = cursor.__next__
        self._lends[seat] = getattr(cursor, "lend", cursor.__next__)
        return cursor

    def _given(self, seat: int) -> int:
        return self._lives[seat] - self._left[seat]

    def _end(self, seat: int) -> None:
        """Close a stream that has given its last item; who comes after it is seen at the next step."""
        self._leaving = seat
        self._release(seat)

    def _release(self, seat: int) -> None:
        cursor, self._cursors[seat] = self._cursors[seat], None
        self._nexts[seat] = self._lends[seat] = None
        if cursor is not None:
            cursor.close()

    def _next_on(self, seat: int) -> int:
        """Go on after a stream's end was met at its turn; returns the seat whose turn it is then."""
        return seat if self._leave(seat, True) else self._ask()

    def _leave(self, seat: int, ended: bool) -> bool:
        """Give a seat to the next one; says whether the turns that are at hand still hold."""
        flow, seating = self._flow, self._seating
        stream, given = int(seating.stream[seat]), self._given(seat)
        ended = ended or given == flow.length_of(stream)
        self._leaving = seat
        self._release(seat)
        self._gave()
        changed = seating.leave(seat, given, ended)
        self._leaving = NOBODY
        self._tell(seat, stream, given)
        self._count.left(stream, given, ended)
        seating.refilled.append(seat)
        self._reseat()
        if changed:
            self._turns = iter(())
        return not changed

    def _failed(self, seat: int, error: Exception) -> Any:
        """Do what the policy says; returns an item in the place of the one that failed, or ``SKIP``.

        Raises:
            RecordError: The error is to be raised; names the stream.
        """
        stream = int(self._seating.stream[seat])
        given = self._given(seat)

        def again() -> Any:
            self._release(seat)
            self._places[seat] = None
            cursor = self._open(seat)
            for _ in range(given):
                next(cursor)
            return next(cursor)

        self._gave()
        value, goes_on = self._failing.settle(stream, given, self._seating.step, error, again)
        if not goes_on and value is not SKIP:  # it is the last one of this activation
            self._seating.life[seat] = self._lives[seat] = given + 1
            self._left[seat] = 1
        return value

    # Its state

    def state(self) -> State:
        self._gave()
        seating = self._seating
        entries = []
        for seat, cursor in enumerate(self._cursors):
            at = self._places[seat] if cursor is None else cursor.state()
            entry = seating.entry(seat, self._given(seat), None if seat == self._leaving else at)
            if entry is not None:
                entries.append(entry)
        return {**seating.state(), "seats": entries}

    def _restore(self, state: State) -> None:
        """Open the streams that were active where they were."""
        seating = self._seating
        self._lives = seating.life.tolist()
        self._left = list(self._lives)
        opened = []
        for entry in read_seats(state):
            seat, given = seating.sit(entry)
            if not isinstance(entry[5], dict | None):
                raise StateError(f"the state is damaged: the place of stream {entry[1]} is {entry[5]!r:.100}")
            self._lives[seat] = int(seating.life[seat])
            self._left[seat] = self._lives[seat] - given
            self._told[seat] = given
            self._places[seat] = entry[5]
            if not self._left[seat] and entry[1] != NOBODY:
                self._leaving = seat
            elif entry[5] is not None:
                opened.append(seat)
        seating.settled()
        try:
            with gathered(ReplayWarning) as replays:
                for seat in opened:
                    self._open(seat)
        except BaseException as error:
            self.close()
            if isinstance(error, HeadraceError):
                error.add_note(f"in stream {seating.stream[seat]} of {self._flow.words()}")
            raise
        if replays:
            more = "" if len(replays) == 1 else f", and {len(replays) - 1} more of its active streams likewise"
            warn(f"in {self._flow.words()}: {replays[0]}{more}", ReplayWarning)

    # Beside the items

    def _tell(self, seat: int, stream: int, given: int) -> None:
        if given > self._told[seat]:
            self._count.gave(stream, given - self._told[seat])
            self._told[seat] = given

    def tell(self) -> None:
        for seat, stream in enumerate(self._seating.stream.tolist()):
            if stream != NOBODY:
                self._tell(seat, stream, self._given(seat))

    def set_weights(self, weights: Any) -> bool:
        if self._over:
            check(weights, self._flow.count)
            return True
        self._gave()
        self._seating.schedule.set(self._seating.step, weights)
        self._seating.weights_set()
        self._turns = iter(())
        return True

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._turns = iter(())
        self.tell()
        self._flow.tally.running.discard(self)
        with ExitStack() as closing:
            for cursor in self._cursors:
                if cursor is not None:
                    closing.callback(cursor.close)
