"""A set of positions as bits, with rank and select: which records a filter keeps, two bits a record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices

_WORD = 64
_PLACES = np.arange(_WORD, dtype=np.uint64)


class Bitmap:
    """A subset of ``range(length)``.

    Args:
        masks: Boolean arrays which, one after the other, say of each position whether it belongs to the set.

    >>> odd = Bitmap([np.array([False, True, False]), np.array([True])])
    >>> odd.count, odd.select(np.array([0, 1])).tolist(), odd.rank(3), odd.rank(2)
    (2, [1, 3], 1, None)
    """

    def __init__(self, masks: Iterable[NDArray[np.bool_]]) -> None:
        pieces: list[NDArray[np.uint8]] = []
        rest = np.empty(0, np.bool_)
        length = 0
        for mask in masks:
            length += len(mask)
            joined = np.concatenate([rest, mask])
            whole = len(joined) // _WORD * _WORD
            pieces.append(np.packbits(joined[:whole], bitorder="little"))
            rest = joined[whole:]
        tail = np.zeros(-(-len(rest) // _WORD) * _WORD, np.bool_)
        tail[: len(rest)] = rest
        pieces.append(np.packbits(tail, bitorder="little"))
        self.length = length
        self._words = np.concatenate(pieces).view("<u8").astype(np.uint64, copy=False)
        counts = np.empty(len(self._words) + 1, np.int64)
        counts[0] = 0
        np.cumsum(_popcount(self._words), out=counts[1:])
        self._before = counts

    @property
    def count(self) -> int:
        """How many positions belong to the set."""
        return int(self._before[-1])

    def select(self, ranks: Indices) -> Indices:
        """Return the positions with these ranks: 0 is the first of the set. Shape ``(k,)`` in and out, int64.

        The ranks lie in ``range(count)``; they are not checked.
        """
        word = np.searchsorted(self._before, ranks, side="right") - 1
        bits = (self._words[word][:, None] >> _PLACES) & np.uint64(1)
        within = ranks - self._before[word]
        place = np.argmax(np.cumsum(bits, axis=1, dtype=np.int64) > within[:, None], axis=1)
        positions: Indices = word * _WORD + place
        return positions

    def rank(self, position: int) -> int | None:
        """Return how many positions of the set lie before this one; None when it does not belong to the set."""
        word, place = divmod(position, _WORD)
        bits = int(self._words[word])
        if not bits >> place & 1:
            return None
        return int(self._before[word]) + (bits & ((1 << place) - 1)).bit_count()

    @cached_property
    def digest(self) -> str:
        """A digest of the set, the same on every machine."""
        return hashlib.sha256(self._words.astype("<u8").tobytes() + str(self.length).encode()).hexdigest()[:12]


def _popcount(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Count the bits of each word (Wilkes, Wheeler and Gill 1957); NumPy has ``bitwise_count`` from 2.0 only."""
    pairs = words - ((words >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + ((pairs >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bytes_ = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    counts: NDArray[np.int64] = ((bytes_ * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.int64)
    return counts
