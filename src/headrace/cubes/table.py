"""Pieces of single windows, kept by where they begin along each dimension: most begin where others do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from headrace.core.source import Indices
from headrace.cubes.axis import Axis

KEPT = 1 << 16
"""How many places along a dimension are kept."""

Along = tuple[int, slice, slice]
"""A piece along one dimension: its part of the chunk's number, where it lies in the chunk, and where in the window."""

Job = tuple[tuple[int | slice, ...], tuple[slice, ...]]
"""A piece: where it goes to, the number of the window first, and where it lies in its chunk."""


@dataclass(frozen=True, eq=False)
class Table:
    """Which pieces windows fall into along one dimension.

    Args:
        axis: The dimension.
        edges: Where chunks begin, and its end.
        factor: What the place of a chunk is multiplied by for its number.

    >>> import numpy as np
    >>> table = Table(Axis("x", 10, 4, 1), np.array([0, 5, 10]), 1)
    >>> table[3]
    ((0, slice(3, 5, None), slice(0, 2, None)), (1, slice(0, 2, None), slice(2, 4, None)))
    """

    axis: Axis
    edges: Indices
    factor: int
    kept: dict[int, tuple[Along, ...]] = field(default_factory=dict)

    def __getitem__(self, begin: int) -> tuple[Along, ...]:
        """Return the pieces of a window that begins at a place; what lies outside of the dimension is left out."""
        found = self.kept.get(begin)
        if found is None:
            if len(self.kept) >= KEPT:
                self.kept.clear()
            found = self.kept[begin] = self._pieces(begin)
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


def jobs(tables: Sequence[Table], begins: Indices) -> dict[int, list[Job]]:
    """Return the pieces of windows by the number of the chunk that each lies in.

    Args:
        tables: By dimension.
        begins: Where windows begin, ``(n, dimensions)``.

    >>> import numpy as np
    >>> jobs((Table(Axis("x", 10, 4, 1), np.array([0, 5, 10]), 1),), np.array([[6]]))
    {1: [((0, slice(0, 4, None)), (slice(1, 5, None),))]}
    """
    found: dict[int, list[Job]] = {}
    for row, begin in enumerate(begins.tolist()):
        for pieces in product(*(table[at] for table, at in zip(tables, begin, strict=True))):
            number = 0
            sources: list[slice] = []
            targets: list[int | slice] = [row]
            for part, source, target in pieces:
                number += part
                sources.append(source)
                targets.append(target)
            found.setdefault(number, []).append((tuple(targets), tuple(sources)))
    return found
