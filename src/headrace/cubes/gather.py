"""Patches out of arrays: windows of one array, or pieces of windows out of chunks, copied straight into a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.axis import Axis
from headrace.cubes.chunks import Chunks, Grid
from headrace.cubes.copying import Windows, slices
from headrace.cubes.cube import Variable
from headrace.cubes.geometry import Geometry

SHARED = 4
"""How many windows in one chunk are worth a view of all its windows."""


@dataclass(frozen=True, eq=False)
class Cut:
    """How the windows of a geometry cut one variable.

    Args:
        variable: What is cut.
        places: Of its dimensions among the cube's, ascending.
        order: Its own axes in that order.
        axes: The geometry's, in that order.
        padded: Whether windows may run past an end of one of them.
    """

    variable: Variable
    places: tuple[int, ...]
    order: tuple[int, ...]
    axes: tuple[Axis, ...]
    padded: bool

    @classmethod
    def of(cls, variable: Variable, geometry: Geometry) -> Cut:
        """Return how a geometry cuts a variable."""
        places = tuple(place for place, dim in enumerate(geometry.dims) if dim in variable.dims)
        axes = tuple(geometry.axes[place] for place in places)
        order = tuple(variable.dims.index(axis.name) for axis in axes)
        return cls(variable, places, order, axes, any(axis.name in geometry.padded for axis in axes))

    @property
    def dims(self) -> tuple[str, ...]:
        """Those that its patches have."""
        return tuple(axis.name for axis in self.axes if axis.kept)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Of a patch."""
        return tuple(axis.size for axis in self.axes if axis.kept)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Of a window along all its dimensions."""
        return tuple(axis.size for axis in self.axes)

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """From one element of a window to the next."""
        return tuple(axis.dilation for axis in self.axes)

    @cached_property
    def stepped(self) -> Indices:
        """The same, as an array."""
        return np.array(self.steps, np.int64)

    @cached_property
    def rooms(self) -> Indices:
        """The last places at which windows fit."""
        return np.array([axis.room for axis in self.axes], np.int64)

    @cached_property
    def grid(self) -> Grid | None:
        """Its chunks, in its own order of axes; None where it lies at hand."""
        edges = self.variable.edges
        return None if edges is None else Grid(edges, self.variable.dtype.itemsize)

    @cached_property
    def layout(self) -> Layout:
        """Its chunks in the cube's order of dimensions."""
        assert self.grid is not None
        return Layout.of(self.grid, self.order)

    @cached_property
    def reach(self) -> Indices:
        """From the first to the last element of a window."""
        return np.array([axis.span - 1 for axis in self.axes], np.int64)

    @cached_property
    def windows(self) -> Windows:
        """All its windows, where it lies at hand."""
        return Windows(self.array, self.sizes, self.steps, self.variable.dtype)

    @property
    def array(self) -> NDArray[Any]:
        """The variable in the cube's order, where it lies at hand; not to be written to."""
        return self.variable.whole().transpose(self.order)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "windows"}

    def inside(self, starts: Indices) -> NDArray[np.bool_]:
        """Say which windows lie wholly within the cube."""
        return np.asarray(((starts >= 0) & (starts <= self.rooms)).all(1), np.bool_)


def gather(cut: Cut, starts: Indices, out: NDArray[Any], chunks: Chunks, fill: Any, reflect: bool) -> None:
    """Write the patches of a variable.

    Args:
        cut: How windows cut it.
        starts: Where they begin in all dimensions of the cube, ``(n, dimensions)``.
        out: Where to: C-contiguous, ``(n, *shape of a patch)``; all of it is written.
        chunks: Those that were read.
        fill: What fills windows up past an end.
        reflect: Whether they are mirrored there instead.
    """
    begins = starts if len(cut.places) == starts.shape[1] else starts[:, list(cut.places)]
    targets = out.reshape((len(out), *cut.sizes))
    border = np.flatnonzero(~cut.inside(begins)) if cut.padded else np.empty(0, np.int64)
    if cut.grid is None:
        _from_array(cut, begins, targets, border, fill, reflect)
    else:
        _from_chunks(cut, cut.grid, begins, targets, border, chunks, fill, reflect)


def _from_array(cut: Cut, begins: Indices, out: NDArray[Any], border: Indices, fill: Any, reflect: bool) -> None:
    windows = cut.windows if out.dtype == cut.variable.dtype else Windows(cut.array, cut.sizes, cut.steps, out.dtype)
    if not len(border):
        windows.copy(begins, out)
        return
    within = np.ones(len(begins), bool)
    within[border] = False
    rows = np.flatnonzero(within)
    windows.copy(begins[rows], out, rows)
    array = cut.array
    if reflect:
        positions = _mirrored(cut, begins[border])
        for at, row in enumerate(border.tolist()):
            out[row] = array[np.ix_(*(one[at] for one in positions))]
        return
    out[border] = fill
    low, high = _there(cut, begins[border])
    pieces = Pieces(border, begins[border] + low * cut.stepped, low, high - low)
    pieces = pieces.at((pieces.counts > 0).all(1))
    for row, source, target in zip(pieces.rows.tolist(), *pieces.slices(cut.steps), strict=True):
        out[row][target] = array[source]


def _there(cut: Cut, begins: Indices) -> tuple[Indices, Indices]:
    """Return from which to which element windows lie within the cube."""
    lengths = np.array([axis.length for axis in cut.axes], np.int64)
    sizes = np.array(cut.sizes, np.int64)
    low = np.clip(-(begins // cut.stepped), 0, sizes)
    high = np.clip(-((begins - lengths) // cut.stepped), low, sizes)
    return low, high


# Out of chunks


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
    cut: Cut,
    chunks: Layout,
    windows: tuple[Indices, Indices, Indices, Indices],
    steps: tuple[int, ...],
    targets: NDArray[Any] | list[NDArray[Any]],
) -> Crossing:
    """Cut windows into pieces that lie in one chunk each.

    Args:
        cut: How windows cut the variable.
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


@dataclass(frozen=True, eq=False)
class Layout:
    """The chunks of a variable in the cube's order of dimensions.

    Args:
        edges: By dimension.
        factors: What the place of a chunk along each is multiplied by for its number.
    """

    edges: tuple[Indices, ...]
    factors: Indices

    @classmethod
    def of(cls, grid: Grid, order: tuple[int, ...]) -> Layout:
        """Return those of a grid, whose axes are brought into an order."""
        factors = np.ones(len(grid.shape), np.int64)
        for axis in reversed(range(len(grid.shape) - 1)):
            factors[axis] = factors[axis + 1] * grid.shape[axis + 1]
        return cls(tuple(grid.edges[axis] for axis in order), factors[list(order)])

    @cached_property
    def even(self) -> Indices | None:
        """The size of chunks along each dimension, where all but the last have the same."""
        sizes = [int(edges[1]) for edges in self.edges]
        same = all(
            np.array_equal(edges, np.minimum(np.arange(len(edges)) * size, edges[-1]))
            for edges, size in zip(self.edges, sizes, strict=True)
        )
        return np.array(sizes, np.int64) if same else None

    @cached_property
    def ends(self) -> Indices:
        """The lengths of dimensions."""
        return np.array([edges[-1] for edges in self.edges], np.int64)

    def at(self, elements: Indices) -> Indices:
        """Return the places of the chunks that elements lie in, ``(n, axes)``."""
        if self.even is not None:
            return np.asarray(elements // self.even, np.int64)
        found = np.empty_like(elements)
        for axis, edges in enumerate(self.edges):
            found[:, axis] = edges.searchsorted(elements[:, axis], "right") - 1
        return found

    def edge(self, places: Indices) -> Indices:
        """Return the first elements of chunks, ``(n, axes)``."""
        if self.even is not None:
            return np.asarray(np.minimum(places * self.even, self.ends), np.int64)
        found = np.empty_like(places)
        for axis, edges in enumerate(self.edges):
            found[:, axis] = edges[places[:, axis]]
        return found

    def numbers(self, places: Indices) -> Indices:
        """Return the numbers of chunks on the grid."""
        found: Indices = places @ self.factors
        return found


def _from_chunks(
    cut: Cut, grid: Grid, begins: Indices, out: NDArray[Any], border: Indices, chunks: Chunks, fill: Any, reflect: bool
) -> None:
    layout = cut.layout
    parts: list[Wholes | Crossing] = []
    first = layout.at(begins)
    alone = (first == layout.at(begins + cut.reach)).all(1)
    alone[border] = False
    rows = alone.nonzero()[0]
    if len(rows):
        places = first if len(rows) == len(begins) else first[rows]
        numbers = layout.numbers(places)
        order = numbers.argsort(kind="stable")
        rows = rows[order]
        parts.append(Wholes(cut, numbers[order], rows, begins[rows] - layout.edge(places[order]), out))
    if len(rows) < len(begins):
        parts += _others(cut, layout, begins, out, border, (~alone).nonzero()[0], fill, reflect)
    _copy(cut, grid, parts, chunks)
    blocks = parts[-1].targets if len(border) and reflect and isinstance(parts[-1], Crossing) else []
    for at, row in enumerate(border.tolist() if len(blocks) else []):
        positions = _mirrored(cut, begins[border[at : at + 1]])
        out[row] = blocks[at][np.ix_(*(one[0] - one[0].min() for one in positions))]


def _others(
    cut: Cut,
    layout: Layout,
    begins: Indices,
    out: NDArray[Any],
    border: Indices,
    others: Indices,
    fill: Any,
    reflect: bool,
) -> list[Crossing]:
    """Return the pieces of windows that lie in several chunks, or run past an end.

    Of those that are mirrored at an end it is the box of all their elements, which goes to an array of its own.
    """
    low = np.zeros((len(begins), len(cut.axes)), np.int64)
    high = low + np.array(cut.sizes, np.int64)
    if not len(border) or not reflect:
        if len(border):
            out[border] = fill
            low[border], high[border] = _there(cut, begins[border])
        windows = others, begins[others], low[others], high[others]
        return [crossing(cut, layout, windows, cut.steps, out)]
    inner = np.setdiff1d(others, border, assume_unique=True)
    windows = inner, begins[inner], low[inner], high[inner]
    positions = _mirrored(cut, begins[border])
    corners = np.stack([one.min(1) for one in positions], 1)
    extents = np.stack([one.max(1) for one in positions], 1) - corners + 1
    blocks = [np.empty(extent, cut.variable.dtype) for extent in extents.tolist()]
    boxes = np.arange(len(border)), corners, np.zeros_like(corners), extents
    return [
        crossing(cut, layout, windows, cut.steps, out),
        crossing(cut, layout, boxes, (1,) * len(cut.axes), blocks),
    ]


def _mirrored(cut: Cut, begins: Indices) -> list[Indices]:
    """Return by dimension the elements of windows that are mirrored at an end, ``(n, size)`` each."""
    return [axis.positions(begins[:, at], True) for at, axis in enumerate(cut.axes)]


def _copy(cut: Cut, grid: Grid, parts: Sequence[Wholes | Crossing], chunks: Chunks) -> None:
    """Read all chunks that parts lie in, and copy from each as it comes."""
    wanted = distinct(parts[0].numbers) if len(parts) == 1 else np.unique(np.concatenate([p.numbers for p in parts]))
    bounds = [
        (part.copy, part.numbers.searchsorted(wanted).tolist(), part.numbers.searchsorted(wanted, "right").tolist())
        for part in parts
    ]
    turned = cut.order != tuple(range(len(cut.order)))
    for places, arrays in chunks.each(cut.variable, grid, wanted):
        for at, array in zip(places, arrays, strict=True):
            if turned:
                array = array.transpose(cut.order)
            for copy, begin, end in bounds:
                if begin[at] < end[at]:
                    copy(array, begin[at], end[at])


def distinct(numbers: Indices) -> Indices:
    """Return ascending numbers once each."""
    new = np.empty(len(numbers), np.bool_)
    new[:1] = True
    np.not_equal(numbers[1:], numbers[:-1], out=new[1:])
    found: Indices = numbers[new]
    return found
