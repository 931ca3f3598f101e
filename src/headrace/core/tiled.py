"""The cells of a grid, tile by tile: arithmetic on their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from math import prod

import numpy as np

from headrace.core.address import At
from headrace.core.source import Indices


@dataclass(frozen=True, eq=False)
class Tiled:
    """An order that serves the cells of a grid tile after tile, each in the order of its cells' numbers.

    Cells, and tiles, are numbered with the last axis running fastest. It takes memory for the tiles, not for the cells.

    Args:
        shape: Cells along each axis.
        firsts: Along each axis the first cell of each tile, ascending from 0; no tile is empty.

    >>> order = Tiled((2, 4), (np.array([0]), np.array([0, 2])))
    >>> order(At(np.arange(8))).positions.tolist()
    [0, 1, 4, 5, 2, 3, 6, 7]
    """

    shape: tuple[int, ...]
    firsts: tuple[Indices, ...] = field(repr=False)
    reorders = False

    @property
    def length(self) -> int:
        return prod(self.shape)

    @property
    def below(self) -> int:
        return self.length

    @cached_property
    def lengths(self) -> tuple[Indices, ...]:
        """Cells of each tile along each axis."""
        return tuple(np.diff(first, append=size) for first, size in zip(self.firsts, self.shape, strict=True))

    @cached_property
    def counts(self) -> Indices:
        """Cells of each tile, int64 ``(tiles,)``."""
        counts = np.ones(1, np.int64)
        for lengths in self.lengths:
            counts = (counts[:, None] * lengths).reshape(-1)
        return counts

    @cached_property
    def starts(self) -> Indices:
        """The position of the first cell of each tile."""
        return np.cumsum(self.counts) - self.counts

    def tile_of(self, cells: Indices) -> Indices:
        """Return the tile that each cell lies in: a new array."""
        tiles = np.zeros(cells.shape, np.int64)
        stride, rest = 1, cells
        for first, size in zip(reversed(self.firsts), reversed(self.shape), strict=True):
            rest, here = np.divmod(rest, size)
            tiles += (first.searchsorted(here, "right") - 1) * stride
            stride *= len(first)
        return tiles

    def __call__(self, at: At, /) -> At:
        tiles = self.starts.searchsorted(at.positions, "right") - 1
        within = at.positions - self.starts[tiles]
        cells, stride = np.zeros(at.positions.shape, np.int64), 1
        for first, lengths, size in zip(*map(reversed, (self.firsts, self.lengths, self.shape)), strict=True):
            tiles, here = np.divmod(tiles, len(first))
            within, offset = np.divmod(within, lengths[here])
            cells += (first[here] + offset) * stride
            stride *= size
        return At(cells, at.epochs)

    def inverse(self, cells: Indices) -> Indices:
        """Return the position of each cell: a new array."""
        within, size_here, rest = np.zeros(cells.shape, np.int64), np.ones(cells.shape, np.int64), cells
        for first, lengths, size in zip(*map(reversed, (self.firsts, self.lengths, self.shape)), strict=True):
            rest, here = np.divmod(rest, size)
            tile = first.searchsorted(here, "right") - 1
            within += (here - first[tile]) * size_here
            size_here *= lengths[tile]
        found: Indices = self.starts[self.tile_of(cells)] + within
        return found

    def find(self, position: int, below_epoch: int, epoch: int) -> int | None:
        if below_epoch != epoch or not 0 <= position < self.length:
            return None
        return int(self.inverse(np.array([position], np.int64))[0])

    def epochs(self, epoch: int) -> Iterable[int]:
        return (epoch,)

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that stand for the tiles."""
        digest = blake2b(str(self.shape).encode(), digest_size=8)
        for first in self.firsts:
            digest.update(first.astype("<i8").tobytes() + b";")
        return digest.hexdigest()

    def text(self) -> str:
        return f"tiles({len(self.counts)} of {' x '.join(map(str, self.shape))}, {self.digest})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tiled) and self.shape == other.shape and self.digest == other.digest

    def __hash__(self) -> int:
        return hash((self.shape, self.digest))
