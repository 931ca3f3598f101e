"""How predictions that meet at an element become one: what is kept of them on the way, and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError, KindError

Blending: TypeAlias = Literal["mean", "tapered", "crop", "first", "last"]
"""The mean; the mean weighted by the distance from the patch's border; the patch whose centre is nearest; the first
prediction in the order in which they come; the last."""

BLENDINGS: tuple[Blending, ...] = get_args(Blending)

FEW = 8
"""So many predictions can be summed up in float32 with an error below 1e-6: each sum rounds by 2**-24 at most."""

LEAST = 1e-3
"""The least weight of a tapered window along a dimension, beside 1 in its middle."""

Place: TypeAlias = tuple[slice, ...]
Arrays: TypeAlias = list[NDArray[Any]]
Mask: TypeAlias = NDArray[np.bool_] | None
"""Which elements of a prediction count; None for all."""


class Blend(Protocol):
    """What predictions are blended by. Accumulators are arrays of the output's shape, or of a part of it."""

    @property
    def result(self) -> np.dtype[Any]:
        """The dtype of the output."""
        ...

    @property
    def accumulators(self) -> tuple[np.dtype[Any], ...]:
        """The dtype of each accumulator.

        All but the first are of size 1 along dimensions that the cube lacks, until elements of a patch do not count.
        """
        ...

    def begin(self, arrays: Arrays) -> None:
        """Fill new accumulators."""
        ...

    def prepare(self, patches: NDArray[Any]) -> NDArray[Any]:
        """Return some patches as they are to be added: the same array, or a new one."""
        ...

    def add(self, arrays: Arrays, here: Place, patch: NDArray[Any], there: Place, valid: Mask) -> None:
        """Add a part of a patch.

        Args:
            arrays: The accumulators.
            here: Which part of them.
            patch: One of those that were prepared.
            there: Which part of it.
            valid: Which elements of the patch count; None for all.
        """
        ...

    def finish(self, arrays: Arrays) -> NDArray[Any]:
        """Return the output: one of the accumulators, or a new array."""
        ...


def blend_of(
    blending: Any, dtype: np.dtype[Any], shape: Sequence[int], cut: Sequence[bool], meeting: int | None, fill: Any
) -> Blend:
    """Return how predictions are blended.

    Args:
        blending: One of :data:`BLENDINGS`.
        dtype: Of the predictions.
        shape: Of one, with size 1 along dimensions that it lacks, and along those that the cube lacks.
        cut: Along which of them there are several windows.
        meeting: How many predictions meet at an element at most; None where that is not known.
        fill: What elements without a prediction are, where the output is not of floats.

    Raises:
        ArgumentError: There is no such blending.
        KindError: The predictions are no numbers, or cannot be averaged.
    """
    if blending not in BLENDINGS:
        raise ArgumentError(f"blend must be one of {', '.join(map(repr, BLENDINGS))}, got {blending!r}")
    if dtype.kind not in "biufcmM":
        raise KindError(f"predictions must be numbers, got {dtype}")
    if blending in ("first", "last"):
        return Chosen(dtype, fill_of(dtype, fill), blending == "last")
    if blending == "crop":
        return Nearest(dtype, fill_of(dtype, fill), _distances(shape, cut))
    if dtype.kind in "mM":
        raise KindError(f"predictions of {dtype} have no {blending!r}: take blend='crop', 'first' or 'last'")
    exact = dtype.kind in "fc" and meeting is not None and meeting <= FEW
    wide = np.result_type(dtype, np.float32 if exact else np.float64)
    result = dtype if dtype.kind in "fc" else wide
    if blending == "mean":
        return Averaged(result, wide, np.dtype(np.uint8 if exact else np.uint32), None)  # fewer bytes to go through
    weight = np.dtype(np.float32 if wide.itemsize == 4 else np.float64)
    return Averaged(result, wide, weight, _taper(shape, cut).astype(weight))


def fill_of(dtype: np.dtype[Any], fill: Any) -> Any:
    """Return what elements without a prediction are: NaN or NaT; a fill value where it fits, or 0."""
    if dtype.kind in "fc":
        return dtype.type(np.nan)
    if dtype.kind in "mM":
        return np.array("NaT", dtype)[()]
    if isinstance(fill, int | float | np.number) and fill == fill and abs(fill) != float("inf"):
        made = np.array(fill).astype(dtype)[()]
        if made == fill:
            return made
    return dtype.type(0)


@dataclass(frozen=True, eq=False)
class Averaged:
    """The mean, with weights or without: the sum of what was predicted, and the sum of the weights.

    Args:
        result: The dtype of the output.
        wide: That of the sums.
        weight: That of the sums of weights, or of the counts.
        weights: Of a patch's elements; None where all weigh the same.
    """

    result: np.dtype[Any]
    wide: np.dtype[Any]
    weight: np.dtype[Any]
    weights: NDArray[Any] | None

    @property
    def accumulators(self) -> tuple[np.dtype[Any], ...]:
        return self.wide, self.weight

    def begin(self, arrays: Arrays) -> None:
        for array in arrays:
            array.fill(0)

    def prepare(self, patches: NDArray[Any]) -> NDArray[Any]:
        return patches if self.weights is None else np.multiply(patches, self.weights, dtype=self.wide)

    def add(self, arrays: Arrays, here: Place, patch: NDArray[Any], there: Place, valid: Mask) -> None:
        total, weight = arrays[0][here], arrays[1][here]
        one = self.weight.type(1) if self.weights is None else self.weights[there]
        if valid is None:
            total += patch[there]
            weight += one
        else:
            inside = valid[there]
            np.add(total, patch[there], out=total, where=inside)
            np.add(weight, one, out=weight, where=inside)

    def finish(self, arrays: Arrays) -> NDArray[Any]:
        total, weight = arrays
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            total /= weight  # 0 / 0 is NaN: nothing was predicted
            return total.astype(self.result, copy=False)


@dataclass(frozen=True, eq=False)
class Chosen:
    """One of those that were predicted: the first that came, or the last.

    Args:
        result: The dtype of the predictions and of the output.
        fill: What elements without a prediction are.
        last: Whether the last one counts.
    """

    result: np.dtype[Any]
    fill: Any
    last: bool

    @property
    def accumulators(self) -> tuple[np.dtype[Any], ...]:
        return (self.result,) if self.last else (self.result, np.dtype(bool))

    def begin(self, arrays: Arrays) -> None:
        arrays[0].fill(self.fill)
        for array in arrays[1:]:
            array.fill(False)

    def prepare(self, patches: NDArray[Any]) -> NDArray[Any]:
        return patches

    def add(self, arrays: Arrays, here: Place, patch: NDArray[Any], there: Place, valid: Mask) -> None:
        kept = arrays[0][here]
        if self.last:
            np.copyto(kept, patch[there], where=True if valid is None else valid[there], casting="same_kind")
            return
        taken = arrays[1][here]
        free = ~taken if valid is None else ~taken & valid[there]
        np.copyto(kept, patch[there], where=free, casting="same_kind")
        taken |= free

    def finish(self, arrays: Arrays) -> NDArray[Any]:
        return arrays[0]


@dataclass(frozen=True, eq=False)
class Nearest:
    """What the patch says whose centre is nearest.

    Args:
        result: The dtype of the predictions and of the output.
        fill: What elements without a prediction are.
        distances: Of a patch's elements from its centre.
    """

    result: np.dtype[Any]
    fill: Any
    distances: NDArray[Any]

    @property
    def accumulators(self) -> tuple[np.dtype[Any], ...]:
        return self.result, self.distances.dtype

    def begin(self, arrays: Arrays) -> None:
        arrays[0].fill(self.fill)
        arrays[1].fill(np.iinfo(self.distances.dtype).max)

    def prepare(self, patches: NDArray[Any]) -> NDArray[Any]:
        return patches

    def add(self, arrays: Arrays, here: Place, patch: NDArray[Any], there: Place, valid: Mask) -> None:
        kept, best = arrays[0][here], arrays[1][here]
        mine = self.distances[there]
        nearer = mine < best if valid is None else (mine < best) & valid[there]
        np.copyto(kept, patch[there], where=nearer, casting="same_kind")
        np.copyto(best, mine, where=nearer)

    def finish(self, arrays: Arrays) -> NDArray[Any]:
        return arrays[0]


def _taper(shape: Sequence[int], cut: Sequence[bool]) -> NDArray[Any]:
    """Return a window that falls off towards the border: a product of raised sines squared, 1 in the middle.

    That is Hann's window, sampled at the middles of elements, so that it is not 0 at the border, and lifted a little.
    Its shifted copies at half the size sum to a constant.
    """
    made = np.ones((1,) * len(shape), np.float64)
    for place, (size, falls) in enumerate(zip(shape, cut, strict=True)):
        if falls and size > 1:
            line = LEAST + (1 - LEAST) * np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
            made = made * line.reshape(_along(place, len(shape)))
    return np.broadcast_to(made, shape)


def _distances(shape: Sequence[int], cut: Sequence[bool]) -> NDArray[Any]:
    """Return the squared distance of each element from the middle, as whole numbers, so that what is equal is equal.

    Of two patches whose centres are as near, the one that begins later along a dimension has the element: a unit more
    for each dimension in which an element lies behind the middle. So the result is the same in any order of patches.
    """
    far = sum(size * size for size, counts in zip(shape, cut, strict=True) if counts) * (len(shape) + 1)
    dtype = np.int32 if far + len(shape) < np.iinfo(np.int32).max else np.int64
    made = np.zeros((1,) * len(shape), dtype)
    for place, (size, counts) in enumerate(zip(shape, cut, strict=True)):
        if counts:
            off: NDArray[Any] = 2 * np.arange(size, dtype=dtype) - (size - 1)
            made = made + (off * off * (len(shape) + 1) + (off > 0)).reshape(_along(place, len(shape)))
    return np.broadcast_to(made, shape)


def _along(place: int, count: int) -> tuple[int, ...]:
    return tuple(-1 if other == place else 1 for other in range(count))
