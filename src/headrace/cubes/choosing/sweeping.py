"""Patches read once through, those that lie in the same chunks together, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ColumnError
from headrace.core.source import Indices
from headrace.cubes.geometry import Geometry
from headrace.cubes.source import PatchSource

BATCH_BYTES = 32 << 20
"""How large a batch becomes, unless one patch is larger."""

_WINDOW = 1 << 20  # patches that are put into the order of storage together


def narrowed(source: PatchSource, names: Iterable[str]) -> PatchSource:
    """Return a source of some variables only, without coordinates.

    Raises:
        ColumnError: There is no such variable.
    """
    known, names = source.cube.variables, list(names)
    for name in names:
        if name not in known:
            raise ColumnError.missing(name, known)
    return PatchSource(source.cube.narrowed(names), source.geometry)


def patch_shape(source: PatchSource, name: str) -> tuple[int, ...]:
    """Return the shape of a variable's patches."""
    own, geometry = source.cube.variables[name].dims, source.geometry
    return tuple(axis.size for axis in geometry.axes if axis.kept and axis.name in own)


def sweep(source: PatchSource, numbers: Indices, nbytes: int = BATCH_BYTES) -> Iterator[tuple[Indices, Any]]:
    """Yield patches in batches, in the order in which they are stored.

    Args:
        source: Of the patches.
        numbers: Which ones.
        nbytes: About how large a batch may be.

    Yields:
        At which places of ``numbers`` the patches of a batch are, and the batch.
    """
    variables = source.cube.variables
    each = sum(prod(patch_shape(source, name)) * variables[name].dtype.itemsize for name in variables)
    most = max(1, nbytes // max(each, 1))
    for begin in range(0, len(numbers), _WINDOW):
        places = begin + _stored(source, numbers[begin : begin + _WINDOW])
        for first in range(0, len(places), most):
            some = places[first : first + most]
            yield some, source.read(numbers[some])


def _stored(source: PatchSource, numbers: Indices) -> Indices:
    """Return the places of patches in the order of the chunks that they begin in."""
    starts = source.geometry.starts(numbers)
    keys: list[Indices] = [numbers]  # the least of them comes first
    for dim in reversed(source.geometry.dims):
        edges = _edges(source, dim)
        if edges is not None:
            keys.append(edges.searchsorted(starts[:, source.geometry.dims.index(dim)], "right"))
    return np.lexsort(keys)


def _edges(source: PatchSource, dim: str) -> Indices | None:
    """Return where chunks begin along a dimension: those of the variable that has the most bytes."""
    chunked = [one for one in source.cube.variables.values() if one.edges is not None and dim in one.dims]
    if not chunked:
        return None
    largest = max(chunked, key=lambda one: prod(one.shape) * one.dtype.itemsize)
    edges = largest.edges
    return None if edges is None else edges[largest.dims.index(dim)]


def has_whole(geometry: Geometry, dim: str) -> bool:
    """Say whether every patch has the whole of a dimension."""
    axis = geometry.axis(dim)
    placed = geometry.places is not None and dim in geometry.places.dims
    return axis.size == axis.length and axis.dilation == axis.count == 1 and axis.offset == 0 and not placed


def within(geometry: Geometry, dims: Iterable[str], numbers: Indices) -> NDArray[np.bool_] | None:
    """Return which elements of patches lie within the cube, ``(n, *sizes)``; None where all do, or are mirrored.

    Args:
        geometry: Of the patches.
        dims: The dimensions that a patch has, in their order.
        numbers: Which patches.
    """
    if not geometry.pads or geometry.fill == "reflect":
        return None
    starts, own = geometry.starts(numbers), [geometry.axis(dim) for dim in dims]
    found: NDArray[np.bool_] = np.ones((len(numbers), *(axis.size for axis in own)), np.bool_)
    for place, axis in enumerate(own):
        inside = axis.positions(starts[:, geometry.dims.index(axis.name)]) >= 0
        found &= inside.reshape(len(numbers), *(axis.size if other == place else 1 for other in range(len(own))))
    return found
