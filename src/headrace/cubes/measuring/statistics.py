"""Means and spreads of what patches hold, in one pass over them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ColumnError, KindError
from headrace.core.source import Indices
from headrace.cubes.choosing.keeper import Keeper
from headrace.cubes.choosing.sweeping import has_whole, narrowed, sweep, within
from headrace.cubes.geometry import Geometry
from headrace.cubes.measuring.moments import Moments
from headrace.cubes.measuring.scaling import FORMAT, WHAT, Statistics
from headrace.cubes.source import PatchSource

__all__ = ["Statistics", "kept_statistics", "statistics"]

_BESIDE = 8  # cells from which on adding up those of several at once is faster

_NUMBERS = "fiub"  # kinds of dtypes that have a mean


def statistics(
    source: PatchSource,
    numbers: Indices,
    dims: Iterable[str] | None = None,
    variables: Iterable[str] | None = None,
) -> Statistics:
    """Return the statistics of what patches hold, read once, those in the same chunks together, in bounded memory.

    An element counts as often as it is in one of the patches, so one in several that overlap counts several times.
    NaN does not count, nor does what fills patches up past an end of the cube (what is mirrored there does). All is
    counted in float64.

    Args:
        source: Of the patches.
        numbers: Which ones.
        dims: Dimensions of patches to count over; the others are kept. None for all. Of a kept dimension along which
            patches are cut, statistics are by the element of the cube. Dimensions that only number patches are
            always counted over.
        variables: Some of them; None for all that hold numbers or booleans.

    Raises:
        ColumnError: There is no such variable.
        ArgumentError: There is no such dimension.
        KindError: A variable that is asked for, or every one, holds dates, text or other objects.
    """
    over = _over(source.geometry, dims)
    names, skipped = _numeric(source, variables)
    alone = narrowed(source, names)
    parts = {name: _Part(source.geometry, source.dims[name], over) for name in names}
    numbers = np.asarray(numbers, np.int64)
    for places, batch in sweep(alone, numbers):
        for name, part in parts.items():
            part.add(batch[name], numbers[places])
    kept = {name: part.dims for name, part in parts.items()}
    cut = {dim for part in parts.values() for dim in part.cut}
    found = {what: {name: part.shaped(what) for name, part in parts.items()} for what in WHAT}
    in_order = tuple(dim for dim in source.geometry.dims if dim in cut)
    return Statistics(
        **found, dims=kept, axes={name: source.dims[name] for name in names}, cut=in_order, skipped=skipped
    )


def kept_statistics(
    source: PatchSource,
    numbers: Indices,
    dims: Iterable[str] | None = None,
    variables: Iterable[str] | None = None,
    keeper: Keeper | None = None,
) -> Statistics:
    """Return statistics that are counted once, if there is something that keeps them.

    They are kept under all that they depend on: the cube, the geometry, the numbers of the patches, the dimensions and
    the variables. See :func:`statistics`.
    """
    over = _over(source.geometry, dims)
    names, _ = _numeric(source, variables)
    named = None if variables is None else names
    if keeper is None or not source.cube.identity:
        return statistics(source, numbers, over, named)
    digest = blake2b(np.ascontiguousarray(numbers, "<i8").tobytes(), digest_size=16).hexdigest()
    key = f"statistics {FORMAT}; {source.fingerprint()}; {len(numbers)} numbers {digest}; {over}; {named}"
    return Statistics.from_json(keeper.text(key, lambda: statistics(source, numbers, over, named).to_json()))


def _over(geometry: Geometry, dims: Iterable[str] | None) -> tuple[str, ...]:
    if dims is None:
        return geometry.patch_dims
    named = (dims,) if isinstance(dims, str) else tuple(dims)
    for dim in named:
        geometry.axis(dim)
    return tuple(dim for dim in geometry.patch_dims if dim in named)


def _numeric(source: PatchSource, variables: Iterable[str] | None) -> tuple[list[str], tuple[str, ...]]:
    """Return the variables to count, and those that are left out."""
    known = source.cube.variables
    names = [variables] if isinstance(variables, str) else list(known if variables is None else variables)
    for name in names:
        if name not in known:
            raise ColumnError.missing(name, known)
    wrong = [name for name in names if known[name].dtype.kind not in _NUMBERS]
    if wrong and (variables is not None or len(wrong) == len(names)):
        held = ", ".join(f"{name!r} holds {known[name].dtype}" for name in wrong)
        raise KindError(f"statistics are of numbers, and {held}: name other variables")
    return [name for name in names if name not in wrong], tuple(wrong)


class _Part:
    """What is counted of one variable."""

    def __init__(self, geometry: Geometry, axes: tuple[str, ...], over: tuple[str, ...]) -> None:
        self.geometry, self.axes = geometry, axes
        self.dims = tuple(dim for dim in axes if dim not in over)
        self.own = [geometry.axis(dim) for dim in self.dims]
        self.cut = [axis.name for axis in self.own if not has_whole(geometry, axis.name)]
        self.moments = Moments.none(prod(axis.length for axis in self.own))

    def add(self, values: NDArray[Any], numbers: Indices) -> None:
        """Count a batch of patches."""
        there = within(self.geometry, self.axes, numbers)
        kept = [1 + self.axes.index(dim) for dim in self.dims]
        over = [place for place in range(1, values.ndim) if place not in kept]
        cells, rest = prod(axis.size for axis in self.own), prod(values.shape[place] for place in over)
        if cells < _BESIDE:  # else they are counted as they lie, those of several cells beside each other
            order, shape = [0, *kept, *over], (len(values) * cells, rest, 1)
        else:
            order, shape = [0, *over, *kept], (len(values), rest, cells)
        rows = values.transpose(order).reshape(shape)
        some = None if there is None else there.transpose(order).reshape(shape)
        here = self._cells(numbers)
        known = here >= 0
        pieces = Moments.of(rows, some)
        if not known.all():  # nothing lies there: these pieces are empty
            here, pieces = here[known], pieces.take(known)
        self.moments.add(here, pieces)

    def _cells(self, numbers: Indices) -> Indices:
        """Return the number of the cell that each kept element of patches belongs to, -1 past an end."""
        starts = self.geometry.starts(numbers)
        found = np.zeros((len(numbers), *(1 for _ in self.own)), np.int64)
        for place, axis in enumerate(self.own):
            at = axis.positions(starts[:, self.geometry.dims.index(axis.name)], self.geometry.fill == "reflect")
            at = at.reshape(len(numbers), *(axis.size if other == place else 1 for other in range(len(self.own))))
            found = np.where((found < 0) | (at < 0), -1, found * axis.length + at)
        return found.reshape(-1)

    def shaped(self, what: str) -> NDArray[Any]:
        """Return a statistic over the kept dimensions."""
        moments = self.moments
        named = {"min": moments.low, "max": moments.high, "std": moments.std, "mean": moments.mean}
        shape = [axis.length for axis in self.own]
        if what == "count":
            return moments.count.reshape(shape)
        return np.where(moments.count > 0, named[what], np.nan).reshape(shape)
