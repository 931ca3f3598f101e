"""Which patches lie together: boxes of whole chunks, large enough that what patches share across borders is little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from headrace.core.source import Indices
from headrace.core.tiled import Tiled
from headrace.cubes.axis import Axis
from headrace.cubes.cube import Cube, Variable
from headrace.cubes.geometry import Geometry

AMPLIFICATION = 1.2
"""How often a byte may be fetched, in the mean, before boxes of more chunks are taken, as far as there is room."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of whole chunks, and the box in which each patch begins.

    Args:
        geometry: The patches.
        variables: What lies in chunks.
        edges: Along each dimension where boxes begin, and its end.
        distinct: Bytes of all chunks that patches lie in, once; found for each dimension by itself.
    """

    geometry: Geometry
    variables: tuple[Variable, ...]
    edges: tuple[Indices, ...]
    distinct: int

    @classmethod
    def of_chunks(cls, geometry: Geometry, variables: tuple[Variable, ...], edges: tuple[Indices, ...]) -> Boxes:
        """Return boxes as they are given; see the class."""
        whole = cls(geometry, variables, tuple(one[[0, -1]] for one in edges), 0)
        return cls(geometry, variables, edges, int(whole.nbytes.sum()))

    @property
    def shape(self) -> tuple[int, ...]:
        """How many boxes there are along each dimension."""
        return tuple(len(edges) - 1 for edges in self.edges)

    @cached_property
    def nbytes(self) -> Indices:
        """Bytes of all chunks that the patches of each box lie in."""
        total = np.zeros(self.shape, np.int64)
        for variable in self.variables:
            total += _outer(self._extents(variable)) * variable.dtype.itemsize
        return total.reshape(-1)

    def _extents(self, variable: Variable) -> list[Indices]:
        """Return, along each dimension, how many elements of whole chunks the patches of a box lie in."""
        extents = []
        for axis, (low, high) in zip(self.geometry.axes, self._reach, strict=True):
            if axis.name not in variable.dims or variable.edges is None:
                extents.append(np.where(high > low, 1, 0))
                continue
            chunks = variable.edges[variable.dims.index(axis.name)]
            first = chunks[np.clip(chunks.searchsorted(low, "right") - 1, 0, None)]
            last = chunks[chunks.searchsorted(np.minimum(high, axis.length), "left")]
            extents.append(np.where(high > low, last - first, 0))
        return extents

    @cached_property
    def _reach(self) -> list[tuple[Indices, Indices]]:
        """Along each dimension the first element that patches of a box have, and the one after their last."""
        reach = []
        for axis, edges in zip(self.geometry.axes, self.edges, strict=True):
            if self.geometry.places is not None and axis.name in self.geometry.places.dims:
                reach.append((edges[:-1], np.minimum(edges[1:] - 1 + axis.span, axis.length)))
                continue
            firsts = _firsts(axis, edges[:-1])
            ends = np.append(firsts[1:], axis.count)
            low = axis.starts(np.minimum(firsts, axis.count - 1))
            high = axis.starts(np.maximum(ends - 1, 0)) + axis.span
            low, high = np.clip(low, 0, axis.length), np.clip(high, 0, axis.length)
            reach.append((low, np.where(ends > firsts, high, low)))
        return reach

    def of(self, records: Indices) -> Indices:
        found = np.zeros(len(records), np.int64)
        starts = self.geometry.starts(records)
        for place, edges in enumerate(self.edges):
            inside = np.clip(starts[:, place], 0, edges[-1] - 1)
            found *= len(edges) - 1
            found += edges.searchsorted(inside, "right") - 1
        return found

    @cached_property
    def chunk_nbytes(self) -> Indices:
        sizes = [
            _outer([np.diff(edges) for edges in variable.edges or ()]).reshape(-1) * variable.dtype.itemsize
            for variable in self.variables
        ]
        return np.concatenate(sizes)

    def touched(self, records: Indices) -> tuple[Indices, Indices]:
        starts = self.geometry.starts(records)
        chunks, rows, first = [], [], 0
        for variable in self.variables:
            edges = variable.edges or ()
            places = [self.geometry.dims.index(dim) for dim in variable.dims]
            low = [self._chunk(one, starts[:, at], at, False) for one, at in zip(edges, places, strict=True)]
            high = [self._chunk(one, starts[:, at], at, True) for one, at in zip(edges, places, strict=True)]
            cells, of = _within(low, high, [len(one) - 1 for one in edges], len(records))
            chunks.append(first + cells)
            rows.append(of)
            first += prod(len(one) - 1 for one in edges)
        return np.concatenate(chunks), np.concatenate(rows)

    def _chunk(self, edges: Indices, starts: Indices, at: int, last: bool) -> Indices:
        """Return the chunk in which windows begin, or end, along a dimension."""
        axis = self.geometry.axes[at]
        element = np.clip(starts + (axis.span - 1 if last else 0), 0, axis.length - 1)
        return edges.searchsorted(element, "right") - 1

    def tiled(self) -> Tiled | None:
        if self.geometry.places is not None:
            return None
        firsts = [
            np.unique(_firsts(axis, edges[:-1])) for axis, edges in zip(self.geometry.axes, self.edges, strict=True)
        ]
        counts = [axis.count for axis in self.geometry.axes]
        return Tiled(tuple(counts), tuple(one[one < count] for one, count in zip(firsts, counts, strict=True)))


def boxes(cube: Cube, geometry: Geometry, memory: int, lanes: int) -> Boxes | None:
    """Return the boxes for a block shuffle; None where everything lies at hand.

    A box is one chunk of the largest variable, or several side by side: as many as it takes until patches that lie
    across its borders cost less than a fifth more, as far as a window of the shuffle has room for them.

    Args:
        cube: What patches are cut from.
        geometry: The patches.
        memory: Of the block shuffle.
        lanes: Of the same.
    """
    chunked = tuple(variable for variable in cube.variables.values() if variable.edges is not None)
    if not chunked:
        return None
    largest = _largest(chunked)
    finest = [_finest(axis, largest, chunked) for axis in geometry.axes]
    found = Boxes.of_chunks(geometry, chunked, tuple(finest))
    room = memory // (2 * lanes)
    if found.distinct <= memory:  # all of it is held, so nothing is fetched twice
        return _Shared(geometry, chunked, found.edges, found.distinct)
    while _amplification(found) > AMPLIFICATION:
        larger = [one for one in _larger(found, finest) if int(one.nbytes.max(initial=0)) <= room]
        if not larger:
            break
        found = min(larger, key=_worth(found))
    return found


class _Shared(Boxes):
    """Boxes of which all chunks are held: one that several of them need counts for each as its share of it."""

    @cached_property
    def nbytes(self) -> Indices:
        each = super().nbytes
        shares: Indices = np.ceil(each * (self.distinct / max(int(each.sum()), 1))).astype(np.int64)
        return shares


def _largest(variables: Sequence[Variable]) -> Variable:
    return max(variables, key=lambda variable: variable.dtype.itemsize * prod(variable.shape))


def _finest(axis: Axis, largest: Variable, others: Sequence[Variable]) -> Indices:
    """Return where chunks begin along a dimension, and its end: those of the largest variable that has it."""
    for variable in (largest, *others):
        if axis.name in variable.dims and variable.edges is not None:
            return variable.edges[variable.dims.index(axis.name)]
    return np.array([0, axis.length])


def _larger(boxes: Boxes, finest: Sequence[Indices]) -> list[Boxes]:
    """Return larger boxes, for each dimension that has several: fewer along it, by one or by a quarter."""
    found = []
    for place, (edges, fine) in enumerate(zip(boxes.edges, finest, strict=True)):
        if len(edges) > 2:
            chunks, each = len(fine) - 1, -(-(len(fine) - 1) // (len(edges) - 1))
            count = min(-(-chunks // (each + max(1, each // 4))), len(edges) - 2)
            cuts = np.arange(count + 1) * chunks // count  # as alike as it goes
            wider = (*boxes.edges[:place], fine[cuts], *boxes.edges[place + 1 :])
            found.append(Boxes(boxes.geometry, boxes.variables, wider, boxes.distinct))
    return found


def _amplification(boxes: Boxes) -> float:
    return int(boxes.nbytes.sum()) / max(boxes.distinct, 1)


def _worth(before: Boxes) -> _Worth:
    return _Worth(_amplification(before), int(before.nbytes.max(initial=1)))


@dataclass(frozen=True)
class _Worth:
    """Orders larger boxes: what fetches least comes first, weighed by how much larger it is."""

    amplification: float
    nbytes: int

    def __call__(self, boxes: Boxes) -> float:
        saved = self.amplification - _amplification(boxes)
        grown = max(int(boxes.nbytes.max(initial=1)) / self.nbytes, 1.0)
        return -saved / grown


def _firsts(axis: Axis, begins: Indices) -> Indices:
    """Return the number of the first window that begins at each place or after it; the count where none does."""
    if axis.partial == "shift":  # the last one begins before its own place on the grid
        starts = axis.starts(np.array([max(axis.count - 2, 0), axis.count - 1]))
        found = np.clip(-(-(begins - axis.offset) // axis.stride), 0, axis.count)
        beyond = (begins > starts[0]) & (begins <= starts[1])
        return np.where(
            begins > starts[1], axis.count, np.where(beyond, axis.count - 1, np.minimum(found, axis.count - 1))
        )
    return np.where(begins <= 0, 0, np.clip(-(-(begins - axis.offset) // axis.stride), 0, axis.count))


def _outer(factors: Sequence[Indices]) -> Indices:
    product = np.ones((), np.int64)
    for factor in factors:
        product = product[..., None] * factor
    return product


def _within(
    low: Sequence[Indices], high: Sequence[Indices], shape: Sequence[int], count: int
) -> tuple[Indices, Indices]:
    """Return the numbers of the cells of a grid that lie in boxes, each given by its corners, and the box of each."""
    spans = [last - first + 1 for first, last in zip(low, high, strict=True)]
    each = np.prod(spans, axis=0, dtype=np.int64) if spans else np.ones(count, np.int64)
    rows = np.repeat(np.arange(count), each)
    rest = np.arange(len(rows)) - np.repeat(np.cumsum(each) - each, each)
    cells, stride = np.zeros(len(rows), np.int64), 1
    for first, span, size in zip(reversed(low), reversed(spans), reversed(shape), strict=True):
        rest, here = np.divmod(rest, span[rows])
        cells += (first[rows] + here) * stride
        stride *= size
    return cells, rows
