"""Which dimensions an output has, and where on it a prediction lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any, Literal

import numpy as np

from headrace.core.errors import ArgumentError, KindError, SchemaError
from headrace.core.source import Indices
from headrace.cubes.axis import Axis
from headrace.cubes.geometry import Geometry

PLACE = "place"
"""The dimension along which single values of windows lie that are on no grid."""

Kind = Literal["window", "each", "place", "extra"]
"""What a dimension of the output is: one that predictions have, too; one with a place for each window of a dimension
that predictions lack; one with a place for each of the geometry's places; one that the cube does not have."""


@dataclass(frozen=True)
class Along:
    """One dimension of an output.

    Args:
        name: Of it.
        kind: What it is.
        length: Elements of the output along it.
        size: Elements of a prediction.
        axis: The cube's dimension; None where the cube has none.
        scale: Elements of the output for one of the cube.
    """

    name: str
    kind: Kind
    length: int
    size: int
    axis: Axis | None = None
    scale: Fraction = Fraction(1)

    @property
    def step(self) -> int:
        """From one element of a prediction to the next."""
        return self.axis.dilation if self.kind == "window" and self.axis is not None else 1

    @property
    def span(self) -> int:
        """Elements of the output from the first to the last of a prediction."""
        return (self.size - 1) * self.step + 1


@dataclass(frozen=True)
class Layout:
    """How predictions lie on an output.

    Args:
        geometry: Of the patches.
        alongs: The dimensions of the output, in order; those of a prediction come in the same order.
        shape: Of a prediction, as it comes.
    """

    geometry: Geometry
    alongs: tuple[Along, ...]
    given: tuple[int, ...]

    @classmethod
    def of(
        cls,
        geometry: Geometry,
        shape: Sequence[int],
        dims: Sequence[str] | None = None,
        scale: Mapping[str, Any] | None = None,
        own: Sequence[str] | None = None,
        what: str = "predictions",
    ) -> Layout:
        """Return how predictions of a shape lie.

        Args:
            geometry: Of the patches.
            shape: Of one prediction.
            dims: Its dimensions; None for those of a patch, or none where it is a single value.
            scale: Elements of a prediction for one of a patch, by dimension; 1 where it is not named.
            own: All dimensions of the cube's variable that is predicted: the output has no others of the cube's. None
                where it has all.
            what: What they are called in errors.

        Raises:
            SchemaError: The shape does not fit.
            ArgumentError: The dimensions or the scale cannot be meant.
        """
        sizes = {axis.name: axis.size for axis in geometry.axes if axis.kept}
        factors = _factors(scale or {}, sizes)
        mine = [dim for dim in sizes if own is None or dim in own]
        if dims is None and own is not None and len(shape) != len(mine):
            own, mine = None, list(sizes)  # it has a variable's name, and another shape

        named = _named(geometry, tuple(shape), dims, mine, what)
        for dim in factors:
            if dim not in named:
                raise ArgumentError(f"scale: {what} have no dimension {dim!r}; they have {_listed(named)}")
        lacking = [axis.name for axis in geometry.axes if axis.name not in named and (own is None or axis.name in own)]
        kinds = _kinds_of(geometry, lacking, own, what)
        alongs = []
        for dim in _ordered(geometry.dims, named, list(kinds)):
            if dim in kinds:
                alongs.append(kinds[dim])
            elif dim in sizes:
                size = shape[named.index(dim)]
                alongs.append(_window(geometry, dim, size, factors.get(dim, Fraction(1)), what))
            else:
                size = shape[named.index(dim)]
                alongs.append(Along(dim, "extra", size, size))
        return cls(geometry, tuple(alongs), tuple(shape))

    @property
    def dims(self) -> tuple[str, ...]:
        """The output's dimensions."""
        return tuple(along.name for along in self.alongs)

    @property
    def shape(self) -> tuple[int, ...]:
        """The output's shape."""
        return tuple(along.length for along in self.alongs)

    @property
    def patch(self) -> tuple[int, ...]:
        """The shape of a prediction, with size 1 along dimensions that it lacks."""
        return tuple(along.size for along in self.alongs)

    @property
    def thin(self) -> tuple[int, ...]:
        """The same, with size 1 along dimensions that the cube lacks."""
        return tuple(1 if along.kind == "extra" else along.size for along in self.alongs)

    @property
    def extras(self) -> tuple[bool, ...]:
        """Which dimensions the cube lacks."""
        return tuple(along.kind == "extra" for along in self.alongs)

    @property
    def cut(self) -> tuple[bool, ...]:
        """Along which dimensions there are several windows."""
        placed = () if self.geometry.places is None else self.geometry.places.dims
        return tuple(
            along.kind == "window" and along.axis is not None and (along.axis.count > 1 or along.name in placed)
            for along in self.alongs
        )

    @cached_property
    def meeting(self) -> int | None:
        """How many windows meet at an element at most, each counted once; None where that is not known."""
        if self.geometry.places is not None:
            return None
        met = 1
        names = self.dims
        for axis in self.geometry.axes:
            if axis.name not in names:
                met *= axis.count
            elif axis.kept and self.alongs[names.index(axis.name)].kind == "window":
                shifted = axis.partial == "shift"  # the last window lies anywhere on those before it
                met *= min(axis.count, -(-axis.span // axis.stride) + shifted)
        return met

    def begins(self, numbers: Indices) -> Indices:
        """Return where predictions begin on the output: a new array, int64 ``(n, dimensions)``.

        Below 0, or past the last place at which a prediction fits, where the patch was filled up.

        Raises:
            ArgumentError: A window begins between elements of the output.
        """
        starts = self.geometry.starts(numbers)
        found = np.zeros((len(numbers), len(self.alongs)), np.int64)
        for place, along in enumerate(self.alongs):
            if along.kind == "place":
                found[:, place] = numbers // prod(axis.count for axis in self.geometry.grid)
            if along.axis is None:
                continue
            here = starts[:, self.geometry.dims.index(along.axis.name)]
            if along.kind == "each":
                # rounded up, for the last window, which may be moved back
                found[:, place] = -((along.axis.offset - here) // along.axis.stride)
            else:
                found[:, place] = _scaled(along, here)
        return found


def window_starts(axis: Axis) -> Indices:
    """Return where all windows of a dimension that is on a grid begin: a new array."""
    return axis.starts(np.arange(axis.count, dtype=np.int64))


def _window(geometry: Geometry, dim: str, size: int, scale: Fraction, what: str) -> Along:
    axis = geometry.axis(dim)
    expected = axis.size * scale
    if expected != size:
        at = f"at scale {scale} " if scale != 1 else ""
        mend = "" if scale != 1 else f'; coarser or finer ones need scale={{"{dim}": {Fraction(size, axis.size)}}}'
        raise SchemaError(
            f"{what}: {size} elements along {dim!r}, expected {_text(expected)}, since a patch has {axis.size} "
            f"{at}there{mend}"
        )
    if scale != 1 and axis.dilation > 1:
        raise ArgumentError(f"scale: windows of {dim!r} are dilated, so nothing finer or coarser lies on its elements")
    length = axis.length * scale
    if length.denominator != 1:
        raise ArgumentError(f"scale: {dim!r} has {axis.length} elements, which makes {_text(length)} at scale {scale}")
    along = Along(dim, "window", int(length), size, axis, scale)
    if geometry.places is None or dim not in geometry.places.dims:
        _scaled(along, window_starts(axis))
    return along


def _scaled(along: Along, starts: Indices) -> Indices:
    """Return where windows begin on the output, where they begin at its elements."""
    up, down = along.scale.numerator, along.scale.denominator
    if down == 1:
        return starts * up
    found, rest = np.divmod(starts * up, down)
    if rest.any():
        first = int(starts[np.flatnonzero(rest)[0]])
        raise ArgumentError(
            f"scale: a window of {along.name!r} begins at {first}, which is {_text(first * along.scale)} at scale "
            f"{along.scale}: take strides and offsets that are multiples of {down}"
        )
    return found


def _factors(scale: Any, sizes: Mapping[str, int]) -> dict[str, Fraction]:
    if not isinstance(scale, Mapping):
        raise KindError(f"scale must be a mapping from dimension to number, got {scale!r}")
    made = {}
    for dim, factor in scale.items():
        if dim not in sizes:
            raise ArgumentError(f"scale: patches have no dimension {dim!r}; they have {_listed(list(sizes))}")
        try:
            made[dim] = Fraction(factor).limit_denominator(1 << 20)  # 1 / 3 as a float is a third
        except (TypeError, ValueError, OverflowError) as error:
            raise KindError(f"scale of {dim!r} must be a number, got {factor!r}") from error
        if made[dim] <= 0:
            raise ArgumentError(f"scale of {dim!r} must be above 0, got {factor!r}")
    return made


def _named(
    geometry: Geometry, shape: tuple[int, ...], dims: Sequence[str] | None, mine: list[str], what: str
) -> tuple[str, ...]:
    """Return the dimensions of a prediction."""
    if dims is not None:
        if isinstance(dims, str) or not all(isinstance(dim, str) and dim for dim in dims):
            raise KindError(f"dims must be the names of the axes after the sample axis, got {dims!r}")
        if len(set(dims)) < len(dims):
            raise ArgumentError(f"dims: a dimension is named twice: {_listed(dims)}")
        for dim in dims:
            if dim in geometry.dims and not geometry.axis(dim).kept:
                raise ArgumentError(f"dims: {dim!r} only numbers the patches, so predictions cannot have it")
        if len(dims) != len(shape):
            raise SchemaError(
                f"{what} have shape {shape} after the sample axis, and dims names {len(dims)}: {_listed(dims)}"
            )
        return tuple(dims)
    if len(shape) == len(mine):
        return tuple(mine)
    if not shape:
        return ()
    raise SchemaError(
        f"{what} have shape {shape} after the sample axis, and patches have {_listed(mine)}: name the axes, such as "
        f"dims={('channel', *mine)!r}"
    )


def _kinds_of(geometry: Geometry, lacking: list[str], own: Sequence[str] | None, what: str) -> dict[str, Along]:
    """Return those dimensions of the output that predictions lack."""
    placed = () if geometry.places is None else geometry.places.dims
    made: dict[str, Along] = {}
    lost = [dim for dim in lacking if dim in placed]
    kept = [dim for dim in lost if geometry.axis(dim).kept]
    if geometry.places is not None and kept:
        if len(lost) < len(placed):
            raise ArgumentError(
                f"{what} lack {_listed(kept)}, along which windows are on no grid: they must have all of "
                f"{_listed(placed)}, or none"
            )
        made[PLACE] = Along(PLACE, "place", geometry.places.count, 1)
    for dim in lacking:
        axis = geometry.axis(dim)
        if not axis.kept and (dim not in placed or PLACE not in made):
            made[dim] = Along(dim, "window", axis.length, 1, axis)
        elif dim not in placed:
            made[dim] = Along(dim, "each", axis.count, 1, axis)
    return made


def _ordered(cube: Sequence[str], named: Sequence[str], lacking: list[str]) -> list[str]:
    """Return the output's dimensions: each that predictions lack before the next one of the cube that they have."""
    found = list(named)
    for dim in reversed(lacking):
        if dim not in cube:
            found.insert(0, dim)
            continue
        behind = [other for other in cube[list(cube).index(dim) + 1 :] if other in found]
        found.insert(found.index(behind[0]) if behind else len(found), dim)
    return found


def _text(number: Fraction) -> str:
    return str(number) if number.denominator == 1 else f"{float(number):g}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) if names else "none"
