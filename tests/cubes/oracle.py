"""Any cube and any geometry for tests, variables that say what was read of them, and patches by the longest way."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.errors import StoreError
from headrace.cubes.cube import Cube
from headrace.cubes.geometry import Geometry

DTYPES = ("float32", "float64", "int16", "bool", "M8[s]", "complex64", "uint8", "object")


@dataclass(eq=False)
class Held:
    """A variable over an array: at hand, or cut into chunks, each read of which is noted.

    Args:
        name: Of the variable.
        dims: Of the array.
        array: All of it.
        edges: Of chunks.
        broken: Chunks that cannot be read.
        calls: What was asked for, call by call.
        gate: What reads wait for.
    """

    name: str
    dims: tuple[str, ...]
    array: NDArray[Any]
    edges: tuple[NDArray[np.int64], ...] | None = None
    broken: frozenset[tuple[int, ...]] = frozenset()
    calls: list[list[tuple[int, ...]]] = field(default_factory=list)
    gate: threading.Event | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def whole(self) -> NDArray[Any]:
        assert self.edges is None
        view = self.array.view()
        view.flags.writeable = False
        return view

    def read(self, chunks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        assert self.edges is not None
        self.calls.append(list(chunks))
        if self.gate is not None:
            assert self.gate.wait(30)
        for chunk in chunks:
            if chunk in self.broken:
                raise StoreError(f"{self.name!r}: chunk {chunk} cannot be read")
        return [self._chunk(chunk) for chunk in chunks]

    def _chunk(self, chunk: tuple[int, ...]) -> NDArray[Any]:
        assert self.edges is not None
        here = tuple(slice(edges[at], edges[at + 1]) for edges, at in zip(self.edges, chunk, strict=True))
        found = np.array(self.array[here], self.dtype)
        found.flags.writeable = False
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "gate": None}


def chunked(name: str, dims: Sequence[str], array: NDArray[Any], sizes: Sequence[int], **more: Any) -> Held:
    """Return a variable in chunks of equal sizes, but for the last ones."""
    edges = tuple(
        np.array([*range(0, length, size), length], np.int64) for length, size in zip(array.shape, sizes, strict=True)
    )
    return Held(name, tuple(dims), array, edges, **more)


def content(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array in which neighbours differ."""
    count = int(np.prod(shape, dtype=np.int64))
    if dtype == "object":
        made: NDArray[Any] = np.array([f"n{number}" for number in range(count)] + [None], object)[:-1]
    elif dtype == "bool":
        made = np.random.default_rng(0).random(count) < 0.5
    else:
        made = (np.arange(count) + 1).astype(np.int64).astype(dtype)
    return made.reshape(shape)


@st.composite
def geometries(draw: st.DrawFn, most: int = 7) -> Geometry:
    """Return windows of a small cube of one to three dimensions: on a grid, at points or anywhere."""
    lengths, sizes, stride, offset, dilation, partial = {}, {}, {}, {}, {}, {}
    only = []
    for dim in ("t", "y", "x")[: draw(st.integers(1, 3))]:
        length = lengths[dim] = draw(st.integers(1, most))
        if draw(st.integers(0, 5)) == 0:
            only.append(dim)
            continue
        partial[dim] = draw(st.sampled_from(["drop", "pad", "shift"]))
        step = dilation[dim] = draw(st.sampled_from([1, 1, 2, 3]))
        largest = most + 2 if partial[dim] == "pad" else (length - 1) // step + 1
        sizes[dim] = draw(st.integers(1, largest))
        span = (sizes[dim] - 1) * step + 1
        stride[dim] = draw(st.integers(1, sizes[dim] + 2))
        low, high = (1 - span, length - 1) if partial[dim] == "pad" else (0, length - span)
        offset[dim] = draw(st.one_of(st.just(0), st.integers(low, high)))
    fill: Any = draw(st.sampled_from([float("nan"), 0, 1, "reflect"]))
    grid = Geometry.of(lengths, sizes, None, stride, offset, dilation, partial, fill, only)
    kind = draw(st.sampled_from(["grid", "grid", "points", "anywhere"]))
    if kind == "anywhere" and all(axis.room >= 0 for axis in grid.axes):
        return grid.sample(draw(st.integers(0, 6)), draw(st.integers(0, 3)))
    if kind == "points":
        dims = draw(st.lists(st.sampled_from(sorted(lengths)), min_size=1, unique=True))
        begins = [draw(st.lists(_begin(grid, dim), min_size=4, max_size=4)) for dim in dims]
        return grid.at(tuple(dims), np.array(begins, np.int64).T)
    return grid


def _begin(grid: Geometry, dim: str) -> st.SearchStrategy[int]:
    axis = grid.axis(dim)
    if axis.partial == "drop":
        return st.integers(0, axis.room)
    return st.integers(1 - axis.span, axis.length - 1) if axis.partial == "pad" else st.integers(-9, 9)


@st.composite
def cubes(draw: st.DrawFn, geometry: Geometry) -> Cube:
    """Return a cube of several variables: of any dimensions of it in any order, at hand or in chunks of any sizes."""
    lengths = {axis.name: axis.length for axis in geometry.axes}
    variables = {}
    for number in range(draw(st.integers(1, 3))):
        name = f"v{number}"
        dims = tuple(draw(st.permutations(list(lengths)))[: draw(st.integers(0, len(lengths)))])
        padded = set(dims) & set(geometry.padded)
        holds_no_nan = padded and geometry.fill != geometry.fill
        dtype = draw(st.sampled_from([one for one in DTYPES if not (holds_no_nan and np.dtype(one).kind in "iubO")]))
        array = content(dtype, tuple(lengths[dim] for dim in dims))
        if draw(st.booleans()):
            array = np.asfortranarray(array) if array.ndim else array
        edges = None
        if draw(st.booleans()):
            edges = tuple(_edges(lengths[dim], draw(st.integers(0, (1 << lengths[dim] - 1) - 1))) for dim in dims)
        variables[name] = Held(name, dims, array, edges)
    return Cube(variables, lengths, identity="drawn")


def _edges(length: int, bits: int) -> NDArray[np.int64]:
    """Return edges of chunks: one wherever a bit is set."""
    return np.array([0, *(at for at in range(1, length) if bits >> at - 1 & 1), length], np.int64)


# What should come out, by the longest way


def begins(geometry: Geometry) -> list[tuple[int, ...]]:
    """Return where all windows begin, enumerated one by one."""
    found: list[dict[str, int]] = [{}]
    placed: tuple[str, ...] = ()
    if geometry.places is not None:
        placed = geometry.places.dims
        rows = geometry.places.starts(np.arange(geometry.places.count)).tolist()
        found = [dict(zip(placed, row, strict=True)) for row in rows]
    for axis in geometry.axes:
        if axis.name in placed:
            for one in found:
                if axis.partial == "shift":
                    one[axis.name] = min(max(one[axis.name], 0), axis.length - axis.span)
            continue
        ones: list[int] = []
        start = axis.offset
        while True:
            ends = start + (axis.size - 1) * axis.dilation + 1
            if (axis.partial == "drop" and ends > axis.length) or (ones and start >= axis.length):
                break
            ones.append(min(start, axis.length - axis.span) if axis.partial == "shift" else start)
            if axis.partial != "drop" and ends >= axis.length:
                break
            start += axis.stride
        found = [{**one, axis.name: start} for one in found for start in ones]
    return [tuple(one[axis.name] for axis in geometry.axes) for one in found]


def patch(geometry: Geometry, variable: Held, begin: tuple[int, ...], fill: Any) -> NDArray[Any]:
    """Return one patch of a variable, cut from the whole of it with a wide border."""
    axes = [(axis, start) for axis, start in zip(geometry.axes, begin, strict=True) if axis.name in variable.dims]
    array = variable.array.transpose([variable.dims.index(axis.name) for axis, _ in axes])
    if not axes:
        return array
    widths = [40 if axis.partial == "pad" else 0 for axis, _ in axes]
    if isinstance(fill, str):
        wide = np.pad(array, [(width, width) for width in widths], mode="reflect")
    else:
        wide = np.full(
            [length + 2 * width for length, width in zip(array.shape, widths, strict=True)], fill, array.dtype
        )
        wide[tuple(slice(width, width + length) for width, length in zip(widths, array.shape, strict=True))] = array
    here = [
        np.arange(axis.size) * axis.dilation + start + width for (axis, start), width in zip(axes, widths, strict=True)
    ]
    return wide[np.ix_(*here)].reshape([axis.size for axis, _ in axes if axis.kept])
