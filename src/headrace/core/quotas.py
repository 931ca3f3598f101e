"""Mixing by exact quotas: weights become a table of turns that is balanced at every prefix.

After any k turns a source of share p = q / T has had k p turns, give or take less than one. Such a schedule is a
*P-fair* one of Baruah, Cohen, Plaxton and Varvel, "Proportionate progress" (Algorithmica 15, 1996): turn j of a
source has the window [floor(j T / q), ceil((j + 1) T / q)), and serving the open window that closes first keeps all.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import gcd, lcm
from typing import NamedTuple

import numpy as np

from headrace.core.errors import ArgumentError, KindError
from headrace.core.source import Indices

TURNS_LIMIT = 2**18
"""The longest table; weights whose exact ratios would need a longer one are rounded to multiples of 1 / 2**18."""


def quotas(weights: Sequence[float]) -> tuple[tuple[int, ...], int]:
    """Return integers in the ratio of the weights, and their sum: the turns of each source, and of all.

    The ratios are kept exactly where fractions of up to 2**18 turns hold them: 0.7 to 0.2 to 0.1 is 7 to 2 to 1, and
    1/3 to 2/3 is 1 to 2. Others are rounded to 2**18 turns (or, for many thousands of sources, 16 for each) by largest
    remainder, which moves a share by less than 2**-18; but a weight above 0 keeps at least one turn, at the cost of
    the others.

    >>> quotas([0.7, 0.2, 0.1])
    ((7, 2, 1), 10)

    Raises:
        ArgumentError: No weights, a negative, infinite or missing (NaN) one, or all are 0.
    """
    exact = _as_integers(check(weights))
    limit = max(TURNS_LIMIT, 16 * len(exact))
    return _in_lowest_terms(exact, limit) or _rounded(exact, limit)


def check(weights: Sequence[float]) -> list[float]:
    """Return weights as floats.

    Raises:
        ArgumentError: There are none, one is negative, infinite or missing (NaN), or all are 0.
        KindError: They are no numbers.
    """
    try:
        numbers = [float(weight) for weight in weights]
    except (TypeError, ValueError, OverflowError):
        raise KindError(f"weights must be numbers, one for each dataset, got {weights!r}") from None
    wrong = [f"{number} at place {place}" for place, number in enumerate(numbers) if not 0 <= number < float("inf")]
    if wrong:
        raise ArgumentError(f"weights must be finite and 0 or more, got {', '.join(wrong[:5])}")
    if not any(numbers):
        raise ArgumentError(f"some weight must be above 0, got {numbers[:20]}")
    return numbers


def _as_integers(weights: list[float]) -> list[int]:
    """Return integers in exactly the ratio of the floats, each of which is an integer over a power of two."""
    ratios = [weight.as_integer_ratio() for weight in weights]
    common = max(below for _, below in ratios)
    return [above * (common // below) for above, below in ratios]


def _in_lowest_terms(weights: list[int], limit: int) -> tuple[tuple[int, ...], int] | None:
    """Return the turns that the weights nearly are, at most ``limit`` in all; None where there are none.

    A float holds 1/3 but nearly: a fraction nearer than 10**-14 of it is taken to be meant.
    """
    most = max(weights)
    fractions = []
    common = 1
    for weight in weights:
        fraction = Fraction(weight, most).limit_denominator(limit)
        common = lcm(common, fraction.denominator)
        error = abs(fraction.numerator * most - weight * fraction.denominator)
        if error * 10**14 > weight * fraction.denominator or common > limit:
            return None
        fractions.append(fraction)
    turns = [int(fraction * common) for fraction in fractions]
    shared = gcd(*turns)
    total = sum(turns) // shared
    return (tuple(turn // shared for turn in turns), total) if total <= limit else None


def _rounded(weights: list[int], limit: int) -> tuple[tuple[int, ...], int]:
    """Round to integers of sum ``limit`` by largest remainder, ties to the first; none above 0 becomes 0."""
    turns = [0] * len(weights)
    open_places = [place for place, weight in enumerate(weights) if weight]
    room = limit
    while True:
        whole = sum(weights[place] for place in open_places)
        small = [place for place in open_places if weights[place] * room < whole]
        if not small:
            break
        for place in small:  # a single turn each, which leaves less for the others: look again
            turns[place] = 1
        room -= len(small)
        open_places = [place for place in open_places if not turns[place]]
    for place in open_places:
        turns[place] = weights[place] * room // whole
    by_remainder = sorted(open_places, key=lambda place: (-(weights[place] * room % whole), place))
    for place in by_remainder[: limit - sum(turns)]:
        turns[place] += 1
    return tuple(turns), limit


def schedule(quotas: Sequence[int]) -> Indices:
    """Return which source has each of the ``sum(quotas)`` turns: int64, a new array.

    Takes about half a microsecond a turn: with its quotas, 4 ms for 1,000 sources of equal weight; for 1,000 whose
    weights fill the longest table 0.15 s.

    >>> schedule([3, 1]).tolist()
    [0, 0, 0, 1]
    """
    counts = np.asarray(quotas, np.int64)
    total = int(counts.sum())
    source = np.repeat(np.arange(len(counts)), counts)
    turn = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    share = counts[source]
    opens = turn * total // share
    closes = -(-(turn + 1) * total // share)
    by_opening = np.argsort(opens, kind="stable")
    bounds = np.searchsorted(opens[by_opening], np.arange(total), side="right").tolist()
    # one integer for each window, ordered by its end and then by its source
    windows = (closes * len(counts) + source)[by_opening].tolist()
    waiting: list[int] = []
    served = []
    begin = 0
    for end in bounds:
        for window in windows[begin:end]:
            heapq.heappush(waiting, window)
        begin = end
        served.append(heapq.heappop(waiting))
    return np.array(served, np.int64) % len(counts)


class Turns(NamedTuple):
    """A table of turns, repeated for ever."""

    quotas: Indices  # (sources,)
    source: Indices  # (turns,): whose turn it is
    ordinal: Indices  # (turns,): which of its own turns this is
    places: tuple[Indices, ...]  # for each source, where in the table its turns are

    def draws(self, source: int, length: int) -> int:
        """Return how many of the first ``length`` turns a source has."""
        rounds, rest = divmod(length, len(self.source))
        return rounds * int(self.quotas[source]) + int(self.places[source].searchsorted(rest))

    def position(self, source: int, draw: int) -> int:
        """Return the position of a source's draw, counted from 0."""
        rounds, rest = divmod(draw, int(self.quotas[source]))
        return rounds * len(self.source) + int(self.places[source][rest])


@lru_cache(maxsize=32)
def turns(weights: tuple[float, ...]) -> Turns:
    """Return the table of some weights; the tables used last are kept."""
    counts, _ = quotas(weights)
    source = schedule(counts)
    by_source = np.argsort(source, kind="stable")
    begins = np.cumsum([0, *counts])
    ordinal = np.empty_like(source)
    ordinal[by_source] = np.arange(len(source)) - np.repeat(begins[:-1], counts)
    for array in (source, by_source, ordinal):
        array.flags.writeable = False
    places = tuple(by_source[begin:end] for begin, end in pairwise(begins.tolist()))
    return Turns(np.array(counts, np.int64), source, ordinal, places)
