"""Sequences laid end to end and cut into rows of one length."""

from __future__ import annotations

from collections import deque
from typing import Any, Self

from numpy.typing import NDArray

from headrace.core.errors import SchemaError, StateError
from headrace.core.flow import Flow, State
from headrace.core.state import read_list, read_whole
from headrace.stages.held import Held
from headrace.stages.pack_records import Sequences
from headrace.stages.pack_rows import Bin


class SplitCursor:
    """A place in sequences that are laid end to end: within which item upstream the next bin begins, and where in it.

    An error in the middle of a bin leaves what is in it there; a state then names the items that it begins with.

    Args:
        upstream: Where records come from.
        words: How the step is called in errors.
        sequences: What is packed of each record.
        length: Rows of a bin.
        state: Where to begin; None for the front.
        epoch: Of the step.
    """

    __slots__ = ("_behind", "_bin", "_closed", "_first", "_held", "_length", "_sequences", "_waiting", "_words")

    def __init__(
        self, upstream: Flow, words: str, sequences: Sequences, length: int, state: State | None, epoch: int
    ) -> None:
        self._words = words
        self._sequences = sequences
        self._length = length
        self._bin: Bin | None = None  # the one that is being filled
        self._first = 0  # rows of its first item that lie in bins before it
        self._behind = 0  # rows of the item at hand that lie in a bin
        self._waiting: deque[tuple[int, list[NDArray[Any]]]] = deque()  # the item at hand, and what was read again
        self._closed = False
        numbers = [] if state is None else read_list(state, "items")
        self._held = Held(upstream, epoch, words, state, numbers)
        if state is not None:
            try:
                self._enter(read_whole(state, "behind"))
            except BaseException:
                self.close()
                raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        room = self._length if self._bin is None else self._bin.rooms()[0]
        while room:
            if not self._waiting:
                try:
                    self._waiting.append(self._draw())
                except StopIteration:
                    if self._bin is None:
                        raise
                    break
            number, sequences = self._waiting[0]
            if self._bin is None:
                self._bin = Bin([self._length] * len(sequences))
            start, whole = self._behind, len(sequences[0])
            stop = min(whole, start + room)
            self._bin.add(number, [one[start:stop] for one in sequences])
            room -= stop - start
            self._behind = stop
            if stop == whole:
                self._waiting.popleft()
                self._behind = 0
                self._held.items[number] = None  # it is in the bin
        return self._finish()

    def _draw(self) -> tuple[int, list[NDArray[Any]]]:
        """Return the next item that is not empty."""
        while True:
            number = self._held.draw()
            sequences = self._read(number)
            if len(sequences[0]):
                return number, sequences
            del self._held.items[number]

    def _read(self, number: int) -> list[NDArray[Any]]:
        """Return the sequences of an item that is held; one that cannot be packed is let go of."""
        try:
            sequences = self._sequences.of(self._held.items[number], number)
            if len(set(map(len, sequences))) > 1:
                sizes = dict(zip(self._sequences.names, map(len, sequences), strict=True))
                raise SchemaError(
                    f"item {number} of what {self._words} was given has columns of different lengths, {sizes}, and "
                    "concat_split cuts all at the same places: pack one of them, or choose another strategy"
                )
        except BaseException:
            del self._held.items[number]
            raise
        return sequences

    def _finish(self) -> Any:
        """Hand out the bin."""
        done, self._bin, self._first = self._bin, None, self._behind
        assert done is not None  # something is in it
        for number in done.numbers:
            if not self._behind or number != done.numbers[-1]:
                del self._held.items[number]
        return self._sequences.packed(done.finish(self._sequences.fillers))

    def _enter(self, behind: int) -> None:
        """Go on within the first of the items that were read again, behind so many rows of it."""
        again = [(number, self._read(number)) for number in list(self._held.items)]
        if not all(len(sequences[0]) for _, sequences in again) or behind >= (len(again[0][1][0]) if again else 1):
            raise StateError(
                f"{self._words} was {behind} rows into an item when the state was saved, and that is shorter now: "
                "it is not what it was"
            )
        self._waiting.extend(again)
        self._first = self._behind = behind

    def state(self) -> State:
        return {**self._held.state(), "items": list(self._held.items), "behind": self._first}

    def close(self) -> None:
        self._closed = True
        self._bin = None
        self._waiting.clear()
        self._held.close()
