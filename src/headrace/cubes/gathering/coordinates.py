"""Columns beside the variables of patches that say where in the cube a patch lies: numbers of elements, or labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError
from headrace.core.source import Indices
from headrace.cubes.axis import Axis
from headrace.cubes.cube import Cube
from headrace.cubes.gathering.chunks import Chunks
from headrace.cubes.gathering.cut import Cut
from headrace.cubes.gathering.gather import gather
from headrace.cubes.gathering.padding import unlabelled
from headrace.cubes.geometry import Geometry

Coords = Literal["none", "index", "values"]
"""Which columns say where patches lie: none; the numbers of elements by dimension; the labels."""

COORDS: tuple[Coords, ...] = get_args(Coords)


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of the numbers of a dimension's elements: int64 ``(n, size)``, -1 where a patch runs past an end.

    Args:
        axis: The dimension; of one that only numbers patches the column is ``(n,)``.
        place: Of it in the cube.
    """

    axis: Axis
    place: int
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.int64))

    @property
    def dims(self) -> tuple[str, ...]:
        return (self.axis.name,) if self.axis.kept else ()

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.axis.size,) if self.axis.kept else ()

    def write(self, starts: Indices, out: NDArray[Any], chunks: Chunks) -> None:
        """Write the column of windows that begin at some places."""
        out[...] = self.axis.positions(starts[:, self.place]).reshape(out.shape)


@dataclass(frozen=True, eq=False)
class Labels:
    """A column of a coordinate: the labels of a patch's elements, along those of its dimensions that the patch has.

    What a patch has past an end is no element of the cube, whatever fills it up there, and has no label: NaN, NaT, an
    empty string or None. Whole numbers become float64 where that can happen.

    Args:
        cut: How windows cut the coordinate.
    """

    cut: Cut

    @property
    def dims(self) -> tuple[str, ...]:
        return self.cut.dims

    @property
    def shape(self) -> tuple[int, ...]:
        return self.cut.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        own = self.cut.variable.dtype
        return unlabelled(own)[0] if self.cut.padded else own

    def write(self, starts: Indices, out: NDArray[Any], chunks: Chunks) -> None:
        """Write the column of windows that begin at some places."""
        gather(self.cut, starts, out, chunks, unlabelled(self.cut.variable.dtype)[1])


def columns(cube: Cube, geometry: Geometry, coords: Coords) -> dict[str, Numbers | Labels]:
    """Return the columns that say where patches lie, by name.

    Args:
        cube: What patches are cut from.
        geometry: Its windows.
        coords: ``"index"``: numbers of each dimension's elements. ``"values"``: a dimension's labels under its name, or
            the numbers where it has none, then every other coordinate along a dimension or more under its own.

    Raises:
        ArgumentError: A column would have a variable's name.
    """
    if coords not in COORDS:
        raise ArgumentError(f"coords must be one of {', '.join(map(repr, COORDS))}, got {coords!r}")
    if coords == "none":
        return {}
    made: dict[str, Numbers | Labels] = {}
    for place, axis in enumerate(geometry.axes):
        own = cube.coords.get(axis.name) if coords == "values" else None
        along = own is not None and tuple(own.dims) == (axis.name,)
        made[axis.name] = Labels(Cut.of(own, geometry)) if own is not None and along else Numbers(axis, place)
    if coords == "values":
        for name, coordinate in cube.coords.items():
            if coordinate.dims and name not in made:
                made[name] = Labels(Cut.of(coordinate, geometry))
    both = [name for name in made if name in cube.variables]
    if both:
        raise ArgumentError(
            f"coords={coords!r} would make a column {both[0]!r}, and there is a variable of that name: rename one of "
            "them, or take coords='none'"
        )
    return made
