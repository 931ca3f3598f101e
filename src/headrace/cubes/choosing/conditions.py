"""Which patches are wanted, by what they hold and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ColumnError, KindError
from headrace.core.source import Indices
from headrace.cubes.axis import Axis
from headrace.cubes.choosing.condition import Condition, Found, Quantity, Values, as_condition
from headrace.cubes.choosing.counting import means, valid_elements
from headrace.cubes.choosing.keeper import Keeper
from headrace.cubes.choosing.stripes import elements
from headrace.cubes.choosing.sums import valid
from headrace.cubes.choosing.sweeping import patch_shape
from headrace.cubes.cube import Variable
from headrace.cubes.geometry import Geometry
from headrace.cubes.source import PatchSource

__all__ = [
    "Condition",
    "Quantity",
    "Values",
    "as_condition",
    "at_center",
    "center_valid",
    "patch_mean",
    "valid_fraction",
]


@dataclass(frozen=True, eq=False)
class valid_fraction(Quantity):
    """Return the share of a patch's elements that are there: neither NaN nor NaT, nor past an end of the cube.

    Of ``hr.patches(...).where(...)``. Elements that mirror others count as those do. Nothing is read where no element
    can lack, as of whole numbers. Else it is looked up in a summed-area table, which takes one pass over the variable
    and 4 bytes for each of its elements (8 from 2**31 elements on), less the dimensions that are not cut. With a store
    it is made once for the cube, whatever the patches; without one it is made for one call, in memory. Patches are
    read themselves where they are few (an eighth of the variable), spread by dilation or mirrored at an end, or where
    the table would have more than 1 GB of memory and there is no store.

    Args:
        name: Of the variable.

    >>> valid_fraction("sst") > 0.9
    valid_fraction('sst') > 0.9
    """

    name: str

    def values(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> Found:
        variable = _variable(source, self.name)
        size = prod(patch_shape(source, self.name))
        return valid_elements(source, variable, numbers, keeper) / size, None

    def __repr__(self) -> str:
        return f"valid_fraction({self.name!r})"


@dataclass(frozen=True, eq=False)
class patch_mean(Quantity):
    """Return the mean of a patch's elements that are there; NaN where none is.

    Looked up in two tables, as :class:`valid_fraction` is in one; that of sums has 8 bytes for each element. Means of
    whole numbers are as exact as a float64 is; of others about 1e-16 of the largest partial sum is lost, over the
    number of elements of the patch, and it is the values less a first guess of their mean that are summed. Patches are
    read themselves in the same cases, and where the variable has infinite values or sums that overflow.

    Args:
        name: Of the variable: numbers, or booleans, of which it is the share that is true.

    >>> patch_mean("rain") >= 0.1
    patch_mean('rain') >= 0.1
    """

    name: str

    def values(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> Found:
        variable = _variable(source, self.name)
        if variable.dtype.kind not in "fiub":
            raise KindError(f"{self!r}: {self.name!r} holds {variable.dtype}, of which there is no mean of numbers")
        return means(source, variable, numbers, keeper), None

    def __repr__(self) -> str:
        return f"patch_mean({self.name!r})"


@dataclass(frozen=True)
class center_valid(Condition):
    """Return whether the middle element of a patch is there: neither NaN nor NaT, nor past an end of the cube.

    The middle of ``size`` elements is number ``size // 2``, from 0. Only chunks in which a middle lies are read.

    Args:
        name: Of the variable.

    >>> center_valid("sst")
    center_valid('sst')
    """

    name: str

    def _keep(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> NDArray[np.bool_]:
        values, there = _at_middle(source, _variable(source, self.name), numbers)
        found = valid(values)
        return found if there is None else found & there

    def __repr__(self) -> str:
        return f"center_valid({self.name!r})"


@dataclass(frozen=True, eq=False)
class at_center(Quantity):
    """Return what a dimension, a coordinate or a variable says at the middle element of a patch.

    The middle of ``size`` elements is number ``size // 2``, from 0. A dimension without labels says the element's
    number. Dates may be compared with text.

    Args:
        name: Of the dimension, coordinate or variable.

    >>> at_center("time") >= np.datetime64("2001-01-01")
    at_center('time') >= np.datetime64('2001-01-01')
    """

    name: str

    def values(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> Found:
        cube = source.cube
        variable = cube.coords.get(self.name, cube.variables.get(self.name))
        if variable is not None:
            return _at_middle(source, variable, numbers)
        if self.name not in cube.lengths:
            raise ColumnError.missing(self.name, [*dict.fromkeys((*cube.coords, *cube.lengths, *cube.variables))])
        places, there = _middles(source.geometry, (self.name,), numbers)
        return places[:, 0], there

    def __repr__(self) -> str:
        return f"at_center({self.name!r})"


def _variable(source: PatchSource, name: str) -> Variable:
    try:
        return source.cube.variables[name]
    except (KeyError, TypeError):
        raise ColumnError.missing(name, source.cube.variables) from None


def _middles(geometry: Geometry, dims: tuple[str, ...], numbers: Indices) -> tuple[Indices, NDArray[np.bool_] | None]:
    """Return where the middle elements of patches lie, and which of them do."""
    starts = geometry.starts(numbers)
    found = np.empty((len(numbers), len(dims)), np.int64)
    for place, dim in enumerate(dims):
        axis = geometry.axis(dim)
        middle = starts[:, geometry.dims.index(dim)] + axis.size // 2 * axis.dilation
        found[:, place] = Axis(dim, axis.length, 1, 1).positions(middle, geometry.fill == "reflect")[:, 0]
    there: NDArray[np.bool_] = np.logical_and.reduce(found >= 0, axis=1)
    return found, None if there.all() else there


def _at_middle(source: PatchSource, variable: Variable, numbers: Indices) -> Found:
    places, there = _middles(source.geometry, variable.dims, numbers)
    return elements(variable, np.maximum(places, 0)), there
