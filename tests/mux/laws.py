"""Checks of laws by the draws of fixed seeds: how likely draws so far from the law are, and how muxes are made to draw.

A check gives a probability, ``chance``: of draws at least so far off, where the law holds. Tests ask for more than
``ALARM``, so a law that holds fails one in a million tests, and since seeds are fixed it fails always or never. That a
check can fail is shown beside it: the same draws are asked about a law which is a few percent off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

import headrace as hr

ALARM = 1e-6

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def of_counts(counts: Any, expected: Any) -> float:
    """Return the chance of counts of independent draws: Pearson's chi-square, rare ones put together.

    Args:
        counts: How often each was drawn.
        expected: How often it should be, in proportion.
    """
    seen, wanted = np.ravel(counts).astype(np.float64), np.ravel(expected).astype(np.float64)
    wanted = wanted * (seen.sum() / wanted.sum())
    if (seen[wanted == 0] > 0).any():
        return 0.0
    seen, wanted = seen[wanted > 0], wanted[wanted > 0]
    rare = wanted < 5
    if rare.any():
        seen = np.append(seen[~rare], seen[rare].sum())
        wanted = np.append(wanted[~rare], wanted[rare].sum())
    return float(stats.chi2.sf(((seen - wanted) ** 2 / wanted).sum(), max(len(seen) - 1, 1)))


def of_table(table: Any) -> float:
    """Return the chance of a table of counts whose rows and columns are independent."""
    return float(stats.chi2_contingency(np.asarray(table))[1])


def of_means(values: Any, expected: Any) -> float:
    """Return the chance of the means of independent runs: Student's t of each number, times how many there are.

    Args:
        values: Of each run, some numbers: ``(runs, numbers)``.
        expected: Their means.
    """
    runs = np.asarray(values, np.float64)
    off = runs.mean(axis=0) - np.asarray(expected, np.float64)
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    if (np.abs(off[error == 0]) > 1e-9).any():
        return 0.0
    chances = 2 * stats.t.sf(np.abs(off[error > 0]) / error[error > 0], len(runs) - 1)
    return min(1.0, float(chances.min(initial=1.0)) * len(off))


def endless(count: int) -> list[hr.Dataset]:
    """Return Datasets without an end, each of its number."""
    return [hr.Dataset(np.array([number], np.int32)).repeat() for number in range(count)]


def finite(lengths: Sequence[int]) -> list[hr.Dataset]:
    """Return Datasets of some lengths, each of its number."""
    return [hr.Dataset(np.full(length, number, np.int32)) for number, length in enumerate(lengths)]


def drawn(mux: Any, many: int, size: int = 512) -> Whole:
    """Return the first ``many`` records of a mux, or about so many."""
    size = min(size, many)
    return np.concatenate([np.array(batch) for batch in mux.batch(size).take(-(-many // size))])[:many]


def shares(make: Callable[[int], Any], seeds: Iterable[int], many: int, skip: int = 0) -> Floats:
    """Return the proportions of the records that the muxes of some seeds give: float64 ``(seeds, streams)``.

    Args:
        make: Makes the mux of a seed, whose records are the numbers of their streams.
        seeds: The seeds.
        many: How many records of each.
        skip: How many records before these are passed over.
    """
    found = []
    for seed in seeds:
        mux = make(seed)
        numbers = drawn(mux, skip + many)[skip:]
        found.append(np.bincount(numbers, minlength=len(mux.stats().records)) / len(numbers))
    return np.array(found)


def occupied(mux: Any, many: int, skip: int) -> dict[tuple[int, ...], float]:
    """Return for which part of its turns which streams of a StochasticMux sit, without reading any of them.

    Args:
        mux: The mux; its streams have no end.
        many: How many turns.
        skip: How many before these are passed over.
    """
    seating = mux._flow.seating(0, None, None)
    time: dict[tuple[int, ...], int] = {}
    while seating.step < skip + many:
        for seat in seating.turns(256).tolist():
            if seating.step >= skip:
                who = tuple(sorted(seating.stream.tolist()))
                time[who] = time.get(who, 0) + 1
            seating.gave(1)
            seating.life[seat] -= 1
            if not seating.life[seat] and seating.leave(seat, 1, False):
                break
    total = sum(time.values())
    return {who: turns / total for who, turns in time.items()}
