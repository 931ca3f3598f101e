"""Which bin a sequence goes into: bin packing as items come, with so many bins open at a time.

Nothing here holds data. An item is its number and how many rows it takes in each column, a bin is the number of the
item that it was opened for: so bins in the order of their numbers are bins in the order in which they were opened.

The rules are the classical ones of packing in one pass (Johnson 1974), in their bounded form, where a bin that was
closed is never opened again (Csirik and Johnson 2001). Several columns make a bin of several rooms; what is left of
them together is their sum, each as a share of its own length.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from math import lcm
from operator import ge, mul, sub
from typing import Protocol, TypeAlias

import numpy as np

Sizes: TypeAlias = tuple[int, ...]
"""Rows in each column."""

_PATIENCE = 8  # bins that are finished while one is open, for each that may be open
_FIRST_PLACES = 64


class Finder(Protocol):
    """Says which of the open bins an item goes into; told of every change of what is left in them."""

    def find(self, sizes: Sizes) -> int | None:
        """Return the bin for an item; None where it fits into none."""
        ...

    def fullest(self) -> int:
        """Return the bin in which the least is left, the oldest of such."""
        ...

    def add(self, number: int, rooms: Sizes) -> None:
        """Take in a bin, of a number above those of all others."""
        ...

    def change(self, number: int, before: Sizes, rooms: Sizes) -> None:
        """Note what is left in a bin now."""
        ...

    def remove(self, number: int, rooms: Sizes) -> None:
        """Take out a bin that has this left."""
        ...


def weights_of(lengths: Sizes) -> Sizes:
    """Return what a row of each column counts, so that a whole bin of any column counts the same.

    >>> weights_of((512, 128)), weights_of((2048,))
    ((1, 4), (1,))
    """
    common = lcm(*lengths)
    return tuple(common // length for length in lengths)


class BestFit:
    """The bin that an item leaves the least room in, the oldest of such: bins sorted by what is left in them.

    An item needs no more than what is left in its bin altogether, so the search begins at bins that have as much; of
    one column the first of them is the answer.

    >>> bins = BestFit((10,))
    >>> bins.add(0, (6,)), bins.add(1, (4,)), bins.add(2, (5,))
    (None, None, None)
    >>> bins.find((4,)), bins.find((5,)), bins.fullest()
    (1, 2, 1)
    """

    def __init__(self, lengths: Sizes) -> None:
        self._weights = weights_of(lengths)
        self._single = len(lengths) == 1
        self._bins: list[tuple[int, int, Sizes]] = []  # what is left altogether, the number, what is left

    def find(self, sizes: Sizes) -> int | None:
        bins = self._bins
        for at in range(bisect_left(bins, (self._total(sizes), -1, sizes)), len(bins)):
            _, number, rooms = bins[at]
            if self._single or all(map(ge, rooms, sizes)):
                return number
        return None

    def fullest(self) -> int:
        return self._bins[0][1]

    def add(self, number: int, rooms: Sizes) -> None:
        insort(self._bins, (self._total(rooms), number, rooms))

    def change(self, number: int, before: Sizes, rooms: Sizes) -> None:
        self.remove(number, before)
        self.add(number, rooms)

    def remove(self, number: int, rooms: Sizes) -> None:
        del self._bins[bisect_left(self._bins, (self._total(rooms), number, rooms))]

    def _total(self, sizes: Sizes) -> int:
        return sizes[0] if self._single else sum(map(mul, sizes, self._weights))


class FirstFit:
    """The oldest bin that an item fits into: what is left in all of them is compared at once.

    >>> bins = FirstFit((10,), most=3)
    >>> bins.add(0, (6,)), bins.add(1, (4,)), bins.add(2, (5,))
    (None, None, None)
    >>> bins.find((4,)), bins.find((7,)), bins.fullest()
    (0, None, 1)
    """

    def __init__(self, lengths: Sizes, most: int) -> None:
        self._weights = np.array(weights_of(lengths))
        self._numbers: list[int] = []
        # By column, oldest first; where no bin is, nothing fits
        self._rooms = np.full((len(lengths), min(most, _FIRST_PLACES)), -1, np.int64)

    def find(self, sizes: Sizes) -> int | None:
        fits = self._rooms[0] >= sizes[0]
        for column in range(1, len(sizes)):
            fits &= self._rooms[column] >= sizes[column]
        at = int(fits.argmax())
        return self._numbers[at] if fits[at] else None

    def fullest(self) -> int:
        totals = self._weights @ self._rooms[:, : len(self._numbers)]
        return self._numbers[int(totals.argmin())]

    def add(self, number: int, rooms: Sizes) -> None:
        if len(self._numbers) == self._rooms.shape[1]:
            self._rooms = np.concatenate([self._rooms, np.full_like(self._rooms, -1)], axis=1)
        self._rooms[:, len(self._numbers)] = rooms
        self._numbers.append(number)

    def change(self, number: int, before: Sizes, rooms: Sizes) -> None:
        self._rooms[:, bisect_left(self._numbers, number)] = rooms

    def remove(self, number: int, rooms: Sizes) -> None:
        at = bisect_left(self._numbers, number)
        del self._numbers[at]
        self._rooms[:, at:-1] = self._rooms[:, at + 1 :]
        self._rooms[:, -1] = -1


class Packing:
    """Items put into bins one after the other, and which bin is finished by each: none, or one.

    A bin is finished

    * when a column of it is full;
    * when an item fits into no bin and ``open_bins`` are open: then the fullest is;
    * when it has been open while ``8 * open_bins`` others were finished: what it waits for seems never to come, and
      whoever resumes would have to read back ever further;
    * at the end.

    Args:
        lengths: Rows of a bin, column by column.
        strategy: ``best_fit`` or ``first_fit``.
        open_bins: How many may be open at a time.

    >>> packing = Packing((10,), "best_fit", open_bins=2)
    >>> [packing.put(number, (size,)) for number, size in enumerate([6, 7, 3, 9, 10, 4])]
    [(0, None), (1, None), (1, 1), (3, None), (4, 4), (0, 0)]
    >>> packing.oldest()
    3
    """

    def __init__(self, lengths: Sizes, strategy: str, open_bins: int) -> None:
        self.lengths = lengths
        self.open_bins = open_bins
        self.finished = 0  # bins that were
        self._strategy = strategy
        self._finder: Finder = BestFit(lengths) if strategy == "best_fit" else FirstFit(lengths, open_bins)
        self._rooms: dict[int, Sizes] = {}  # what is left in the open bins, oldest first
        self._since: dict[int, int] = {}  # bins that were finished before each was opened
        self._due = 0  # bins finished when the oldest has been open for too long

    def of_lengths(self, lengths: Sizes) -> Packing:
        """Return the same of bins of other columns, none being open."""
        other = Packing(lengths, self._strategy, self.open_bins)
        other.finished = self.finished
        return other

    def oldest(self) -> int | None:
        """Return the bin that was opened first of those that are open; None where there is none."""
        return next(iter(self._rooms), None)

    def since(self, number: int) -> int:
        """Return how many bins were finished before this one was opened."""
        return self._since[number]

    def overdue(self) -> int | None:
        """Close and return the oldest bin if it has been open for too long; asked before each item."""
        if self.finished < self._due or not self._rooms:
            return None
        number = next(iter(self._rooms))
        self._due = self._since[number] + _PATIENCE * self.open_bins
        return self.close(number) if self.finished >= self._due else None

    def put(self, number: int, sizes: Sizes) -> tuple[int, int | None]:
        """Put an item into a bin; it is no larger than one. Return its bin, and the one that this closed, if any."""
        bin_of = self._finder.find(sizes)
        if bin_of is not None:
            before = self._rooms[bin_of]
            rooms = tuple(map(sub, before, sizes))
            if 0 in rooms:
                return bin_of, self.close(bin_of)
            self._rooms[bin_of] = rooms
            self._finder.change(bin_of, before, rooms)
            return bin_of, None
        rooms = tuple(map(sub, self.lengths, sizes))
        if 0 in rooms:
            self.finished += 1
            return number, number  # it takes no place among the open ones
        closed = self.close(self._finder.fullest()) if len(self._rooms) == self.open_bins else None
        self.open(number, rooms, self.finished)
        return number, closed

    def open(self, number: int, rooms: Sizes, since: int) -> None:
        """Open a bin, in which this is left, after so many were finished."""
        self._finder.add(number, rooms)
        self._rooms[number] = rooms
        self._since[number] = since

    def close(self, number: int) -> int:
        """Close a bin, and return it."""
        self._finder.remove(number, self._rooms.pop(number))
        del self._since[number]
        self.finished += 1
        return number


def pack(sizes: Sequence[Sizes], packing: Packing) -> list[list[int]]:
    """Return the bins that items make, each as the items' numbers, in the order in which they are finished.

    >>> pack([(6,), (7,), (3,), (9,), (10,), (4,)], Packing((10,), "best_fit", open_bins=2))
    [[1, 2], [4], [0, 5], [3]]
    """
    held: dict[int, list[int]] = {}
    finished: list[list[int]] = []
    for number, size in enumerate(sizes):
        while (late := packing.overdue()) is not None:
            finished.append(held.pop(late))
        bin_of, closed = packing.put(number, size)
        held.setdefault(bin_of, []).append(number)
        if closed is not None:
            finished.append(held.pop(closed))
    return finished + [held[number] for number in sorted(held)]
