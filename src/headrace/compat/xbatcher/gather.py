"""The patches of a batch, put together along a new dimension in one go."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
import xarray as xr
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from xarray.indexes import PandasMultiIndex

from headrace.core.source import Indices
from headrace.cubes.geometry import Geometry

NEW = "input_batch"
"""The dimension along which patches stand."""

STACKED = "sample"
"""The dimension that this and the others become, where there are others."""

SUFFIX = "_input"


@dataclass(frozen=True)
class Window:
    """Where patches lie along one dimension of a region.

    Args:
        count: How many there are.
        size: Elements of each.
        stride: From one to the next.
    """

    count: int
    size: int
    stride: int


@dataclass(frozen=True)
class Layout:
    """How a region is cut.

    Args:
        windows: Where patches lie along each input dimension: they are the product of these.
        inputs: The input dimensions, in the order in which they come last.
        rest: The other dimensions of the region with their lengths, in order.
    """

    windows: dict[Hashable, Window]
    inputs: tuple[Hashable, ...]
    rest: dict[Hashable, int]

    @cached_property
    def count(self) -> int:
        """How many patches there are."""
        return prod(window.count for window in self.windows.values())

    @property
    def first(self) -> str:
        """The first dimension of what is put together."""
        return STACKED if self.rest else NEW

    def last(self, dims: Sequence[Hashable]) -> list[Hashable]:
        """Return the input dimensions among some."""
        return [dim for dim in self.inputs if dim in dims]

    def whole(self, variable: xr.Variable) -> xr.Variable:
        """Return all patches of a variable, one after the other, with all elements of the rest for each."""
        data = variable.data
        last = self.last(variable.dims)
        if isinstance(data, np.ndarray):
            values = gathered(data, variable.dims, self.windows, [*self.rest, *last], self.rest)
            values = values.reshape(self.count * prod(self.rest.values()), *values.shape[1 + len(self.rest) :])
        else:
            values = self._lazy(variable)
        return xr.Variable([self.first, *map(renamed, last)], values, variable.attrs)

    def _lazy(self, variable: xr.Variable) -> Any:
        """Return the same of a variable that is lazy, or of another kind than NumPy's."""
        parts = [xr.Variable(variable.dims, variable.isel(patch).data) for patch in self._patches(variable.dims)]
        made: xr.Variable = xr.Variable.concat(parts, NEW)  # type: ignore[no-untyped-call]
        lengths = {NEW: self.count, **self.rest, **dict(zip(variable.dims, parts[0].shape))}
        full = made.set_dims([*lengths], [*lengths.values()])  # type: ignore[no-untyped-call]
        stacked = full.stack({STACKED: [NEW, *self.rest]}) if self.rest else full
        return stacked.transpose(self.first, *self.last(variable.dims)).data

    def _patches(self, dims: Sequence[Hashable]) -> Iterator[dict[Hashable, slice]]:
        for places in product(*(range(window.count) for window in self.windows.values())):
            yield {
                dim: slice(place * window.stride, place * window.stride + window.size)
                for place, (dim, window) in zip(places, self.windows.items())
                if dim in dims
            }

    def coordinate(self, variable: xr.Variable) -> xr.Variable:
        """Return a coordinate of all patches; of the first, where it is the same in all and has no rest."""
        plain = xr.Variable(variable.dims, variable.values, variable.attrs)  # what labels a dimension does so no more
        if {*plain.dims} & self.rest.keys():
            return self.whole(plain)
        own = {dim: window for dim, window in self.windows.items() if dim in plain.dims}
        last = self.last(plain.dims)
        values = gathered(plain.values, plain.dims, own, last, {})
        first = values[0]
        if all(_is_same(first, other) for other in values[1:]):
            return xr.Variable([*map(renamed, last)], first, plain.attrs)
        return self.whole(plain)

    def labels(self, region: xr.Dataset) -> tuple[dict[Hashable, Any], dict[Hashable, Any]]:
        """Return the coordinates and indexes of the first dimension: of the elements that became one."""
        if not self.rest:
            return {}, {}
        levels: dict[Any, xr.Variable] = {NEW: xr.Variable(NEW, np.arange(self.count))}
        for dim, length in self.rest.items():
            levels[dim] = region.variables[dim] if dim in region.coords else xr.Variable(dim, np.arange(length))
        index = PandasMultiIndex.stack(levels, STACKED)
        found: dict[Hashable, Any] = dict(index.create_variables(levels))
        return found, dict.fromkeys(found, index)


def gather(
    ds: xr.Dataset, geometry: Geometry, starts: Sequence[Indices], inputs: Sequence[Hashable], load: bool
) -> xr.Dataset:
    """Return patches as one Dataset, whose first dimension is ``input_batch``, or ``sample`` with others in it.

    Input dimensions get the suffix ``_input``. Coordinates that differ between patches have the first dimension, too.
    What lies in memory, after loading, is copied once.

    Args:
        ds: The data.
        geometry: The patches' sizes and strides.
        starts: Where patches begin along each of the geometry's dimensions: they are the product of these.
        inputs: The dimensions that patches have, in the order in which they come last.
        load: Whether to load all that the patches cover, once, before they are cut; else what is lazy stays so.
    """
    cut = list(zip(geometry.axes, starts, strict=True))
    region = ds.isel({axis.name: slice(int(here[0]), int(here[-1]) + axis.size) for axis, here in cut})
    if load:
        region.load()
    windows: dict[Hashable, Window] = {
        axis.name: Window(len(here), axis.size, axis.stride) for axis, here in cut if axis.name in inputs
    }
    layout = Layout(windows, tuple(inputs), _rest(region, windows))
    coords: dict[Hashable, xr.Variable] = {}
    for name in _ordered(region, inputs):
        variable = region.variables[name]
        if name not in layout.rest:  # which become levels
            coords[name] = layout.coordinate(variable) if variable.dims else variable
    labels, indexes = layout.labels(region)
    return xr.Dataset(
        {name: layout.whole(region.variables[name]) for name in region.data_vars},
        xr.Coordinates({**coords, **labels}, indexes),
        region.attrs,
    )


def _ordered(region: xr.Dataset, inputs: Sequence[Hashable]) -> list[Hashable]:
    """Return the names of coordinates, those that label input dimensions at the end."""
    return [*(name for name in region.coords if name not in inputs), *(dim for dim in inputs if dim in region.coords)]


def _rest(region: xr.Dataset, windows: Mapping[Hashable, Window]) -> dict[Hashable, int]:
    """Return the dimensions that are no input's, in the order in which variables have them."""
    names = [*region.data_vars, *region.coords]
    dims = dict.fromkeys(dim for name in names for dim in region.variables[name].dims)
    return {dim: region.sizes[dim] for dim in dims if dim not in windows}


def renamed(dim: Hashable) -> str:
    """Return what an input dimension is called in a batch."""
    return f"{dim}{SUFFIX}"


def gathered(
    data: NDArray[Any],
    dims: Sequence[Hashable],
    windows: Mapping[Hashable, Window],
    order: Sequence[Hashable],
    lengths: Mapping[Hashable, int],
) -> NDArray[Any]:
    """Copy all windows of an array into a new one: ``(windows, *dimensions in order)``.

    Args:
        data: The array.
        dims: Of its axes.
        windows: Along which dimensions, and where; the array need not have all of them.
        order: The dimensions of a window; one that the array does not have is as long as ``lengths`` says.
        lengths: See there.
    """
    steps = dict(zip(dims, data.strides))
    sizes = {**lengths, **dict(zip(dims, data.shape)), **{dim: window.size for dim, window in windows.items()}}
    shape = [*(window.count for window in windows.values()), *(sizes[dim] for dim in order)]
    strides = [steps.get(dim, 0) * window.stride for dim, window in windows.items()]
    strides += [steps.get(dim, 0) for dim in order]
    made = np.empty(shape, data.dtype)
    made[...] = as_strided(data, shape, strides, writeable=False)
    return made.reshape(prod(shape[: len(windows)]), *shape[len(windows) :])


def _is_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Say whether two arrays of one shape are equal, what is missing to what is missing."""
    equal = one == other
    if one.dtype.kind in "fcmMO":
        equal |= (one != one) & (other != other)
    return bool(np.all(equal))
