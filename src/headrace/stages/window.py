"""The approximate shuffle: a random one of the items in a window, again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from headrace.core import seeds
from headrace.core.arguments import whole
from headrace.core.errors import StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_list
from headrace.stages.held import Held
from headrace.stages.stage import Stage, dealt, walk

_DRAWS = 1024  # numbers drawn together; part of what a seed means


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
        slots = [] if state is None else read_list(state, "slots")
        if len(slots) > self.size:
            raise StateError(f"the state is damaged: the items held are {slots!r:.100}, more than {self.size}")
        return WindowCursor(Held(self.upstream, epoch, self.words(), state, slots), self, epoch, slots)

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), *dealt(self.upstream), self.words())

    def words(self) -> str:
        return f"window_shuffle(size={self.size}, seed={self.seed})"


class WindowCursor:
    """A place in a window shuffle: which items are held, by their number upstream.

    Items are read, held in slots and handed out: the n-th draw picks a slot, the last slot's item moves there, and the
    next item from upstream is put behind.
    """

    __slots__ = ("_closed", "_draws", "_generators", "_held", "_last", "_size", "_slots")

    def __init__(self, held: Held, flow: WindowShuffle, epoch: int, slots: list[int]) -> None:
        self._held = held
        self._size = flow.size
        self._last = flow.size - 1  # so many items are held when another is to be read; -1 where none is left
        self._slots = list(slots)  # numbers upstream
        # The epoch is hashed into the key: endless repeats that nest make it wider than a word of the counter.
        self._generators = seeds.KeyedGenerator(flow.seed, "stream.window_shuffle", flow.place, epoch)
        self._draws: list[float] = []  # what is left of a block, the next one last
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        slots, held = self._slots, self._held
        count = len(slots)
        number = held.read
        if count == self._last and number < held.due:  # as in most steps: `held.draw` takes longer
            try:
                held.items[number] = next(held.cursor)
            except StopIteration:
                self._last = -1
            else:
                held.read = number + 1
                slots.append(number)
                count += 1
        elif count <= self._last:
            count = self._fill()
        if not count or self._closed:
            raise StopIteration
        draw = self._draws.pop() if self._draws else self._draw(held.read - count)
        slot = int(draw * count)
        number, last = slots[slot], slots.pop()
        if slot < count - 1:
            slots[slot] = last
        return held.items.pop(number)

    def _fill(self) -> int:
        """Read until the window is full, or nothing is left upstream; return how many items are in it."""
        slots, draw = self._slots, self._held.draw
        try:
            for _ in range(self._size - len(slots)):
                slots.append(draw())
        except StopIteration:
            self._last = -1
        return len(slots)

    def _draw(self, number: int) -> float:
        """Return a draw in [0, 1) by its number. Of raw words, whose sequence NumPy never changes."""
        block, place = divmod(number, _DRAWS)
        bits = self._generators.at(0, block).bit_generator
        words = np.asarray(bits.random_raw(_DRAWS), np.uint64)
        self._draws = ((words >> np.uint64(11)) * 2.0**-53).tolist()[place:][::-1]
        return self._draws.pop()

    def state(self) -> State:
        return {**self._held.state(), "slots": list(self._slots)}

    def close(self) -> None:
        self._closed = True
        self._last = -1
        self._held.close()
