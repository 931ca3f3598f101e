"""Random permutations of many short ranges at once, each of its own, in constant memory.

What :class:`headrace.core.permutation.Keyed` is for one range, with the same network: every position brings the length
of its own range and the range's number, which goes into the hash of each round.
"""

from __future__ import annotations

import numpy as np

from headrace.core.permutation import BLOCK, Words, _add, _hash, _round_keys, _subtract
from headrace.core.seeds import Key
from headrace.core.source import Indices

_APART = np.uint64(0x9E3779B97F4A7C15)  # multiples of 2**64 by the golden ratio lie far from each other


class Windows:
    """Permutations of ranges, one for each number.

    Args:
        key: Of the place.
        epoch: Each has its own.

    >>> windows = Windows((1, 2), epoch=0)
    >>> places, numbers = np.array([0, 1, 2, 0, 1]), np.array([0, 0, 0, 1, 1])
    >>> lengths = np.array([3, 3, 3, 2, 2])
    >>> moved = windows.forward(places, numbers, lengths)
    >>> sorted(moved[:3].tolist()), windows.inverse(moved, numbers, lengths).tolist()
    ([0, 1, 2], [0, 1, 2, 0, 1])
    """

    def __init__(self, key: Key, epoch: int) -> None:
        self._round_keys = _round_keys(key, epoch)

    def forward(self, places: Indices, numbers: Indices, lengths: Indices) -> Indices:
        """Return which place of its range stands at each place; all of shape ``(n,)``, a new array."""
        return self._walk(places, numbers, lengths, False)

    def inverse(self, places: Indices, numbers: Indices, lengths: Indices) -> Indices:
        """Return at which place of its range each place stands; all of shape ``(n,)``, a new array."""
        return self._walk(places, numbers, lengths, True)

    def _walk(self, places: Indices, numbers: Indices, lengths: Indices, back: bool) -> Indices:
        results = np.empty(places.shape, np.int64)
        for start in range(0, places.size, BLOCK):
            here = slice(start, start + BLOCK)
            ends = lengths[here].view(np.uint64)
            tweaks = numbers[here].astype(np.uint64) * _APART
            block = results[here].view(np.uint64)
            block[:] = self._moved(places[here].view(np.uint64), ends, tweaks, back)
            outside = np.flatnonzero(block >= ends)
            while outside.size:  # a network's range may be a little longer: on through it until within
                again = self._moved(block[outside], ends[outside], tweaks[outside], back)
                block[outside] = again
                outside = outside[again >= ends[outside]]
        return results

    def _moved(self, places: Words, lengths: Words, tweaks: Words, back: bool) -> Words:
        rows = _ceiled_root(lengths)
        columns = -(-lengths.view(np.int64) // rows.view(np.int64)).view(np.uint64)
        left = places // columns
        right = places - left * columns
        buffers = np.empty_like(left), np.empty_like(left)
        steps = list(enumerate(self._round_keys))
        change = _subtract if back else _add
        for step, round_key in reversed(steps) if back else steps:
            half, other, size = (left, right, rows) if step % 2 == 0 else (right, left, columns)
            _hash(other, tweaks + round_key, size, buffers)  # type: ignore[arg-type]
            change(half, buffers[0], size, buffers[1])  # type: ignore[arg-type]
        moved: Words = left * columns + right
        return moved


def _ceiled_root(lengths: Words) -> Words:
    """Return the least whole numbers whose squares are not below some numbers up to 2**62."""
    roots = np.sqrt(lengths.astype(np.float64)).astype(np.uint64)
    roots -= roots * roots > lengths
    roots += roots * roots < lengths
    return np.maximum(roots, np.uint64(1))
