"""How the windows of a geometry cut one variable, which may lack dimensions or have them in another order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError
from headrace.core.source import Indices
from headrace.cubes.axis import Axis
from headrace.cubes.cube import Variable
from headrace.cubes.gathering.chunks import Grid
from headrace.cubes.gathering.copying import Windows
from headrace.cubes.gathering.layout import Layout
from headrace.cubes.gathering.table import Table
from headrace.cubes.geometry import Geometry


@dataclass(frozen=True, eq=False)
class Cut:
    """How the windows of a geometry cut one variable.

    Args:
        variable: What is cut.
        places: Of its dimensions among the cube's, ascending.
        order: Its own axes in that order.
        axes: The geometry's, in that order.
        padded: Whether windows may run past an end of one of them.
        reflect: Whether they are mirrored there.
    """

    variable: Variable
    places: tuple[int, ...]
    order: tuple[int, ...]
    axes: tuple[Axis, ...]
    padded: bool
    reflect: bool = False

    @classmethod
    def of(cls, variable: Variable, geometry: Geometry, reflect: bool = False) -> Cut:
        """Return how a geometry cuts a variable.

        Raises:
            ArgumentError: The variable has dimensions that the geometry does not have, or of other lengths.
        """
        lengths = {axis.name: axis.length for axis in geometry.axes}
        if [lengths.get(dim) for dim in variable.dims] != list(variable.shape):
            own = dict(zip(variable.dims, variable.shape, strict=False))
            raise ArgumentError(f"{variable.name!r} has dimensions {own}, and the geometry is of {lengths}")
        places = tuple(place for place, dim in enumerate(geometry.dims) if dim in variable.dims)
        axes = tuple(geometry.axes[place] for place in places)
        order = tuple(variable.dims.index(axis.name) for axis in axes)
        padded = any(axis.name in geometry.padded for axis in axes)
        return cls(variable, places, order, axes, padded, padded and reflect)

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
        return {name: value for name, value in vars(self).items() if name not in ("windows", "tables")}

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """Which pieces windows fall into along each dimension."""
        if self.grid is None:
            return tuple(Table(axis, np.array([0, axis.length]), 0, self.reflect) for axis in self.axes)
        along = zip(self.axes, self.layout.edges, self.layout.factors.tolist(), strict=True)
        return tuple(Table(axis, edges, factor, self.reflect) for axis, edges, factor in along)

    def inside(self, starts: Indices) -> NDArray[np.bool_]:
        """Say which windows lie wholly within the cube."""
        return np.asarray(((starts >= 0) & (starts <= self.rooms)).all(1), np.bool_)
