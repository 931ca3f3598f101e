"""One bin: sequences copied one behind the other into arrays that are handed out as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Packed: TypeAlias = tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int32]]
"""The values of a column, their segment ids and their positions."""


class Bin:
    """The rows of a bin, column by column, as far as they are filled.

    Args:
        lengths: Rows of each column.
    """

    __slots__ = ("_arrays", "_filled", "_lengths", "_sizes", "numbers")

    def __init__(self, lengths: Sequence[int]) -> None:
        self.numbers: list[int] = []  # of the items in it
        self._lengths = lengths
        self._arrays: list[NDArray[Any] | None] = [None] * len(lengths)
        self._filled = [0] * len(lengths)
        self._sizes: list[list[int]] = [[] for _ in lengths]

    def add(self, number: int, sequences: Sequence[NDArray[Any]]) -> None:
        """Copy the sequences of an item behind those that are there; they fit."""
        self.numbers.append(number)
        for column, sequence in enumerate(sequences):
            size, start = len(sequence), self._filled[column]
            array = self._arrays[column]
            if array is None or not start or array.dtype != sequence.dtype:
                array = self._made_for(column, sequence)
            array[start : start + size] = sequence
            self._filled[column] = start + size
            self._sizes[column].append(size)

    def _made_for(self, column: int, sequence: NDArray[Any]) -> NDArray[Any]:
        """Return the column's array with a dtype that holds this sequence, too. An empty one changes nothing."""
        array, filled = self._arrays[column], self._filled[column]
        if array is not None and not len(sequence):
            return array
        dtype = sequence.dtype
        if array is not None and filled:
            dtype = np.promote_types(array.dtype, dtype)
        made = np.empty((self._lengths[column], *sequence.shape[1:]), dtype)
        if array is not None and filled:
            made[:filled] = array[:filled]
        self._arrays[column] = made
        return made

    def rooms(self) -> tuple[int, ...]:
        """Return what is left in each column."""
        return tuple(length - filled for length, filled in zip(self._lengths, self._filled, strict=True))

    def drop(self) -> None:
        """Let go of the sequences; what is said of the bin stays."""
        self._arrays = [None] * len(self._lengths)

    def finish(self, fillers: Sequence[Any]) -> list[Packed]:
        """Return each column, padded; the bin is not to be used after it, since its arrays are given away."""
        packed: list[Packed] = []
        for array, filled, sizes, filler in zip(self._arrays, self._filled, self._sizes, fillers, strict=True):
            assert array is not None  # a bin is made for its first item
            array[filled:] = filler
            packed.append((array, *places(sizes, len(array))))
        return packed


def places(sizes: Sequence[int], length: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the segment ids and the positions of sequences that lie one behind the other.

    >>> ids, positions = places([2, 0, 3], length=7)
    >>> ids.tolist(), positions.tolist()
    ([1, 1, 3, 3, 3, 0, 0], [0, 1, 0, 1, 2, 0, 0])
    """
    counts = np.array([*sizes, length - sum(sizes)])  # the last of them is padding
    starts = (counts.cumsum() - counts).astype(np.int32)
    segments = np.arange(1, len(counts) + 1, dtype=np.int32)
    segments[-1] = 0
    positions = np.arange(length, dtype=np.int32)
    positions -= starts.repeat(counts)
    positions[starts[-1] :] = 0
    return segments.repeat(counts), positions
