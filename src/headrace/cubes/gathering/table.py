"""Pieces of single windows, kept by where they begin along each dimension: most begin where others do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TypeAlias

import numpy as np

from headrace.core.source import Indices
from headrace.cubes.axis import Axis

KEPT = 1 << 16
"""How many places along a dimension are kept."""

Some: TypeAlias = "slice | Indices"
"""Elements along one dimension; their numbers where they are mirrored."""

Along: TypeAlias = "tuple[int, Some, Some]"
"""A piece along one dimension: its part of the chunk's number, where it lies in the chunk, and where in the window."""

Job: TypeAlias = "tuple[tuple[int | Some, ...], tuple[Some, ...]]"
"""A piece: where it goes to, the number of the window first, and where it lies in its chunk."""


@dataclass(frozen=True, eq=False)
class Table:
    """Which pieces windows fall into along one dimension.

    Args:
        axis: The dimension.
        edges: Where chunks begin, and its end.
        factor: What the place of a chunk is multiplied by for its number.
        reflect: Whether windows are mirrored at an end; else what lies outside is left out.

    >>> table = Table(Axis("x", 10, 4, 1), np.array([0, 5, 10]), 1)
    >>> table[3]
    ((0, slice(3, 5, None), slice(0, 2, None)), (1, slice(0, 2, None), slice(2, 4, None)))
    """

    axis: Axis
    edges: Indices
    factor: int
    reflect: bool = False
    kept: dict[int, tuple[Along, ...]] = field(default_factory=dict)

    def __getitem__(self, begin: int) -> tuple[Along, ...]:
        """Return the pieces of a window that begins at a place."""
        found = self.kept.get(begin)
        if found is None:
            if len(self.kept) >= KEPT:
                self.kept.clear()
            mirrored = self.reflect and not 0 <= begin <= self.axis.room
            found = self.kept[begin] = self._mirrored(begin) if mirrored else self._pieces(begin)
        return found

    def _pieces(self, begin: int) -> tuple[Along, ...]:
        step = self.axis.dilation
        here = max(0, -(begin // step))  # the first element of the window that lies within
        end = min(self.axis.size, -((begin - self.axis.length) // step))
        found: list[Along] = []
        while here < end:
            first = begin + here * step
            chunk = int(self.edges.searchsorted(first, "right")) - 1
            low, high = self.edges[chunk : chunk + 2].tolist()
            stop = min(end, -((begin - high) // step))
            last = begin + (stop - 1) * step
            source = slice(first - low, last - low + 1, None if step == 1 else step)
            found.append((chunk * self.factor, source, slice(here, stop)))
            here = stop
        return tuple(found)

    def _mirrored(self, begin: int) -> tuple[Along, ...]:
        elements = self.axis.positions(np.array([begin]), reflect=True)[0]
        chunks = self.edges.searchsorted(elements, "right") - 1
        found: list[Along] = []
        for chunk in np.unique(chunks).tolist():
            here = np.flatnonzero(chunks == chunk)
            found.append((chunk * self.factor, elements[here] - self.edges[chunk], here))
        return tuple(found)


def jobs(tables: Sequence[Table], begins: Indices, rows: Sequence[int]) -> dict[int, list[Job]]:
    """Return the pieces of windows by the number of the chunk that each lies in.

    Args:
        tables: By dimension.
        begins: Where windows begin, ``(n, dimensions)``.
        rows: Their numbers.

    >>> jobs((Table(Axis("x", 10, 4, 1), np.array([0, 5, 10]), 1),), np.array([[6]]), [3])
    {1: [((3, slice(0, 4, None)), (slice(1, 5, None),))]}
    """
    if not tables:
        return {0: [((row,), ()) for row in rows]}
    found: dict[int, list[Job]] = {}
    along = [[table[at] for at in begin] for table, begin in zip(tables, begins.T.tolist(), strict=True)]
    for row, window in zip(rows, zip(*along, strict=True), strict=True):
        for piece in product(*window):
            parts, sources, targets = zip(*piece, strict=True)
            number = sum(parts)
            job = (row, *targets), sources
            if number in found:
                found[number].append(job)
            else:
                found[number] = [job]
    if any(table.reflect for table in tables):
        return {number: [_outer(job) for job in some] for number, some in found.items()}
    return found


def _outer(job: Job) -> Job:
    """Return a piece so that NumPy takes every combination of elements, where some are given by their numbers."""
    (row, *targets), sources = job
    if all(isinstance(one, slice) for one in targets):
        return job
    numbers = [np.ix_(*map(_numbers, some)) for some in (targets, sources)]
    return (row, *numbers[0]), tuple(numbers[1])


def _numbers(some: Some | int) -> Indices:
    if isinstance(some, slice):
        return np.arange(some.start, some.stop, some.step or 1)
    return np.asarray(some)
