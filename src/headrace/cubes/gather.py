"""Patches out of arrays: windows of one array, or pieces of windows out of chunks, copied straight into a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.chunks import Chunks, Grid
from headrace.cubes.copying import Windows
from headrace.cubes.cut import Cut
from headrace.cubes.layout import Layout
from headrace.cubes.pieces import Crossing, Pieces, Wholes, crossing
from headrace.cubes.table import jobs

FEW = 64
"""How many windows are cut into pieces one by one; of more, all at once."""


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
    elif len(out) <= FEW and not (reflect and len(border)):
        if len(border):
            targets[border] = fill
        _few_from_chunks(cut, cut.grid, begins, targets, chunks)
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
        positions = cut.mirrored(begins[border])
        for at, row in enumerate(border.tolist()):
            out[row] = array[np.ix_(*(one[at] for one in positions))]
        return
    out[border] = fill
    low, high = cut.there(begins[border])
    pieces = Pieces(border, begins[border] + low * cut.stepped, low, high - low)
    pieces = pieces.at((pieces.counts > 0).all(1))
    for row, source, target in zip(pieces.rows.tolist(), *pieces.slices(cut.steps), strict=True):
        out[row][target] = array[source]


# Out of chunks


def _few_from_chunks(cut: Cut, grid: Grid, begins: Indices, out: NDArray[Any], chunks: Chunks) -> None:
    """Read a few windows, as far as they lie within the cube."""
    by_chunk = jobs(cut.tables, begins)
    wanted = sorted(by_chunk)
    turned = cut.order != tuple(range(len(cut.order)))
    for places, arrays in chunks.each(cut.variable, grid, np.array(wanted, np.int64)):
        for place, array in zip(places, arrays, strict=True):
            if turned:
                array = array.transpose(cut.order)
            for target, source in by_chunk[wanted[place]]:
                out[target] = array[source]


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
        positions = cut.mirrored(begins[border[at : at + 1]])
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
            low[border], high[border] = cut.there(begins[border])
        windows = others, begins[others], low[others], high[others]
        return [crossing(layout, windows, cut.steps, out)]
    inner = np.setdiff1d(others, border, assume_unique=True)
    windows = inner, begins[inner], low[inner], high[inner]
    positions = cut.mirrored(begins[border])
    corners = np.stack([one.min(1) for one in positions], 1)
    extents = np.stack([one.max(1) for one in positions], 1) - corners + 1
    blocks = [np.empty(extent, cut.variable.dtype) for extent in extents.tolist()]
    boxes = np.arange(len(border)), corners, np.zeros_like(corners), extents
    return [
        crossing(layout, windows, cut.steps, out),
        crossing(layout, boxes, (1,) * len(cut.axes), blocks),
    ]


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
