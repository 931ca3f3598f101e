"""Patches out of arrays: windows of one array, or pieces of windows out of chunks, copied straight into a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.axis import Axis
from headrace.cubes.chunks import Chunks, Grid
from headrace.cubes.cube import Variable
from headrace.cubes.geometry import Geometry

TINY = 4096
"""Bytes of a window below which many are gathered in one call; larger ones are copied one by one."""


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
    def rooms(self) -> Indices:
        """The last places at which windows fit."""
        return np.array([axis.room for axis in self.axes], np.int64)

    @cached_property
    def grid(self) -> Grid | None:
        """Its chunks, in its own order of axes; None where it lies at hand."""
        edges = self.variable.edges
        return None if edges is None else Grid(edges, self.variable.dtype.itemsize)

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
    begins = starts[:, list(cut.places)]
    targets = out.reshape((len(out), *cut.sizes))
    border = np.flatnonzero(~cut.inside(begins)) if cut.padded else np.empty(0, np.int64)
    if cut.grid is None:
        _from_array(cut, cut.variable.whole().transpose(cut.order), begins, targets, border, fill, reflect)
    else:
        _from_chunks(cut, cut.grid, begins, targets, border, chunks, fill, reflect)


def _from_array(
    cut: Cut, array: NDArray[Any], begins: Indices, out: NDArray[Any], border: Indices, fill: Any, reflect: bool
) -> None:
    if not len(border):
        copy_windows(array, begins, cut.sizes, cut.steps, out)
        return
    within = np.ones(len(begins), bool)
    within[border] = False
    rows = np.flatnonzero(within)
    copy_windows(array, begins[rows], cut.sizes, cut.steps, out, rows)
    if reflect:
        positions = [axis.positions(begins[border, at], True) for at, axis in enumerate(cut.axes)]
        for at, row in enumerate(border.tolist()):
            out[row] = array[np.ix_(*(one[at] for one in positions))]
        return
    out[border] = fill
    low, high = _there(cut, begins[border])
    pieces = Pieces(border, begins[border] + low * np.array(cut.steps, np.int64), low, high - low)
    copy_pieces(array, pieces.at((pieces.counts > 0).all(1)), cut.steps, out)


def _there(cut: Cut, begins: Indices) -> tuple[Indices, Indices]:
    """Return from which to which element windows lie within the cube."""
    steps = np.array([axis.dilation for axis in cut.axes], np.int64)
    lengths = np.array([axis.length for axis in cut.axes], np.int64)
    sizes = np.array(cut.sizes, np.int64)
    low = np.clip(-(begins // steps), 0, sizes)
    high = np.clip(-((begins - lengths) // steps), low, sizes)
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


def split(
    begins: Indices, low: Indices, high: Indices, steps: Indices, edges: Sequence[Indices]
) -> tuple[Indices, Pieces]:
    """Cut windows into pieces that lie in one chunk each.

    Args:
        begins: Where windows begin, ``(n, axes)``.
        low: From which of their elements.
        high: To which, exclusive.
        steps: From one element to the next, by axis.
        edges: Of chunks, by axis.

    Returns:
        The chunks' places, ``(p, axes)``, and the pieces; those of a window next to each other.
    """
    axes = len(edges)
    first, last = np.empty_like(begins), np.empty_like(begins)
    for axis, at in enumerate(edges):
        first[:, axis] = at.searchsorted(begins[:, axis] + low[:, axis] * steps[axis], "right") - 1
        last[:, axis] = at.searchsorted(begins[:, axis] + (high[:, axis] - 1) * steps[axis], "right") - 1
    spread = last - first + 1
    spread[(high <= low).any(1)] = 0
    each = spread.prod(1)
    rows = np.repeat(np.arange(len(begins)), each)
    rest = np.arange(len(rows)) - np.repeat(np.cumsum(each) - each, each)
    chunks = np.empty((len(rows), axes), np.int64)
    for axis in reversed(range(axes)):
        rest, here = np.divmod(rest, spread[rows, axis])
        chunks[:, axis] = first[rows, axis] + here
    lows = np.stack([at[chunks[:, axis]] for axis, at in enumerate(edges)], 1) if axes else chunks
    ends = np.stack([at[chunks[:, axis] + 1] for axis, at in enumerate(edges)], 1) if axes else chunks
    begin = begins[rows]
    targets = np.maximum(low[rows], -((begin - lows) // steps))
    counts = np.minimum(high[rows], -((begin - ends) // steps)) - targets
    pieces = Pieces(rows, begin + targets * steps - lows, targets, counts)
    filled = (counts > 0).all(1)  # a chunk may lie between two elements of a dilated window
    return (chunks, pieces) if filled.all() else (chunks[filled], pieces.at(filled))


def _from_chunks(
    cut: Cut, grid: Grid, begins: Indices, out: NDArray[Any], border: Indices, chunks: Chunks, fill: Any, reflect: bool
) -> None:
    edges = [grid.edges[axis] for axis in cut.order]
    steps = np.array(cut.steps, np.int64)
    low = np.zeros_like(begins)
    high = np.broadcast_to(np.array(cut.sizes, np.int64), begins.shape)
    blocks: list[NDArray[Any]] = []
    plans: list[tuple[Indices, Pieces, Any, tuple[int, ...]]] = []
    if len(border) and reflect:
        positions = [axis.positions(begins[border, at], True) for at, axis in enumerate(cut.axes)]
        corners = np.stack([one.min(1) for one in positions], 1)
        extents = np.stack([one.max(1) for one in positions], 1) - corners + 1
        blocks = [np.empty(extent, out.dtype) for extent in extents.tolist()]
        plans.append((*split(corners, np.zeros_like(corners), extents, np.ones_like(steps), edges), blocks, ()))
        high = high.copy()
        high[border] = 0
    elif len(border):
        out[border] = fill
        low, high = low, high.copy()
        low[border], high[border] = _there(cut, begins[border])
    plans.append((*split(begins, low, high, steps, edges), out, cut.steps))
    _fill_from_chunks(cut, grid, plans, chunks)
    for at, (row, block) in enumerate(zip(border.tolist(), blocks, strict=False)):
        out[row] = block[np.ix_(*(one[at] - corners[at, axis] for axis, one in enumerate(positions)))]


def _fill_from_chunks(
    cut: Cut, grid: Grid, plans: list[tuple[Indices, Pieces, Any, tuple[int, ...]]], chunks: Chunks
) -> None:
    """Read the chunks of all pieces, and copy those of each as it comes."""
    own = np.argsort(cut.order)  # of each axis of the variable the place among the cut's
    sorted_plans = []
    for places, pieces, targets, steps in plans:
        numbers = np.zeros(len(places), np.int64)
        for axis, count in enumerate(grid.shape):
            numbers = numbers * count + places[:, own[axis]]
        by = np.argsort(numbers, kind="stable")
        sorted_plans.append((numbers[by], pieces.at(by), targets, steps))
    wanted = np.unique(np.concatenate([numbers for numbers, *_ in sorted_plans]))
    bounds = [(numbers.searchsorted(wanted), numbers.searchsorted(wanted, "right")) for numbers, *_ in sorted_plans]
    for at, chunk in chunks.each(cut.variable, grid, wanted):
        array = chunk.transpose(cut.order)
        for (_, pieces, targets, steps), (begin, end) in zip(sorted_plans, bounds, strict=True):
            if begin[at] < end[at]:
                copy_pieces(array, pieces.at(slice(begin[at], end[at])), steps, targets)


# Copies


def copy_pieces(array: NDArray[Any], pieces: Pieces, steps: tuple[int, ...], out: Any) -> None:
    """Copy pieces of an array to their places in windows, one by one."""
    ends = pieces.targets + pieces.counts
    steps = steps or (1,) * array.ndim
    stops = pieces.sources + (pieces.counts - 1) * np.array(steps, np.int64) + 1
    rows = pieces.rows.tolist()
    for row, begin, stop, target, end in zip(
        rows, pieces.sources.tolist(), stops.tolist(), pieces.targets.tolist(), ends.tolist(), strict=True
    ):
        here = tuple(map(slice, begin, stop, steps))
        out[row][tuple(map(slice, target, end))] = array[here]


def copy_windows(
    array: NDArray[Any],
    begins: Indices,
    sizes: tuple[int, ...],
    steps: tuple[int, ...],
    out: NDArray[Any],
    rows: Indices | None = None,
) -> None:
    """Copy whole windows of an array."""
    if prod(sizes) * array.itemsize <= TINY and array.ndim:
        copy_together(array, begins, sizes, steps, out, rows)
    else:
        copy_singly(array, begins, sizes, steps, out, rows)


def copy_together(
    array: NDArray[Any],
    begins: Indices,
    sizes: tuple[int, ...],
    steps: tuple[int, ...],
    out: NDArray[Any],
    rows: Indices | None = None,
) -> None:
    """Copy windows by one call over a view in which every window is an element."""
    spans = [(size - 1) * step + 1 for size, step in zip(sizes, steps, strict=True)]
    rooms = [length - span + 1 for length, span in zip(array.shape, spans, strict=True)]
    strides = [stride * step for stride, step in zip(array.strides, steps, strict=True)]
    windows = as_strided(array, (*rooms, *sizes), (*array.strides, *strides), writeable=False)
    found = windows[tuple(begins.T)]
    if rows is None:
        out[...] = found
    else:
        out[rows] = found


def copy_singly(
    array: NDArray[Any],
    begins: Indices,
    sizes: tuple[int, ...],
    steps: tuple[int, ...],
    out: NDArray[Any],
    rows: Indices | None = None,
) -> None:
    """Copy windows one by one."""
    spans = np.array([(size - 1) * step + 1 for size, step in zip(sizes, steps, strict=True)], np.int64)
    ends = (begins + spans).tolist()
    where = range(len(begins)) if rows is None else rows.tolist()
    for row, begin, end in zip(where, begins.tolist(), ends, strict=True):
        out[row] = array[tuple(map(slice, begin, end, steps))]
