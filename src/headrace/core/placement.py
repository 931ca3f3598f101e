"""Which records of a source lie together, where it does not number them so: patches of an array in chunks."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from headrace.core.source import Indices
from headrace.core.tiled import Tiled


@runtime_checkable
class Placement(Protocol):
    """Blocks that are fetched together, and the block of each record.

    A source that has a method ``placement(memory, lanes)`` gives one, for a block shuffle of that memory and so many
    lanes (see :class:`headrace.core.block_shuffle.BlockShuffle`); or None, where its records lie in their order, or at
    hand. It also makes sure that so much is held of what is fetched.
    """

    @property
    def nbytes(self) -> Indices:
        """Bytes that are fetched for each block, int64 ``(blocks,)``."""
        ...

    @property
    def distinct(self) -> int:
        """Bytes of all that is fetched, once: less than the blocks' together where they share some."""
        ...

    def of(self, records: Indices) -> Indices:
        """Return the number of the block that each record belongs to, int64 of the same shape: a new array."""
        ...

    @property
    def chunk_nbytes(self) -> Indices:
        """Bytes of each of the pieces that blocks are made of, which are fetched one by one, int64 ``(chunks,)``."""
        ...

    def touched(self, records: Indices) -> tuple[Indices, Indices]:
        """Return the pieces that records lie in, and beside each the place of its record among these: new arrays.

        Pieces of one record, and those of the next, may be the same.
        """
        ...

    def tiled(self) -> Tiled | None:
        """Return an order of all records in which those of a block lie in a row, where arithmetic gives one."""
        ...
