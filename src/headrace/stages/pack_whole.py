"""Sequences put whole into bins, of which several are open at a time."""

from __future__ import annotations

from operator import gt
from typing import Any, NoReturn, Self

from numpy.typing import NDArray

from headrace.core.errors import SchemaError, StateError
from headrace.core.flow import Flow, State
from headrace.core.state import read_list, read_whole
from headrace.stages.held import Held
from headrace.stages.pack_records import Sequences
from headrace.stages.pack_rows import Bin
from headrace.stages.packing import Packing


class WholeCursor:
    """A place in a packing: which items lie in the bins that are open, by their numbers upstream.

    Sequences are copied into their bin as they come, and not held themselves; resuming reads them again.

    Args:
        upstream: Where records come from.
        words: How the step is called in errors.
        sequences: What is packed of each record.
        packing: Says which bin an item goes into; none is open.
        state: Where to begin; None for the front.
        epoch: Of the step.
    """

    __slots__ = ("_bins", "_closed", "_held", "_lengths", "_packing", "_sequences", "_words")

    def __init__(
        self, upstream: Flow, words: str, sequences: Sequences, packing: Packing, state: State | None, epoch: int
    ) -> None:
        self._words = words
        self._sequences = sequences
        self._lengths = packing.lengths
        self._packing = packing
        self._bins: dict[int, Bin] = {}
        self._closed = False
        opened = [] if state is None else _opened(state, packing.open_bins)
        numbers = [number for _, within in opened for number in within]
        if state is not None:
            packing.finished = read_whole(state, "finished")
        self._held = Held(upstream, epoch, words, state, numbers)
        try:
            for since, within in opened:
                self._fill_again(since, within)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        held = self._held
        if (late := self._packing.overdue()) is not None:
            return self._finish(late)
        while True:
            try:
                number = held.draw()
            except StopIteration:
                oldest = self._packing.oldest()
                if oldest is None:
                    raise
                return self._finish(self._packing.close(oldest))
            sequences, sizes = self._read(number)
            if not any(sizes):
                del held.items[number]
                continue
            place, closed = self._packing.put(number, sizes)
            if place == number:
                self._bins[place] = Bin(self._lengths)
            self._bins[place].add(number, sequences)
            held.items[number] = None  # it is in its bin
            if closed is not None:
                return self._finish(closed)

    def _read(self, number: int) -> tuple[list[NDArray[Any]], tuple[int, ...]]:
        """Return the sequences of an item that is held, and their lengths; one that cannot be packed is let go of."""
        try:
            sequences = self._sequences.of(self._held.items[number], number)
            sizes = tuple(map(len, sequences))
            if len(sizes) > len(self._lengths):  # the first record says how many columns there are
                self._lengths *= len(sizes)
                self._packing = self._packing.of_lengths(self._lengths)
            if any(map(gt, sizes, self._lengths)):
                self._refuse(number, sizes)
        except BaseException:
            del self._held.items[number]
            raise
        return sequences, sizes

    def _refuse(self, number: int, sizes: tuple[int, ...]) -> NoReturn:
        names = self._sequences.names
        name, size, length = next(one for one in zip(names, sizes, self._lengths, strict=True) if one[1] > one[2])
        raise SchemaError(
            f"item {number} of what {self._words} was given has {size} rows in column {name!r}, and a bin has "
            f"{length}: shorten it by a map before, give a larger length, or cut it: strategy='concat_split'"
        )

    def _finish(self, place: int) -> Any:
        """Hand out a bin that is closed."""
        done = self._bins.pop(place)
        for number in done.numbers:
            del self._held.items[number]
        return self._sequences.packed(done.finish(self._sequences.fillers))

    def _fill_again(self, since: int, numbers: list[int]) -> None:
        """Fill a bin with items that were read again."""
        again: Bin | None = None
        for number in numbers:
            sequences, sizes = self._read(number)
            again = Bin(self._lengths) if again is None else again
            if any(map(gt, sizes, again.rooms())):
                raise StateError(
                    f"item {number} of what {self._words} was given does not fit into the bin that it was in: "
                    "it is not what it was when the state was saved"
                )
            again.add(number, sequences)
            self._held.items[number] = None
        assert again is not None  # no bin is empty
        self._bins[numbers[0]] = again
        self._packing.open(numbers[0], again.rooms(), since)

    def state(self) -> State:
        bins = [[self._packing.since(place), *one.numbers] for place, one in self._bins.items()]
        return {**self._held.state(), "finished": self._packing.finished, "bins": bins}

    def close(self) -> None:
        self._closed = True
        for one in self._bins.values():
            one.drop()
        self._held.close()


def _opened(state: State, most: int) -> list[tuple[int, list[int]]]:
    """Return the bins that a state says were open: how many were finished before each, and the items in it.

    Raises:
        StateError: There cannot have been such.
    """
    bins, finished = read_list(state, "bins"), read_whole(state, "finished")
    opened: list[tuple[int, list[int]]] = []
    for one in bins:
        if not isinstance(one, list) or len(one) < 2 or not all(type(number) is int for number in one):
            raise StateError(f"the state is damaged: a bin is a list of two numbers or more, got {one!r:.200}")
        since, *numbers = one
        opened.append((since, numbers))
    sinces = [since for since, _ in opened]
    firsts = [numbers[0] for _, numbers in opened]
    rising = all(numbers == sorted(numbers) for numbers in ([0, *sinces, finished], firsts, *(n for _, n in opened)))
    if len(opened) > most or not rising:
        raise StateError(f"the state is damaged: there cannot have been these bins open: {bins!r:.200}")
    return opened
