"""What is summed up: accumulators for pieces of the output, made on first touch, and finished when nothing follows."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from types import TracebackType
from typing import IO, Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.core.amounts import text_of
from headrace.core.errors import StoreError
from headrace.core.source import Indices
from headrace.cubes.stitching.blend import Arrays, Blend, Mask, Place
from headrace.cubes.stitching.layout import Layout

PIECE = 4 << 20
"""Bytes of predictions that are weighted at once, so that they stay in the processor's cache."""

COUNTED = 1 << 16
"""How many windows are counted at once."""

FIRST, LAST = 16 << 20, 1 << 30
"""Bytes by which the file of what does not fit into memory grows: as many as it has, within these."""

Index: TypeAlias = tuple[int, ...]
Done: TypeAlias = Callable[[Index, NDArray[Any], "NDArray[np.int32] | None"], None]
"""Is given a tile that is done: its place on the grid of tiles, its values, and how many predictions met at each."""


class Numbers(Protocol):
    """The numbers of patches, in the order of their predictions: an array, or what gives a part of it when asked."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Indices: ...


@dataclass(frozen=True)
class Tiling:
    """An output cut into tiles.

    Args:
        layout: How predictions lie on it.
        tile: The shape of a tile; those at the ends may be smaller.
    """

    layout: Layout
    tile: tuple[int, ...]

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """How many tiles there are along each dimension."""
        return tuple(-(-length // size) for length, size in zip(self.layout.shape, self.tile, strict=True))

    def place(self, index: Index) -> Place:
        """Return where a tile lies on the output."""
        return tuple(
            slice(at * size, min((at + 1) * size, length))
            for at, size, length in zip(index, self.tile, self.layout.shape, strict=True)
        )

    def cuts(self, dim: int, begin: int) -> list[tuple[int, slice, slice]]:
        """Return how a prediction is cut along a dimension: the tile, which part of it, and of the prediction.

        Parts may be empty, where elements of a dilated window lie on both sides of a tile.
        """
        along, size = self.layout.alongs[dim], self.tile[dim]
        if along.kind == "extra":
            return [(0, slice(None), slice(None))]
        found = []
        last = min(begin + along.span, along.length) - 1
        for number in range(max(begin, 0) // size, last // size + 1):
            low, high = number * size, min((number + 1) * size, along.length)
            first = max(0, -((begin - low) // along.step))
            end = min(along.size, -((begin - high) // along.step))
            at = begin - low + first * along.step
            here = slice(at, max(begin - low + (end - 1) * along.step + 1, at), along.step)
            found.append((number, here, slice(first, max(end, first))))
        return found

    def pending(self, numbers: Numbers) -> Indices:
        """Return how many predictions touch each tile, int64 of the shape of the grid of tiles."""
        if not self.counts:
            return np.array(len(numbers))
        counts = np.zeros(tuple(count + 1 for count in self.counts), np.int64)
        for start in range(0, len(numbers), COUNTED):
            begins = self.layout.begins(numbers[start : start + COUNTED])
            corners = []  # a box is one more from its first corner on, and one less behind: a sum with 2**n signs
            for dim, (along, size) in enumerate(zip(self.layout.alongs, self.tile, strict=True)):
                here = begins[:, dim]
                first = np.maximum(here, 0) // size
                behind = (np.minimum(here + along.span, along.length) - 1) // size + 1
                corners.append(((first, 1), (behind, -1)))
            for corner in product(*corners):
                flat = np.ravel_multi_index([places for places, _ in corner], counts.shape)
                sign = prod(sign for _, sign in corner)
                counts += sign * np.bincount(flat, minlength=counts.size).reshape(counts.shape)
        for dim in range(counts.ndim):
            np.cumsum(counts, axis=dim, out=counts)
        return counts[tuple(slice(count) for count in self.counts)]


class Room:
    """Memory for tiles: as much as is allowed, then a file without a name, which is gone when the process is.

    Args:
        memory: Bytes of tiles that lie in memory.
        folder: Where the file lies; None for the system's folder for such files.
    """

    def __init__(self, memory: int, folder: str | None = None) -> None:
        self._memory = memory
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._piece = np.empty(0, np.uint8)  # the end of the file, mapped in few pieces: a system has only so many maps
        self._end = self._begin = self._next = 0
        self._free: dict[tuple[int, ...], list[tuple[int, list[NDArray[np.uint8]]]]] = {}  # by sizes
        self.used = self.peak = 0  # bytes in memory, and the most there were

    @property
    def spilled(self) -> int:
        """Bytes of the file."""
        return self._end

    def take(self, sizes: Sequence[int]) -> tuple[list[NDArray[np.uint8]], int]:
        """Return new pieces of memory, and where the first lies in the file; -1 where they do not.

        Raises:
            StoreError: There is no room in memory, and none on the disk.
        """
        nbytes = sum(sizes)
        if self.used + nbytes <= self._memory:
            self.used += nbytes
            self.peak = max(self.peak, self.used)
            return [np.empty(size, np.uint8) for size in sizes], -1
        free = self._free.get(tuple(sizes))
        if free:
            at, pieces = free.pop()
            return pieces, at
        at, flat = self._cut(nbytes)
        return np.split(flat, np.cumsum(sizes)[:-1]), at

    def give_back(self, pieces: list[NDArray[np.uint8]], at: int) -> None:
        """Take memory back, in the pieces in which it was taken."""
        sizes = tuple(piece.nbytes for piece in pieces)
        if at < 0:
            self.used -= sum(sizes)
        else:
            self._free.setdefault(sizes, []).append((at, pieces))

    def _cut(self, nbytes: int) -> tuple[int, NDArray[np.uint8]]:
        """Return room in the file that was never used, and where it begins."""
        if self._next + nbytes > self._end:
            self._grow(nbytes)
        at = self._next
        self._next += nbytes
        return at, self._piece[at - self._begin : at - self._begin + nbytes]

    def _grow(self, nbytes: int) -> None:
        size = -(-max(nbytes, min(max(self._end, FIRST), LAST)) // mmap.ALLOCATIONGRANULARITY)
        size *= mmap.ALLOCATIONGRANULARITY
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file.fileno(), self._end, size)  # else a full disk would end the process later
            else:
                self._file.truncate(self._end + size)
            self._piece = np.frombuffer(mmap.mmap(self._file.fileno(), size, offset=self._end), np.uint8)
        except OSError as error:
            raise StoreError(
                f"unfinished tiles take more than the {text_of(self._memory)} that memory= allows, and the rest cannot "
                f"be kept in {self._folder or tempfile.gettempdir()} ({error}): give more memory=, or predict in the "
                "patches' own order, in which few tiles are unfinished"
            ) from error
        self._begin = self._next = self._end
        self._end += size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()  # what is still mapped goes with its arrays


class Tile:
    """The accumulators of a tile.

    Args:
        shape: Of the tile.
        thin: The same, with size 1 along dimensions that the cube lacks.
        dtypes: Of the accumulators.
        room: Where their memory comes from.
    """

    __slots__ = ("arrays", "at", "pieces", "shape")

    def __init__(self, shape: Index, thin: Index, dtypes: Sequence[np.dtype[Any]], room: Room) -> None:
        sizes = [-(-prod(shape) * dtype.itemsize // 64) * 64 for dtype in dtypes]  # each begins where its kind may
        self.shape = shape
        self.pieces, self.at = room.take(sizes)
        self.arrays = [self._view(number, dtype, thin if number else shape) for number, dtype in enumerate(dtypes)]

    def _view(self, number: int, dtype: np.dtype[Any], shape: Index) -> NDArray[Any]:
        return self.pieces[number][: prod(shape) * dtype.itemsize].view(dtype).reshape(shape)

    def thicken(self) -> None:
        """Give all accumulators the full shape, so that one element of the cube may count and another may not."""
        for number, array in enumerate(self.arrays):
            if array.shape != self.shape:
                held = array.copy()
                self.arrays[number] = self._view(number, array.dtype, self.shape)
                self.arrays[number][...] = held


class Tiles:
    """All tiles of an output: those that are open.

    Args:
        tiling: Where they lie.
        blend: How predictions become one.
        room: Where their memory comes from.
        done: Is given each tile when no prediction to come touches it.
        pending: How many predictions will touch each tile; None where they all stay open to the end.
        counted: Whether predictions are counted at each element.
    """

    def __init__(
        self, tiling: Tiling, blend: Blend, room: Room, done: Done, pending: Indices | None, counted: bool
    ) -> None:
        self._tiling, self._blend, self._room, self._done, self._pending = tiling, blend, room, done, pending
        self._counted = counted
        self._dtypes = (*blend.accumulators, *([np.dtype(np.int32)] if counted else []))
        self._open: dict[Index, Tile] = {}
        self._cuts: list[dict[int, list[tuple[int, slice, slice]]]] = [{} for _ in tiling.tile]
        self.most = 0  # how many were open at once

    def add(self, patches: NDArray[Any], begins: Indices) -> None:
        """Add predictions, shape ``(n, *patch)``, that begin at some places of the output."""
        each = max(1, PIECE // max(patches[:1].nbytes, 1))
        for start in range(0, len(patches), each):
            piece = patches[start : start + each]
            valid = _valid(piece)
            partly: list[Any] = [False] * len(piece)
            if valid is not None:
                partly = np.any(~valid.reshape(len(piece), -1), axis=1).tolist()
            with np.errstate(over="ignore", invalid="ignore"):
                ready = self._blend.prepare(piece)
                for row, at in enumerate(begins[start : start + each].tolist()):
                    self._add(ready[row], at, valid[row] if valid is not None and partly[row] else None)

    def _add(self, patch: NDArray[Any], begin: list[int], valid: Mask) -> None:
        cuts = []
        for dim, at in enumerate(begin):
            known = self._cuts[dim].get(at)
            if known is None:
                known = self._cuts[dim][at] = self._tiling.cuts(dim, at)
            cuts.append(known)
        for parts in product(*cuts):
            index = tuple([part[0] for part in parts])
            here: Any = tuple([part[1] for part in parts]) or ...  # of a single value a view, too
            there: Any = tuple([part[2] for part in parts]) or ...
            tile = self._open.get(index) or self._begin(index)
            if valid is not None:
                tile.thicken()
            self._blend.add(tile.arrays, here, patch, there, valid)
            if self._counted:
                met = tile.arrays[-1][here]
                met += 1 if valid is None else valid[there]
            if self._pending is not None:
                self._pending[index] -= 1
                if not self._pending[index]:
                    self._end(index)

    def _begin(self, index: Index) -> Tile:
        shape = tuple(place.stop - place.start for place in self._tiling.place(index))
        extras = self._tiling.layout.extras
        thin = tuple(1 if extra else size for extra, size in zip(extras, shape, strict=True))
        tile = Tile(shape, thin, self._dtypes, self._room)
        self._blend.begin(tile.arrays)
        if self._counted:
            tile.arrays[-1].fill(0)
        self._open[index] = tile
        self.most = max(self.most, len(self._open))
        return tile

    def _end(self, index: Index) -> None:
        tile = self._open.pop(index)
        arrays: Arrays = tile.arrays[:-1] if self._counted else tile.arrays
        met = None
        if self._counted:
            met = tile.arrays[-1]
            met = met if met.shape == tile.shape else np.broadcast_to(met, tile.shape).copy()
        self._done(index, self._blend.finish(arrays), met)
        self._room.give_back(tile.pieces, tile.at)

    def end(self) -> None:
        """Finish all that are open."""
        for index in list(self._open):
            self._end(index)


def _valid(patches: NDArray[Any]) -> Mask:
    """Return which elements are predictions; None where all are: NaN is none."""
    if patches.dtype.kind not in "fcmM" or not patches.size or not np.isnan(patches.min()):
        return None
    valid: Mask = ~np.isnan(patches)
    return valid
