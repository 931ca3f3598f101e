"""A weighted choice among many, at a cost that does not grow with how many there are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.mux.chances import Floats

_FEW = 32  # of so many a search by halves is as fast
_STEPS = 4  # along the table from where the guide points; what is farther is searched by halves


class Picker:
    """Turns numbers in [0, 1) into choices, in proportion to weights.

    A table of cumulated weights with a guide to it, which says where to begin: the *indexed search* of Chen and Asau,
    "On generating random variates from an empirical distribution" (AIIE Transactions 6, 1974). Both tables are made
    by array operations, so that weights may change often.

    Args:
        weights: Float64 ``(n,)``, 0 or more, at least one above 0.

    >>> Picker(np.array([1.0, 0.0, 3.0]))(np.array([0.1, 0.24, 0.26, 0.99])).tolist()
    [0, 0, 2, 2]
    """

    __slots__ = ("_count", "_cumulated", "_guide")

    def __init__(self, weights: Floats) -> None:
        self._count = len(weights)
        self._cumulated: Floats | None = None
        self._guide: NDArray[np.int64] | None = None
        if len(weights) > 1 and weights.min() == weights.max():
            return  # an equal choice is a product
        cumulated = np.cumsum(weights)
        cumulated /= cumulated[-1]  # exactly 1 from the last one on that may be chosen
        self._cumulated = cumulated
        if self._count > _FEW:
            self._guide = cumulated.searchsorted(np.arange(self._count) / self._count, side="right")

    def __call__(self, numbers: Floats) -> Indices:
        """Return what is chosen for each number: int64 of the same shape, a new array."""
        if self._cumulated is None:
            equal: Indices = (numbers * self._count).astype(np.int64)
            return equal
        if self._guide is None:
            return self._cumulated.searchsorted(numbers, side="right")
        chosen = self._guide.take((numbers * self._count).astype(np.int64))
        for _ in range(_STEPS):
            behind = self._cumulated.take(chosen) <= numbers
            if not behind.any():
                return chosen
            chosen += behind
        far = np.flatnonzero(self._cumulated.take(chosen) <= numbers)
        if len(far):
            chosen[far] = self._cumulated.searchsorted(numbers[far], side="right")
        return chosen

    def one(self, number: float) -> int:
        """Return what is chosen for one number."""
        if self._cumulated is None:
            return int(number * self._count)
        return int(self._cumulated.searchsorted(number, side="right"))
