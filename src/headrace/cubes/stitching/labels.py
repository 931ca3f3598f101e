"""The labels of an output's elements: the cube's own, between them, or in the middle of windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.cubes.cube import Cube, values_of
from headrace.cubes.stitching.layout import PLACE, Along, Layout, window_starts

Labels = dict[str, tuple[tuple[str, ...], NDArray[Any]]]
"""Coordinates by name: their dimensions and values."""


def labels_of(cube: Cube, layout: Layout) -> Labels:
    """Return an output's coordinates: new arrays, or the cube's own.

    Along a dimension whose elements are the cube's they are the cube's. Where they are finer, coarser, or one for each
    window, the labels lie in the middle, by linear interpolation between the cube's (numbers, dates and durations
    only; others have no label there, unless the middle is an element of the cube). Coordinates over several dimensions,
    and those that name no dimension, are there where all of their dimensions are the cube's own.
    """
    made: Labels = {}
    alongs = {along.name: along for along in layout.alongs}
    same = {name for name, along in alongs.items() if along.kind == "window" and along.scale == 1}
    for name, coord in cube.coords.items():
        if set(coord.dims) <= same:
            made[name] = (coord.dims, values_of(coord))
        elif coord.dims == (name,) and name in alongs and alongs[name].axis is not None:
            found = at_positions(values_of(coord), positions_of(alongs[name]))
            if found is not None:
                made[name] = ((name,), found)
    if PLACE in alongs and layout.geometry.places is not None:
        _add_places(made, cube, layout)
    return made


def _add_places(made: Labels, cube: Cube, layout: Layout) -> None:
    places = layout.geometry.places
    assert places is not None
    starts = places.starts(np.arange(places.count, dtype=np.int64))
    for column, dim in enumerate(places.dims):
        axis, coord = layout.geometry.axis(dim), cube.coords.get(dim)
        here = np.clip(starts[:, column], 0, axis.room) if axis.partial == "shift" else starts[:, column]
        if coord is not None and coord.dims == (dim,):
            found = at_positions(values_of(coord), here + (axis.span - 1) / 2)
            if found is not None:
                made[dim] = ((PLACE,), found)


def positions_of(along: Along) -> NDArray[np.floating[Any]]:
    """Return where the middles of an output's elements lie among those of the cube."""
    assert along.axis is not None
    if along.kind == "each":
        return window_starts(along.axis) + (along.axis.span - 1) / 2
    return (np.arange(along.length) + 0.5) / float(along.scale) - 0.5


def at_positions(labels: NDArray[Any], positions: NDArray[np.floating[Any]]) -> NDArray[Any] | None:
    """Return labels at places between elements, by linear interpolation; beyond an end as the last two go on.

    None where there is nothing between labels (text, objects), and a place is no element.
    """
    below = np.floor(positions).astype(np.int64)
    whole = (below == positions) & (below >= 0) & (below < len(labels))
    if whole.all():
        found: NDArray[Any] = labels[below]
        return found
    if labels.dtype.kind not in "iufmM" or len(labels) < 2:
        return None
    below = np.clip(below, 0, len(labels) - 2)
    part = positions - below
    if labels.dtype.kind in "mM":
        low, high = labels[below], labels[below + 1]
        step = high - low
        found = low + np.rint(part * step.astype(np.int64)).astype(np.int64).astype(step.dtype)
        return found
    low, high = labels[below].astype(np.float64), labels[below + 1].astype(np.float64)
    found = low + part * (high - low)
    return found.astype(labels.dtype if labels.dtype.kind == "f" else np.float64, copy=False)
