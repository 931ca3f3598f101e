"""Small cubes and geometries, drawn by Hypothesis, and their patches cut one by one in plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.cube import Cube, Variable
from headrace.cubes.geometry import Geometry
from headrace.cubes.source import PatchSource


@dataclass(frozen=True, eq=False)
class AtHand:
    """A variable in memory."""

    name: str
    dims: tuple[str, ...]
    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def edges(self) -> tuple[Indices, ...] | None:
        return None

    def whole(self) -> NDArray[Any]:
        return self.array

    def read(self, chunks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        raise AssertionError("it lies at hand")


@dataclass(frozen=True, eq=False)
class InChunks(AtHand):
    """A variable in chunks; it notes which ones were read."""

    chunks: tuple[int, ...]
    asked: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def edges(self) -> tuple[Indices, ...]:
        return tuple(
            np.append(np.arange(0, length, size), length).astype(np.int64)
            for length, size in zip(self.array.shape, self.chunks, strict=True)
        )

    def whole(self) -> NDArray[Any]:
        raise AssertionError("it lies in chunks")

    def read(self, chunks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        self.asked.extend(chunks)
        edges = self.edges
        return [
            self.array[tuple(slice(own[at], own[at + 1]) for own, at in zip(edges, chunk, strict=True))].copy()
            for chunk in chunks
        ]


def variable(name: str, dims: Sequence[str], array: NDArray[Any], chunks: Sequence[int] | None = None) -> AtHand:
    """Return a variable at hand, or in chunks of a shape."""
    return AtHand(name, tuple(dims), array) if chunks is None else InChunks(name, tuple(dims), array, tuple(chunks))


def cube(lengths: dict[str, int], *variables: AtHand, coords: Sequence[AtHand] = (), identity: str = "here") -> Cube:
    """Return a cube."""
    by_name: dict[str, Variable] = {one.name: one for one in variables}
    return Cube(by_name, lengths, {one.name: one for one in coords}, identity)


def patch(source: PatchSource, name: str, number: int, outside: Any) -> NDArray[Any]:
    """Return one patch, with something in the place of elements past an end; mirrored if the geometry says so."""
    geometry, one = source.geometry, source.cube.variables[name]
    array = one.whole() if one.edges is None else one.array  # type: ignore[attr-defined]
    start = geometry.starts(np.array([number]))[0]
    order = [dim for dim in geometry.dims if dim in one.dims]
    array = array.transpose([one.dims.index(dim) for dim in order])
    there = np.ones((), np.bool_)
    for place, dim in enumerate(order):
        axis = geometry.axis(dim)
        at = int(start[geometry.dims.index(dim)]) + np.arange(axis.size) * axis.dilation
        if geometry.fill == "reflect":
            at = np.pad(np.arange(axis.length), 10 * axis.length, mode="reflect")[at + 10 * axis.length]
        inside = (at >= 0) & (at < axis.length)
        array = np.take(array, np.where(inside, at, 0), place)
        there = there[..., None] & inside
    if outside is not None:
        array = np.where(there, array, outside)
    return array.reshape([geometry.axis(dim).size for dim in order if geometry.axis(dim).kept])


DIMS = ("t", "y", "x")


@st.composite
def geometries(draw: st.DrawFn, fill: Any = None, dilated: bool = True) -> Geometry:
    """Draw a geometry over t, y and x."""
    lengths = {dim: draw(st.integers(1, 9)) for dim in DIMS}
    only = draw(st.sampled_from([(), (), ("t",), ("y",)]))
    cut = draw(st.sets(st.sampled_from([dim for dim in DIMS if dim not in only])))
    sizes = {dim: draw(st.integers(1, lengths[dim])) for dim in sorted(cut)}
    dilation = {}
    for dim, size in sizes.items():
        if dilated and draw(st.booleans()) and size > 1:
            dilation[dim] = draw(st.integers(1, max(1, (lengths[dim] - 1) // (size - 1))))
    stride = {dim: draw(st.integers(1, sizes[dim] + 1)) for dim in sizes}
    partial = draw(st.sampled_from(["drop", "pad", "shift"]))
    offset = {}
    if partial == "pad":
        offset = {dim: draw(st.integers(1 - size, 0)) for dim, size in sizes.items()}
    if fill is None:
        fill = draw(st.sampled_from([float("nan"), "reflect"]))
    made = Geometry.of(lengths, sizes, None, stride, offset, dilation, partial, fill, only)
    kind = draw(st.sampled_from(["grid", "grid", "anywhere", "points"]))
    if kind == "anywhere":
        return made.sample(draw(st.integers(1, 12)), draw(st.integers(0, 5)))
    if kind == "points" and sizes:
        dims = tuple(draw(st.sets(st.sampled_from(sorted(sizes)), min_size=1)))
        rows = []
        for _ in range(draw(st.integers(1, 6))):
            row = []
            for dim in dims:
                axis = made.axis(dim)
                low, high = (1 - axis.size, axis.length - 1) if partial == "pad" else (0, axis.room)
                row.append(draw(st.integers(low, high)))
            rows.append(row)
        return made.at(dims, np.array(rows, np.int64))
    return made


@st.composite
def sources(draw: st.DrawFn, fill: Any = None, dilated: bool = True) -> PatchSource:
    """Draw patches of variables with and without gaps, some without some dimensions, some in chunks."""
    geometry = draw(geometries(fill, dilated))
    lengths = {axis.name: axis.length for axis in geometry.axes}
    made = []
    for name in ("a", "b"):
        dims = draw(st.permutations(DIMS))[: draw(st.sampled_from([3, 3, 2, 1, 0]))]
        shape = tuple(lengths[dim] for dim in dims)
        rng = np.random.default_rng(draw(st.integers(0, 9)))
        array = rng.normal(draw(st.sampled_from([0.0, 300.0])), 2.0, shape).astype(draw(st.sampled_from(["f4", "f8"])))
        array = np.where(rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0])), np.nan, array).astype(array.dtype)
        chunked: bool = draw(st.booleans())
        chunks = [draw(st.integers(1, 5)) for _ in dims] if dims and chunked else None
        made.append(variable(name, dims, np.asarray(array), chunks))
    return PatchSource(cube(lengths, *made), geometry)
