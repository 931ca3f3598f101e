"""Which cells of a divided cube windows touch: tables along each dimension, and sums over cells to look them up in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.axis import Axis

CELLS = 1 << 16
"""Windows that are looked up in one go."""


@dataclass(frozen=True, eq=False)
class Reach:
    """The cells that windows touch along one dimension: a stretch of a list, for each place where one may begin.

    Args:
        cells: The list. Windows whose elements do not lie side by side skip cells, so that cells may come in it more
            than once, in other company.
        low: Where the stretch begins, for each start.
        high: Where it ends: one past its last.
        first: The start that ``low[0]`` is of.
    """

    cells: Indices
    low: Indices
    high: Indices
    first: int


def reach(axis: Axis, edges: Indices, reflect: bool, inside: bool = False) -> Reach:
    """Return which cells the windows of a dimension touch, by all that they really read.

    Elements past an end are none, or with ``reflect`` those that stand for them.

    Args:
        axis: The dimension.
        edges: Where its cells begin, and its length at the end.
        reflect: Whether windows are filled up by mirrored elements.
        inside: Only windows that lie within the dimension.

    >>> found = reach(Axis("x", 10, 3, 1), np.array([0, 4, 10]), reflect=False)
    >>> found.low.tolist(), found.high.tolist()
    ([0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 2, 2, 2, 2, 2, 2])
    """
    beyond = axis.partial == "pad" and not inside
    first, last = (1 - axis.span, axis.length - 1) if beyond else (0, axis.room)
    starts = np.arange(first, last + 1, dtype=np.int64)
    step = axis.dilation
    begin = np.where(starts >= 0, starts, starts + -(starts // step) * step)
    end = starts + (np.minimum(starts + axis.span, axis.length) - 1 - starts) // step * step
    none = begin > end
    mirrored = reflect & ((starts < 0) | (starts > axis.room))
    if step == 1:  # elements side by side stay so in a mirror
        left = np.minimum(np.maximum(-starts, 0), axis.length - 1)
        right = np.maximum(2 * (axis.length - 1) - (starts + axis.span - 1), 0)
        begin = np.where(mirrored, np.minimum(begin, right), begin)
        end = np.where(mirrored, np.maximum(end, left), end)
    cells, entry = _entries(edges, step)
    low = np.where(none, 0, entry[np.where(none, 0, begin)])
    high = np.where(none, 0, entry[np.where(none, 0, end)] + 1)
    if step > 1 and mirrored.any():
        more, low[mirrored], high[mirrored] = _listed(axis, starts[mirrored], edges, len(cells))
        cells = np.concatenate([cells, more])
    return Reach(cells, low, high, first)


def _entries(edges: Indices, step: int) -> tuple[Indices, Indices]:
    """List cells in the order in which every ``step``-th element passes them, and say where each element stands."""
    of_element = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    if step == 1:
        return np.arange(len(edges) - 1), of_element
    entry = np.empty(len(of_element), np.int64)
    listed: list[Indices] = []
    count = 0
    for residue in range(min(step, len(of_element))):
        passed = of_element[residue::step]
        new = np.append(True, passed[1:] != passed[:-1])
        entry[residue::step] = count + np.cumsum(new) - 1
        listed.append(passed[new])
        count += len(listed[-1])
    return np.concatenate(listed), entry


def _listed(axis: Axis, starts: Indices, edges: Indices, base: int) -> tuple[Indices, Indices, Indices]:
    """List the cells of each of some windows by itself, where mirrored elements are no longer in step."""
    touched = np.sort(np.searchsorted(edges, axis.positions(starts, reflect=True), "right") - 1, axis=1)
    new = np.ones(touched.shape, bool)
    new[:, 1:] = touched[:, 1:] != touched[:, :-1]
    ends = base + np.cumsum(new.sum(axis=1))
    return touched[new], ends - new.sum(axis=1), ends


class Counts:
    """How many cells of each kind lie in boxes of cells: summed-area tables (Crow, SIGGRAPH 1984).

    Args:
        kinds: The kind of each cell, from 0; others are not counted.
        count: How many kinds there are.
    """

    def __init__(self, kinds: NDArray[np.integer], count: int) -> None:
        shape = tuple(length + 1 for length in kinds.shape)
        sums = np.zeros((count, *shape), np.int32 if kinds.size < 1 << 31 else np.int64)
        inner = sums[(slice(None), *(slice(1, None) for _ in shape))]
        for kind in range(count):
            inner[kind] = kinds == kind
        for place in range(1, sums.ndim):
            np.cumsum(sums, axis=place, dtype=sums.dtype, out=sums)
        self._sums = sums.reshape(-1)
        self._steps = [stride // sums.itemsize for stride in sums.strides]

    def of(self, kinds: Indices, low: Sequence[Indices], high: Sequence[Indices]) -> Indices:
        """Return how many cells of a kind lie in each box; ``low`` and ``high``, one past it, by dimension."""
        base = kinds * self._steps[0]
        found = np.zeros(len(kinds), np.int64)
        scaled = [(one * step, other * step) for one, other, step in zip(low, high, self._steps[1:], strict=True)]
        for corner in product((0, 1), repeat=len(scaled)):
            at = base
            for side, pair in zip(corner, scaled, strict=True):
                at = at + pair[side]
            found += self._sums[at] if (len(corner) - sum(corner)) % 2 == 0 else -self._sums[at]
        return found


def pieces(count: int) -> Iterator[slice]:
    """Cut so many windows into stretches that are looked up in one go."""
    for first in range(0, count, CELLS):
        yield slice(first, first + CELLS)
