"""Sums over any window of a variable from a few look-ups: summed-area tables.

F. Crow, "Summed-area tables for texture mapping", SIGGRAPH 1984; with a table beside it that counts, as in P. Viola and
M. Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001. Element ``(i, j, ...)`` of a
table is the sum of all elements before ``i`` in the first dimension, before ``j`` in the second, and so on; the sum
over a window of d dimensions is made of the 2**d elements at its corners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.choosing.keeper import Keeper
from headrace.cubes.choosing.stripes import stripes
from headrace.cubes.cube import Variable

WIDE = 1 << 31
"""From how many elements on their number may not fit int32."""

_FEW = 1024  # elements beside each other, below which a loop over the others takes longer than cumsum

_SLAB = 1 << 16  # windows that are looked up together
_BITS = 10  # of a first guess of the mean: few, so that sums of whole numbers less the guess are exact


def can_lack(dtype: np.dtype[Any]) -> bool:
    """Say whether some values of a dtype mean that there is none: NaN, NaT, None."""
    return dtype.kind in "fcmMO"


def valid(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which elements are there, neither NaN, NaT nor None: a new array.

    >>> valid(np.array([1.0, np.nan])).tolist(), valid(np.array(["2001", "NaT"], "M8[D]")).tolist()
    ([True, False], [True, False])
    """
    if values.dtype.kind in "fcmM":
        lacks = np.isnan if values.dtype.kind in "fc" else np.isnat
        found: NDArray[np.bool_] = ~lacks(values)
        return found
    if values.dtype.kind == "O":
        there = [one is not None and bool(one == one) for one in values.ravel()]
        return np.array(there, np.bool_).reshape(values.shape)
    return np.ones(values.shape, np.bool_)


@dataclass(frozen=True, eq=False)
class Table:
    """Sums of all elements before each place.

    Args:
        dims: The dimensions that windows are cut in, in the variable's order; others are summed over.
        values: One longer than the variable along each of them.

    >>> table = Table(("x",), np.array([0, 1, 3, 6]))
    >>> table.over(np.array([[0], [1]]), np.array([[3], [2]])).tolist()
    [6, 2]
    """

    dims: tuple[str, ...]
    values: NDArray[Any]

    def over(self, low: Indices, high: Indices) -> NDArray[Any]:
        """Return the sums over windows: int64 or float64 ``(n,)``.

        Args:
            low: The first element in each dimension, ``(n, len(dims))``.
            high: The one behind the last, not below it.
        """
        found = np.empty(len(low), np.float64 if self.values.dtype.kind == "f" else np.int64)
        for begin in range(0, len(low), _SLAB):
            found[begin : begin + _SLAB] = self._over(low[begin : begin + _SLAB], high[begin : begin + _SLAB])
        return found

    def _over(self, low: Indices, high: Indices) -> NDArray[Any]:
        flat = self.values.reshape(-1)
        steps = np.array([prod(self.values.shape[place + 1 :]) for place in range(self.values.ndim)], np.int64)
        sides = low * steps, high * steps
        total = np.zeros(len(low), np.float64 if flat.dtype.kind == "f" else np.int64)
        for corner in product((0, 1), repeat=len(self.dims)):
            at = np.zeros(len(low), np.int64)
            for place, side in enumerate(corner):
                at += sides[side][:, place]
            if (len(corner) - sum(corner)) % 2:
                total -= flat[at]
            else:
                total += flat[at]
        return total


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums of a variable's values.

    Args:
        table: Sums of what the finite values are above the guess.
        guess: A first guess of the mean.
        plain: Whether all values are finite or not there, and no sum overflows; else the table says too little.
    """

    table: Table
    guess: float
    plain: bool


def counts(variable: Variable, dims: Sequence[str], identity: str, keeper: Keeper) -> Table | None:
    """Return the table of how many elements are there; None where it is too large to be kept.

    Each chunk is read once. Its elements are int32 where the variable has fewer than 2**31, else int64.

    Args:
        variable: Over what.
        dims: The dimensions that windows are cut in, one or more.
        identity: Stands for the cube.
        keeper: Where it is kept.
    """
    own = _ordered(variable, dims)
    dtype = np.dtype(np.int32 if prod(variable.shape) < WIDE else np.int64)
    shape = _shape(variable, own)
    if not keeper.fits(prod(shape) * dtype.itemsize):
        return None
    key = f"valid elements before 1; {identity}; {variable.name}; {', '.join(own)}"
    return Table(own, keeper.rows(key, partial(_counted, variable, own, dtype), shape, dtype))


def totals(variable: Variable, dims: Sequence[str], identity: str, keeper: Keeper) -> Totals | None:
    """Return the table of sums of numbers, float64; None where it is too large to be kept.

    A first guess of the mean is taken from each value, so that little is lost when large sums are subtracted from each
    other: the error of a sum is about 1e-16 of the largest element of the table. Sums of whole numbers are exact.
    Arguments are those of :func:`counts`.
    """
    own, dtype = _ordered(variable, dims), np.dtype(np.float64)
    length, *others = _shape(variable, own)
    shape = (length + 2, *others)
    if not keeper.fits(prod(shape) * dtype.itemsize):
        return None
    key = f"sums before 1; {identity}; {variable.name}; {', '.join(own)}"
    rows = keeper.rows(key, partial(_summed, variable, own), shape, dtype)
    guess, odd = (float(row.flat[0]) for row in rows[-2:])  # two rows behind the table say them
    return Totals(Table(own, rows[:-2]), guess, not odd)


def _ordered(variable: Variable, dims: Sequence[str]) -> tuple[str, ...]:
    return tuple(dim for dim in variable.dims if dim in dims)


def _shape(variable: Variable, dims: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(length + 1 for dim, length in zip(variable.dims, variable.shape, strict=True) if dim in dims)


def _counted(variable: Variable, dims: tuple[str, ...], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    yield from _accumulated(variable, dims, dtype, valid)


def _summed(variable: Variable, dims: tuple[str, ...]) -> Iterator[NDArray[Any]]:
    seen = _Seen()
    last = np.zeros(1)
    for block in _accumulated(variable, dims, np.dtype(np.float64), seen.above):
        last = block[-1:]
        yield block
    odd = seen.odd or not np.isfinite(last).all()
    yield np.full_like(last, seen.guess or 0.0)
    yield np.full_like(last, float(odd))


class _Seen:
    """What values are above a guess, which the first of them give; and whether there were infinite ones."""

    def __init__(self) -> None:
        self.guess: float | None = None
        self.odd = False

    def above(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return by how much finite values are above the guess, and 0 for others: a new array."""
        gone = ~np.isfinite(values)
        lacks = bool(gone.any())
        if lacks:
            self.odd = self.odd or bool(np.isinf(values).any())
        with np.errstate(over="ignore", invalid="ignore"):
            if self.guess is None and not gone.all():
                self.guess = _rounded(float(values.mean(dtype=np.float64, where=~gone)))
            made: NDArray[np.float64] = np.subtract(values, self.guess or 0.0, dtype=np.float64)
        if lacks:
            np.copyto(made, 0.0, where=gone)
        return made


def _rounded(value: float) -> float:
    """Return a number near to another that has few bits."""
    if not np.isfinite(value):
        return 0.0
    part, power = np.frexp(value)
    return float(np.ldexp(np.round(np.ldexp(part, _BITS)), int(power) - _BITS))


def _accumulated(
    variable: Variable, dims: tuple[str, ...], dtype: np.dtype[Any], of: Callable[[NDArray[Any]], NDArray[Any]]
) -> Iterator[NDArray[Any]]:
    """Yield the rows of a table, in blocks, as the variable is read along the first of its dimensions that count."""
    along = variable.dims.index(dims[0])
    summed = tuple(place for place, dim in enumerate(variable.dims) if dim not in dims)
    kept = [place for place in range(len(variable.dims)) if place not in summed]
    others = _shape(variable, dims)[1:]
    before = np.zeros(others, dtype)
    yield before[None]
    for start, stop, pieces in stripes(variable, along, prod(others) * dtype.itemsize):
        block = np.zeros((stop - start, *others), dtype)
        inner = block[(slice(None), *(slice(1, None) for _ in others))]
        for where, values in pieces:
            places = [where[place] for place in kept]
            places[0] = slice(places[0].start - start, places[0].stop - start)
            made = of(values)
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows is noticed in the last row
                if summed:
                    inner[tuple(places)] += made.sum(axis=summed, dtype=dtype)
                else:
                    inner[tuple(places)] = made
        with np.errstate(over="ignore", invalid="ignore"):
            for axis in range(1, block.ndim):
                _accumulate(block, axis)
            block[0] += before
            _accumulate(block, 0)
        before = block[-1].copy()
        yield block


def _accumulate(block: NDArray[Any], axis: int) -> None:
    """Add to each element those before it along an axis, in place."""
    if prod(block.shape[:axis]) * prod(block.shape[axis + 1 :]) < _FEW or axis == block.ndim - 1 > 0:
        np.cumsum(block, axis=axis, out=block)
        return
    across = np.moveaxis(block, axis, 0)  # several times as fast as cumsum, which walks along the axis
    for place in range(1, len(across)):
        across[place] += across[place - 1]
