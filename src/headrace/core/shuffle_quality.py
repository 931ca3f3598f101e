"""How random an order is, from a sample: three measures that are 0 of storage order and 1 of a true shuffle."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices

_LEAST = 0.5  # blocks in a batch between the best and the worst, below which nothing can be told


class Quality(NamedTuple):
    """Measures of an order; None where the data can show no difference.

    Args:
        spread: How many different blocks a batch's records are from: 0 for as few as in storage order, 1 for as many as
            in a true shuffle.
        displacement: How far records come from where they are stored, beside a true shuffle: Spearman's footrule of the
            sample over its mean for random permutations, (m^2 - 1) / 3 for m records (Diaconis and Graham, "Spearman's
            footrule as a measure of disarray", 1977). The storage order backwards has 1.5.
        independence: 1 less the correlation of the places at which two records of one batch are stored.
    """

    spread: float | None
    displacement: float | None
    independence: float | None


def spread(seen: float, stored: float, shuffled: float) -> float | None:
    """Return where a mean number of blocks in a batch lies between those of storage order and of a true shuffle.

    >>> spread(seen=16.0, stored=1.0, shuffled=31.0), spread(1.0, 1.0, 1.2)
    (0.5, None)
    """
    if shuffled - stored < _LEAST:
        return None
    return (seen - stored) / (shuffled - stored)


def displacement(places: Indices) -> float | None:
    """Return the footrule of records in their order, by where they are stored, beside that of a true shuffle.

    >>> displacement(np.arange(100)), round(displacement(np.random.default_rng(0).permutation(10_000)), 1)
    (0.0, 1.0)
    """
    count = len(places)
    if count < 2:
        return None
    ranks = np.empty(count, np.int64)
    ranks[places.argsort(kind="stable")] = np.arange(count)
    return float(np.abs(ranks - np.arange(count)).sum()) / ((count * count - 1) / 3)


def independence(batches: NDArray[Any]) -> float | None:
    """Return 1 less the correlation of two records' places in a batch.

    Args:
        batches: Where the records of each batch are stored, shape ``(batches, records)``.

    >>> stored = np.arange(10_000).reshape(100, 100)
    >>> shuffled = np.random.default_rng(0).permutation(10_000).reshape(100, 100)
    >>> round(independence(stored), 2), round(independence(shuffled), 1)
    (0.0, 1.0)
    """
    count, size = batches.shape
    if size < 2 or count < 2:
        return None
    places = batches.astype(np.float64)
    places -= places.mean()
    variance = float((places**2).mean())
    if variance == 0:
        return None
    # the sum of products over all pairs of a row is its sum squared less its squares
    products = (places.sum(axis=1) ** 2 - (places**2).sum(axis=1)).mean() / (size * (size - 1))
    return 1 - float(products) / variance


def distinct(batches: NDArray[Any]) -> float:
    """Return how many different values a row has, in the mean.

    >>> distinct(np.array([[1, 1, 2], [3, 3, 3]]))
    1.5
    """
    ordered = np.sort(batches, axis=1)
    return float((ordered[:, 1:] != ordered[:, :-1]).sum(axis=1).mean()) + 1
