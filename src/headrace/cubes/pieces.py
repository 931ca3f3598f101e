"""Windows of a variable in chunks, cut into pieces of which each lies in one chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.copying import Windows, slices
from headrace.cubes.cut import Cut
from headrace.cubes.layout import Layout

SHARED = 4
"""How many windows in one chunk are worth a view of all its windows."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Parts of windows, each of which lies in one array.

    Args:
        rows: The window of each, ``(p,)``.
        sources: Where it begins in the array, ``(p, axes)``.
        targets: Where it goes to in the window.
        counts: Elements along each axis.
    """

    rows: Indices
    sources: Indices
    targets: Indices
    counts: Indices

    def at(self, places: Any) -> Pieces:
        """Return some of them."""
        return Pieces(self.rows[places], self.sources[places], self.targets[places], self.counts[places])

    def slices(self, steps: Sequence[int]) -> tuple[list[tuple[slice, ...]], list[tuple[slice, ...]]]:
        """Return what takes each from its array, and what it is in its window."""
        ends = self.sources + (self.counts - 1) * np.array(steps, np.int64) + 1
        return slices(self.sources, ends, steps), slices(self.targets, self.targets + self.counts)


@dataclass(frozen=True, eq=False)
class Wholes:
    """Windows that lie in one chunk whole, sorted by chunk.

    Args:
        cut: How windows cut the variable.
        numbers: Of the chunk of each, ascending.
        rows: Which windows they are.
        begins: Where each begins in its chunk.
        out: Where they go to.
    """

    cut: Cut
    numbers: Indices
    rows: Indices
    begins: Indices
    out: NDArray[Any]

    @cached_property
    def _one_by_one(self) -> tuple[list[int], list[tuple[slice, ...]]]:
        ends = self.begins + self.cut.reach + 1
        return self.rows.tolist(), slices(self.begins, ends, self.cut.steps)

    def copy(self, array: NDArray[Any], begin: int, end: int) -> None:
        """Copy some of them, which lie in the same chunk."""
        if end - begin < SHARED:
            rows, sources = self._one_by_one
            for at in range(begin, end):
                self.out[rows[at]] = array[sources[at]]
        else:
            windows = Windows(array, self.cut.sizes, self.cut.steps, self.out.dtype)
            windows.copy(self.begins[begin:end], self.out, self.rows[begin:end])


@dataclass(frozen=True, eq=False)
class Crossing:
    """Pieces of windows that lie in several chunks, sorted by chunk.

    Args:
        pieces: These.
        numbers: Of the chunk of each, ascending.
        steps: From one element of a window to the next.
        targets: By the number of a window the array that it goes to.
    """

    pieces: Pieces
    numbers: Indices
    steps: tuple[int, ...]
    targets: NDArray[Any] | list[NDArray[Any]]

    @cached_property
    def _one_by_one(self) -> list[tuple[int, tuple[slice, ...], tuple[slice, ...]]]:
        sources, targets = self.pieces.slices(self.steps)
        return list(zip(self.pieces.rows.tolist(), targets, sources, strict=True))

    def copy(self, array: NDArray[Any], begin: int, end: int) -> None:
        """Copy some of them, which lie in the same chunk."""
        targets = self.targets
        for row, target, source in self._one_by_one[begin:end]:
            targets[row][target] = array[source]


def crossing(
    chunks: Layout,
    windows: tuple[Indices, Indices, Indices, Indices],
    steps: tuple[int, ...],
    targets: NDArray[Any] | list[NDArray[Any]],
) -> Crossing:
    """Cut windows into pieces that lie in one chunk each.

    Args:
        chunks: Its chunks.
        windows: Which they are, where they begin, from which of their elements, and to which.
        steps: From one element to the next.
        targets: By the number of a window the array that it goes to.
    """
    rows, begins, low, high = windows
    stepped = np.array(steps, np.int64)
    spread = chunks.at(begins + (high - 1) * stepped) - (first := chunks.at(begins + low * stepped)) + 1
    spread[(high <= low).any(1)] = 0
    each = spread.prod(1)
    owners = np.repeat(np.arange(len(begins)), each)
    rest = np.arange(len(owners)) - np.repeat(np.cumsum(each) - each, each)
    places = first[owners]
    for axis in reversed(range(places.shape[1])):
        rest, here = np.divmod(rest, spread[owners, axis])
        places[:, axis] += here
    begin = begins[owners]
    lows = chunks.edge(places)
    firsts = np.maximum(low[owners], -((begin - lows) // stepped))
    counts = np.minimum(high[owners], -((begin - chunks.edge(places + 1)) // stepped)) - firsts
    pieces = Pieces(rows[owners], begin + firsts * stepped - lows, firsts, counts)
    numbers = chunks.numbers(places)
    filled = (counts > 0).all(1)  # a chunk may lie between two elements of a dilated window
    order = numbers.argsort(kind="stable")
    order = order[filled[order]]
    return Crossing(pieces.at(order), numbers[order], steps, targets)
