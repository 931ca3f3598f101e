"""The approximate shuffle: a random one of the items in a window, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from headrace.core import seeds
from headrace.core.arguments import whole
from headrace.core.errors import StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_list, read_state, read_whole
from headrace.stages.stage import Stage, StageCursor, dealt, walk

_DRAWS = 1024  # numbers drawn together; part of what a seed means
_LEAST_GAP = 32  # items between two places that are kept to resume from


@dataclass(frozen=True, eq=False)
class WindowShuffle(Stage):
    """Each item is drawn from the next ``size`` that have not been handed out, all of them equally likely.

    Args:
        upstream: Where items come from.
        size: How many items are held.
        seed: Keys the draws, together with ``place``, the epoch and the number of the draw.
        place: How many such steps lie below, so that two with one seed draw different numbers.
    """

    size: int
    seed: int
    place: int = 0

    @classmethod
    def of(cls, upstream: Flow, size: Any, seed: Any) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: The size or the seed is no whole number.
            ArgumentError: The size is below 1, or the seed below 0.
        """
        place = sum(isinstance(flow, WindowShuffle) for flow in walk(upstream))
        return cls(upstream, whole(size, "window size", 1), seeds.check(seed), place)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        upstream = self.upstream.start(None if state is None else read_state(state), epoch)
        cursor = WindowCursor(upstream, self, epoch)
        if state is not None:
            cursor.restore(state)
        return cursor

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), *dealt(self.upstream), self.words())

    def words(self) -> str:
        return f"window_shuffle(size={self.size}, seed={self.seed})"


class WindowCursor(StageCursor):
    """A place in a window shuffle: which items are held, by their number upstream.

    Items are read, held in slots and handed out: the n-th draw picks a slot, the last slot's item moves there, and the
    next item from upstream is put behind. Numbers alone are in the state, never items. To have these again, a place
    upstream is kept every ``size`` items, back to the oldest item that is still held; resuming reads on from there.
    """

    __slots__ = ("_closed", "_draws", "_ended", "_flow", "_gap", "_generators", "_held", "_marks", "_read", "_size")

    def __init__(self, upstream: Cursor, flow: WindowShuffle, epoch: int) -> None:
        super().__init__(upstream)
        self._flow = flow
        self._size = flow.size
        self._gap = max(flow.size, _LEAST_GAP)
        self._held: list[tuple[int, Any]] = []  # numbers upstream, and items
        self._read = 0  # items that came from upstream
        self._marks: list[tuple[int, State]] = []  # places upstream, by how many items had come
        # The epoch is hashed into the key: endless repeats that nest make it wider than a word of the counter.
        self._generators = seeds.KeyedGenerator(flow.seed, "stream.window_shuffle", flow.place, epoch)
        self._draws: Iterator[float] = iter(())  # what is left of a block
        self._ended = False
        self._closed = False

    def __next__(self) -> Any:
        held, missing = self._held, self._size - len(self._held)
        if missing == 1 and self._read % self._gap and not self._ended:  # as in most steps
            try:
                held.append((self._read, next(self._upstream)))
                self._read += 1
            except StopIteration:
                self._ended = True
        elif missing and not self._ended:
            self._fill(missing)
        count = len(held)
        if not count or self._closed:
            raise StopIteration
        draw = next(self._draws, None)
        if draw is None:
            draw = self._draw(self._read - count)
        slot = int(draw * count)
        drawn, last = held[slot], held.pop()
        if slot < count - 1:
            held[slot] = last
        return drawn[1]

    def _fill(self, missing: int) -> None:
        """Read until the window is full, or nothing is left upstream."""
        for _ in range(missing):
            if not self._read % self._gap:
                self._mark()
            try:
                self._held.append((self._read, next(self._upstream)))
            except StopIteration:
                self._ended = True
                return
            self._read += 1

    def _mark(self) -> None:
        """Keep this place upstream, and none that lies before what the oldest item held needs."""
        if not self._marks or self._marks[-1][0] < self._read:
            self._marks.append((self._read, self._upstream.state()))
        self._forget()

    def _forget(self) -> None:
        oldest = min((number for number, _ in self._held), default=self._read)
        while len(self._marks) > 1 and self._marks[1][0] <= oldest:
            del self._marks[0]

    def _draw(self, number: int) -> float:
        """Return a draw in [0, 1) by its number. Of raw words, whose sequence NumPy never changes."""
        block, place = divmod(number, _DRAWS)
        bits = self._generators.at(0, block).bit_generator
        words = np.asarray(bits.random_raw(_DRAWS), np.uint64)
        self._draws = iter(((words >> np.uint64(11)) * 2.0**-53).tolist()[place:])
        return next(self._draws)

    def state(self) -> State:
        if not self._held:
            return {"upstream": self._upstream.state(), "from": self._read, "read": self._read, "slots": []}
        self._forget()
        number, upstream = self._marks[0]
        slots = [number for number, _ in self._held]
        return {"upstream": upstream, "from": number, "read": self._read, "slots": slots}

    def restore(self, state: State) -> None:
        """Read again what was held; the cursor below stands where the state says."""
        first, read = read_whole(state, "from"), read_whole(state, "read")
        slots = read_list(state, "slots")
        numbers = [number for number in slots if type(number) is int and first <= number < read]
        if len(set(numbers)) < len(slots) or len(slots) > self._size or first > read:
            raise StateError(f"the state is damaged: the items held are {slots!r:.100}, of {first} to {read}")
        self._marks = [(first, state["upstream"])]
        wanted, found = set(numbers), {}
        for number in range(first, read):
            if number > first and not number % self._gap:
                self._marks.append((number, self._upstream.state()))
            try:
                item = next(self._upstream)
            except StopIteration:
                self.close()
                raise StateError(
                    f"{self._flow.words()} read {read} items before the state was saved; now there are {number}"
                ) from None
            if number in wanted:
                found[number] = item
        self._held = [(number, found[number]) for number in numbers]
        self._read = read

    def close(self) -> None:
        self._closed = self._ended = True
        self._held = [(number, None) for number, _ in self._held]  # the state needs no items
        super().close()
