"""Where chunks begin, and which of their elements a selection takes: arithmetic on one dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np

from headrace.core.source import Indices

Positions: TypeAlias = "range | Indices"
"""Which elements of a dimension are taken, in their order; a range steps upwards."""

BLOCK_BYTES = 4 << 20


def even(length: int, size: int) -> Indices:
    """Return where chunks of one size begin, and the length at the end.

    >>> even(10, 4).tolist(), even(0, 4).tolist()
    ([0, 4, 8, 10], [0])
    """
    return np.append(np.arange(0, length, max(size, 1), dtype=np.int64), np.int64(length)) if length else _NOTHING


_NOTHING = np.zeros(1, np.int64)


def blocks(shape: Sequence[int], itemsize: int, most: int = BLOCK_BYTES) -> tuple[Indices, ...]:
    """Cut an array that has no chunks of its own, rows next to each other, into blocks of some bytes at most.

    The last dimensions stay whole, as far as that goes.

    >>> [edges.tolist() for edges in blocks((4, 6), itemsize=8, most=100)]
    [[0, 2, 4], [0, 6]]
    """
    sizes, room = [], max(most // max(itemsize, 1), 1)
    for length in reversed(shape):
        sizes.append(min(max(room, 1), max(length, 1)))
        room //= max(length, 1)
    return tuple(even(length, size) for length, size in zip(shape, reversed(sizes)))


def box(edges: Sequence[Indices], place: Sequence[int]) -> tuple[slice, ...]:
    """Return the elements of one chunk."""
    return tuple(slice(int(begins[k]), int(begins[k + 1])) for begins, k in zip(edges, place, strict=True))


def count(edges: Sequence[Indices]) -> int:
    """Return how many chunks there are."""
    return prod(len(begins) - 1 for begins in edges)


@dataclass(frozen=True, eq=False)
class Cut:
    """Elements taken of one dimension that lies in chunks: in runs, each from one chunk.

    Args:
        positions: Which elements are taken.
        edges: Where runs begin among them, and how many there are at the end.
        chunks: The chunk of each run.
        begins: Where that chunk begins.

    >>> cut = Cut.of(range(1, 10, 3), even(10, 4))
    >>> cut.edges.tolist(), cut.chunks.tolist(), cut.within(0), cut.within(1)
    ([0, 1, 3], [0, 1], slice(1, 2, 3), slice(0, 4, 3))
    """

    positions: Positions
    edges: Indices
    chunks: Indices
    begins: Indices

    @classmethod
    def of(cls, positions: Positions, edges: Indices) -> Cut:
        """Find the runs of some elements of a dimension whose chunks begin at ``edges``."""
        if isinstance(positions, range):
            marks = -(-(edges - positions.start) // positions.step)  # the first that is taken at or behind each edge
            runs = np.unique(np.clip(marks, 0, len(positions)))
            firsts = positions.start + runs[:-1] * positions.step
        else:
            chunks = edges.searchsorted(positions, "right") - 1
            runs = np.concatenate([_NOTHING, np.flatnonzero(np.diff(chunks)) + 1, [len(positions)]])
            runs = runs.astype(np.int64) if len(positions) else _NOTHING
            firsts = positions[runs[:-1]]
        found = edges.searchsorted(firsts, "right") - 1
        return cls(positions, runs, found, edges[found])

    def within(self, run: int) -> slice | Indices:
        """Return which elements of its chunk a run takes."""
        first, last, begin = int(self.edges[run]), int(self.edges[run + 1]), int(self.begins[run])
        if isinstance(self.positions, range):
            low, step = self.positions[first] - begin, self.positions.step
            return slice(low, low + (last - first - 1) * step + 1, step)
        return self.positions[first:last] - begin


def taken(positions: Positions, key: slice | Indices) -> Positions:
    """Return what a key takes of positions: ``positions[key]``, as a range that steps upwards where it is one.

    >>> taken(range(10, 20), slice(2, 8, 3)), taken(range(10, 20), np.array([3, 1]))
    (range(12, 18, 3), array([13, 11]))
    """
    if isinstance(positions, range):
        if isinstance(key, slice):
            found = positions[key]
            return found if found.step > 0 else np.arange(found.start, found.stop, found.step, dtype=np.int64)
        key = np.where(key < 0, key + len(positions), key)
        return np.asarray(positions.start + key.astype(np.int64) * positions.step)
    return positions[key]
