"""Patches of a cube as a source: what they hold, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.arguments import whole
from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, KindError
from headrace.core.schema import Field, Schema, Structure
from headrace.core.source import Indices
from headrace.cubes.cube import Cube, Variable
from headrace.cubes.gathering.chunks import Chunks, Grid
from headrace.cubes.gathering.coordinates import Coords, Labels, Numbers, columns
from headrace.cubes.gathering.cut import Cut
from headrace.cubes.gathering.gather import gather
from headrace.cubes.gathering.padding import filler
from headrace.cubes.geometry import Geometry
from headrace.cubes.placing import Boxes, boxes

CACHE_BYTES = 256 << 20


@dataclass(frozen=True, eq=False)
class Values:
    """A column of a variable's patches.

    Args:
        cut: How windows cut the variable.
        fill: What fills them up; None where nothing does, or they are mirrored.
    """

    cut: Cut
    fill: Any

    @classmethod
    def of(cls, variable: Variable, geometry: Geometry) -> Values:
        """Return the column of a variable.

        Raises:
            ArgumentError: Its patches are filled up with what it cannot hold.
        """
        cut = Cut.of(variable, geometry, geometry.fill == "reflect")
        filled = cut.padded and not cut.reflect
        return cls(cut, filler(variable.name, variable.dtype, geometry.fill) if filled else None)

    @property
    def dims(self) -> tuple[str, ...]:
        return self.cut.dims

    @property
    def shape(self) -> tuple[int, ...]:
        return self.cut.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.cut.variable.dtype

    def write(self, starts: Indices, out: NDArray[Any], chunks: Chunks) -> None:
        """Write the column of windows that begin at some places."""
        gather(self.cut, starts, out, chunks, self.fill)


class PatchSource:
    """Patches of a cube: record ``k`` is window ``k`` of its geometry.

    A record has a column for each variable, with those dimensions of patches that the variable has, in the cube's
    order, and columns of coordinates if they are asked for. What is read is always a copy: it may be written to, and
    neither the cube nor what is kept of it changes.

    Of variables in chunks, the chunks that a read needs are found first; those that are not held are read in one call,
    and every one is decoded once in a read, however many patches lie in it. Where they are more than may be held at
    once, they come in as many calls as it takes.

    Args:
        cube: What patches are cut from.
        geometry: Its windows.
        coords: Columns that say where patches lie: ``"none"``, ``"index"`` (of each dimension the numbers of elements,
            -1 past an end) or ``"values"`` (labels).
        cache_bytes: How many bytes of decoded chunks are held at most, in each process.

    Raises:
        KindError: These are no cube and no geometry.
        ArgumentError: The geometry is of another cube; patches are filled up with what a variable cannot hold; or a
            column of coordinates has the name of a variable.

    >>> from headrace.cubes.reading.adopt import adopt
    >>> cube = adopt(np.arange(20).reshape(4, 5), dims=("t", "x"))
    >>> source = PatchSource(cube, Geometry.of(cube.lengths, {"t": 2, "x": 3}, overlap={"x": 1}), coords="index")
    >>> len(source), source.schema()
    (4, {data: int64[2, 3], t: int64[2], x: int64[3]})
    >>> batch = source.read(np.array([3]))
    >>> batch["data"].tolist(), batch["x"].tolist()
    ([[[12, 13, 14], [17, 18, 19]]], [[2, 3, 4]])
    """

    structure: Structure = "mapping"

    def __init__(self, cube: Cube, geometry: Geometry, coords: Coords = "none", cache_bytes: int = CACHE_BYTES) -> None:
        if not isinstance(cube, Cube):
            raise KindError(f"patches are cut from a Cube, got {type(cube).__name__}")
        if not isinstance(geometry, Geometry):
            raise KindError(f"patches need a Geometry, got {type(geometry).__name__}")
        lengths = {axis.name: axis.length for axis in geometry.axes}
        if list(lengths.items()) != list(cube.lengths.items()):
            raise ArgumentError(f"the geometry is of a cube of {lengths}, and this one has {dict(cube.lengths)}")
        if not cube.variables:
            raise ArgumentError("the cube has no variables, so patches of it would hold nothing")
        self.cube = cube
        self.geometry = geometry
        self.coords: Coords = coords
        self.chunks = Chunks(whole(cache_bytes, "cache_bytes"))
        self._columns: dict[str, Values | Labels | Numbers] = {
            name: Values.of(variable, geometry) for name, variable in cube.variables.items()
        }
        self._columns.update(columns(cube, geometry, coords))

    def __len__(self) -> int:
        return len(self.geometry)

    @cached_property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """The names of each column's axes after the first, which is that of samples."""
        return {name: column.dims for name, column in self._columns.items()}

    def fingerprint(self) -> str:
        """Return a text that changes when the cube, the geometry or the columns do."""
        held = "; ".join(f"{name} {one.dtype} {' '.join(one.dims)}" for name, one in self._columns.items())
        return f"patches of {self.cube.identity}: {held}; {self.geometry.text}; coords {self.coords}"

    def schema(self) -> Schema:
        """Return what a record holds; nothing is read for it."""
        return Schema("mapping", {name: _field(column) for name, column in self._columns.items()})

    def read(self, indices: Indices) -> Batch:
        """Return patches: arrays of the caller's own, C-contiguous, ``(n, *shape of a patch)``.

        Raises:
            StoreError: A chunk cannot be read; the message names the variable and the chunk.
        """
        return self.read_into(indices, np.empty)

    def read_into(self, indices: Indices, new: Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]) -> Batch:
        """Return patches in arrays that are made elsewhere, such as buffers that are used again.

        Args:
            indices: Which.
            new: Returns a C-contiguous array of a shape and a dtype, all of which is written to.

        Raises:
            StoreError: A chunk cannot be read; the message names the variable and the chunk.
        """
        starts = self.geometry.starts(indices)
        made: dict[str, Any] = {}
        for name, column in self._columns.items():
            out = made[name] = new((len(indices), *column.shape), column.dtype)
            if len(indices):
                column.write(starts, out, self.chunks)
        return Batch._of(made, len(indices))

    def placement(self, memory: int, lanes: int) -> Boxes | None:
        """Return which patches lie in the same chunks, for a block shuffle of so much memory; None: all is at hand.

        So much is held of decoded chunks from now on.
        """
        found = boxes(self.cube, self.geometry, memory, lanes)
        if found is not None:
            self.reserve(memory)
        return found

    @property
    def expect(self) -> Callable[[Sequence[int]], None] | None:
        """Told the numbers of chunks that will be needed soon, reads them in the background; None: all is at hand.

        Chunks are numbered as those of ``placement`` are: one variable after the other.
        """
        return self._expect if self._in_chunks else None

    @cached_property
    def _in_chunks(self) -> list[tuple[Variable, Grid]]:
        chunked = [one for one in self.cube.variables.values() if one.edges is not None]
        return [(one, Grid(one.edges or (), one.dtype.itemsize)) for one in chunked]

    def _expect(self, chunks: Sequence[int]) -> None:
        if not chunks:
            self.chunks.expect((), ())
            return
        begins = np.cumsum([0, *(prod(grid.shape) for _, grid in self._in_chunks)])
        numbers = np.asarray(chunks, np.int64)
        owners = begins.searchsorted(numbers, "right") - 1
        within = numbers - begins[owners]
        self.chunks.expect(self._in_chunks, list(zip(owners.tolist(), within.tolist(), strict=True)))

    def reserve(self, nbytes: int) -> None:
        """Hold up to so many bytes of decoded chunks, if that is more than now."""
        self.chunks.reserve(nbytes)

    def __repr__(self) -> str:
        return f"PatchSource({len(self):,} patches of {', '.join(self.cube.variables)})"


def _field(column: Values | Labels | Numbers) -> Field:
    empty = np.empty((0, *column.shape), column.dtype)
    if column.dtype.kind == "O" and not column.shape and isinstance(column, Labels):
        variable = column.cut.variable
        if variable.edges is None:  # text or other objects: only they themselves can tell
            return Field.of(np.asarray(variable.whole(), object).reshape(-1))
    return Field.of(empty)
