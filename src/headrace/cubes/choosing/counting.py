"""How many elements of patches are there, and what their mean is: looked up in tables, or from the patches."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.choosing.keeper import Held, Keeper
from headrace.cubes.choosing.sums import can_lack, counts, totals, valid
from headrace.cubes.choosing.sweeping import has_whole, narrowed, patch_shape, sweep, within
from headrace.cubes.cube import Variable
from headrace.cubes.geometry import Geometry
from headrace.cubes.source import PatchSource

FEW = 8
"""Patches are read one by one where they have fewer than a share of one in so many of the variable's elements."""


def valid_elements(source: PatchSource, variable: Variable, numbers: Indices, keeper: Keeper) -> NDArray[np.int64]:
    """Return how many elements of patches are there: a new array ``(n,)``."""
    found = None
    if not can_lack(variable.dtype) and _plain(source.geometry, variable):
        found = _elements_within(source.geometry, variable, numbers)
    elif _by_table(source, variable, numbers):
        found = counts_by_table(source, variable, numbers, keeper)
    return counts_by_reading(source, variable, numbers) if found is None else found


def means(source: PatchSource, variable: Variable, numbers: Indices, keeper: Keeper) -> NDArray[np.float64]:
    """Return the means of the elements of patches that are there, NaN where there is none: a new array ``(n,)``."""
    found = means_by_table(source, variable, numbers, keeper) if _by_table(source, variable, numbers) else None
    return means_by_reading(source, variable, numbers) if found is None else found


def counts_by_table(
    source: PatchSource, variable: Variable, numbers: Indices, keeper: Keeper
) -> NDArray[np.int64] | None:
    """Return how many elements of patches are there, looked up; None where the table is too large to be kept."""
    dims = _cut(source.geometry, variable)
    table = counts(variable, dims, source.cube.identity, _keeper(source, keeper))
    return None if table is None else table.over(*_windows(source.geometry, table.dims, numbers))


def counts_by_reading(source: PatchSource, variable: Variable, numbers: Indices) -> NDArray[np.int64]:
    """Return how many elements of patches are there, from the patches themselves."""
    found = np.empty(len(numbers), np.int64)
    for places, _, there in _patches(source, variable, numbers):
        found[places] = there.reshape(len(places), -1).sum(1)
    return found


def means_by_table(
    source: PatchSource, variable: Variable, numbers: Indices, keeper: Keeper
) -> NDArray[np.float64] | None:
    """Return the means of patches, looked up; None where the table is too large, or says too little."""
    dims, keeper = _cut(source.geometry, variable), _keeper(source, keeper)
    summed = totals(variable, dims, source.cube.identity, keeper)
    if summed is None or not summed.plain:
        return None
    low, high = _windows(source.geometry, summed.table.dims, numbers)
    if can_lack(variable.dtype):
        table = counts(variable, dims, source.cube.identity, keeper)
        if table is None:
            return None
        count = table.over(low, high)
    else:
        count = _elements_within(source.geometry, variable, numbers)
    return _over_count(summed.table.over(low, high) + summed.guess * count, count)


def means_by_reading(source: PatchSource, variable: Variable, numbers: Indices) -> NDArray[np.float64]:
    """Return the means of patches, from the patches themselves."""
    found = np.empty(len(numbers), np.float64)
    for places, values, there in _patches(source, variable, numbers):
        with np.errstate(over="ignore", invalid="ignore"):
            sums = np.where(there, values, 0).reshape(len(places), -1).sum(1, dtype=np.float64)
        found[places] = _over_count(sums, there.reshape(len(places), -1).sum(1))
    return found


def _over_count(sums: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    found = np.full(len(sums), np.nan)
    np.divide(sums, count, out=found, where=count > 0)
    return found


def _keeper(source: PatchSource, keeper: Keeper) -> Keeper:
    """Return what keeps tables of a cube: not for longer than now where nothing tells it from another."""
    return keeper if source.cube.identity else Held()


def _patches(
    source: PatchSource, variable: Variable, numbers: Indices
) -> Iterator[tuple[Indices, NDArray[Any], NDArray[np.bool_]]]:
    """Yield patches of one variable, at which places they are asked for, and which elements are there."""
    alone, own = narrowed(source, [variable.name]), source.dims[variable.name]
    for places, batch in sweep(alone, numbers):
        values = batch[variable.name]
        there, inside = valid(values), within(source.geometry, own, numbers[places])
        yield places, values, there if inside is None else there & inside


def _plain(geometry: Geometry, variable: Variable) -> bool:
    """Say whether a patch is all elements between two in each dimension, as far as they are there."""
    spread = any(geometry.axis(dim).dilation > 1 for dim in variable.dims)
    return not spread and not (geometry.pads and geometry.fill == "reflect")


def _by_table(source: PatchSource, variable: Variable, numbers: Indices) -> bool:
    asked = len(numbers) * prod(patch_shape(source, variable.name))
    return bool(variable.dims) and _plain(source.geometry, variable) and asked * FEW >= prod(variable.shape)


def _cut(geometry: Geometry, variable: Variable) -> tuple[str, ...]:
    """Return the dimensions along which patches do not have the whole; the first one where they have that of all."""
    cut = [dim for dim in variable.dims if not has_whole(geometry, dim)]
    return tuple(cut or variable.dims[:1])


def _windows(geometry: Geometry, dims: tuple[str, ...], numbers: Indices) -> tuple[Indices, Indices]:
    """Return the first element of patches in some dimensions, and that behind the last, within the cube."""
    axes = [geometry.axis(dim) for dim in dims]
    starts = geometry.starts(numbers)[:, [geometry.dims.index(dim) for dim in dims]]
    lengths = np.array([axis.length for axis in axes], np.int64)
    sizes = np.array([axis.size for axis in axes], np.int64)
    return np.clip(starts, 0, lengths), np.clip(starts + sizes, 0, lengths)


def _elements_within(geometry: Geometry, variable: Variable, numbers: Indices) -> NDArray[np.int64]:
    low, high = _windows(geometry, variable.dims, numbers)
    found: NDArray[np.int64] = (high - low).prod(1)
    return found
