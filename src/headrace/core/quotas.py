"""Mixing by exact quotas: weights become integers, and these a table of turns that is balanced at every prefix.

After any k turns a source of share p = q / T has had k p turns, give or take less than one. Such a schedule is a
*P-fair* one of Baruah, Cohen, Plaxton and Varvel, "Proportionate progress" (Algorithmica 15, 1996): turn j of a
source has the window [floor(j T / q), ceil((j + 1) T / q)), and serving the open window that closes first keeps all.
Ratios that need a longer table than is good have none: their turns are computed (`ShareTree`).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import gcd, lcm

import numpy as np

from headrace.core.errors import ArgumentError, KindError
from headrace.core.shares import SHARES_LIMIT, ShareTree
from headrace.core.source import Indices

TURNS_LIMIT = 2**18
"""The longest table (or 16 turns for each of many thousands of sources); where it does not do, see ``shares``."""

_FLOAT_ERROR = 2**52  # a float is within one part in so many of what was meant


def quotas(weights: Sequence[float]) -> tuple[tuple[int, ...], int]:
    """Return integers in the ratio of the weights, and their sum: the turns of each source, and of all.

    The ratios are kept exactly where fractions of up to 2**18 turns (or, for many thousands of sources, 16 for each)
    hold them: 0.7 to 0.2 to 0.1 is 7 to 2 to 1, and 1/3 to 2/3 is 1 to 2. So are others whose turns stay below 2**31:
    whole numbers (the lengths of datasets), decimals, and whole numbers that were divided by their sum. Only what is
    left is rounded, to 2**31 - 1 turns by largest remainder, which moves a share by less than 2**-30; but a weight
    above 0 keeps at least one turn, at the cost of the others.

    >>> quotas([0.7, 0.2, 0.1])
    ((7, 2, 1), 10)
    >>> quotas([3_000_000, 1_000_003, 7])
    ((3000000, 1000003, 7), 4000010)

    Raises:
        ArgumentError: No weights, a negative, infinite or missing (NaN) one, or all are 0.
    """
    numbers = check(weights)
    return _for_a_table(numbers) or _for_a_tree(numbers)


def _for_a_table(numbers: list[float]) -> tuple[tuple[int, ...], int] | None:
    """Return the turns that a table holds exactly; None where there are too many."""
    return _in_lowest_terms(_as_integers(numbers), max(TURNS_LIMIT, 16 * len(numbers)))


def _for_a_tree(numbers: list[float]) -> tuple[tuple[int, ...], int]:
    """Return the turns that a tree is made of: exact where the weights are whole, decimals or simple fractions."""
    exact = _as_integers(numbers)
    for meant in (exact, _as_decimals(numbers), _as_quotients(exact)):
        if meant is not None:
            shared = gcd(*meant)
            if sum(meant) // shared <= SHARES_LIMIT:
                return tuple(turn // shared for turn in meant), sum(meant) // shared
    return _rounded(exact, SHARES_LIMIT)


def check(weights: Sequence[float]) -> list[float]:
    """Return weights as floats.

    Raises:
        ArgumentError: There are none, one is negative, infinite or missing (NaN), or all are 0.
        KindError: They are no numbers.
    """
    try:
        if isinstance(weights, str) or any(isinstance(weight, str) for weight in weights):
            raise TypeError
        numbers = [float(weight) for weight in weights]
    except (TypeError, ValueError, OverflowError):
        raise KindError(f"weights must be numbers, one for each, got {weights!r:.200}") from None
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


def _as_decimals(weights: list[float]) -> list[int]:
    """Return integers in exactly the ratio of the shortest decimals that name the floats."""
    decimals = [Fraction(repr(weight)) for weight in weights]
    common = lcm(*(decimal.denominator for decimal in decimals))
    return [int(decimal * common) for decimal in decimals]


def _as_quotients(weights: list[int]) -> list[int] | None:
    """Return integers in the ratio of the simplest fractions that weights are within a float's error; None if many."""
    most = max(weights)
    fractions = []
    common = 1
    for weight in weights:
        scale = most * _FLOAT_ERROR
        fraction = Fraction(*_simplest(weight * (_FLOAT_ERROR - 1), scale, weight * (_FLOAT_ERROR + 1), scale))
        common = lcm(common, fraction.denominator)
        if common > SHARES_LIMIT:
            return None
        fractions.append(fraction)
    return [int(fraction * common) for fraction in fractions]


def _simplest(low: int, low_under: int, high: int, high_under: int) -> tuple[int, int]:
    """Return the fraction of least denominator from low / low_under to high / high_under, by continued fractions."""
    whole, rest = divmod(low, low_under)
    if not rest:
        return whole, 1
    if high // high_under > whole:
        return whole + 1, 1
    under, above = _simplest(high_under, high - whole * high_under, low_under, rest)
    return whole * under + above, under


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


class TurnsTable:
    """A table of turns, repeated for ever; after any k turns a source has had its share of them within one.

    Args:
        quotas: The turns of each source in a round: integers of 0 or more, not all 0.

    >>> table = TurnsTable([3, 1])
    >>> sources, draws = table.at(np.arange(6))
    >>> sources.tolist(), draws.tolist()
    ([0, 0, 0, 1, 0, 0], [0, 1, 2, 0, 3, 4])
    >>> table.position(source=0, draw=4), table.draws(source=0, length=6)
    (5, 5)
    """

    def __init__(self, quotas: Sequence[int]) -> None:
        self.quotas: Indices = np.array(quotas, np.int64)  # (sources,)
        self.source = schedule(quotas)  # (turns,): whose turn it is
        self.round = len(self.source)  # the turns of one whole round
        by_source = np.argsort(self.source, kind="stable")
        begins = np.cumsum([0, *quotas])
        self.ordinal = np.empty_like(self.source)  # (turns,): which of its own turns this is
        self.ordinal[by_source] = np.arange(self.round) - np.repeat(begins[:-1], self.quotas)
        self._places = tuple(by_source[begin:end] for begin, end in pairwise(begins.tolist()))

    def at(self, positions: Indices) -> tuple[Indices, Indices]:
        """Return for positions, (n,): whose turn each is, and which of its own draws; int64 (n,) each, new arrays."""
        rounds = positions // self.round
        places = positions - rounds * self.round
        sources = self.source.take(places)
        draws = self.ordinal.take(places)
        draws += rounds * self.quotas.take(sources)
        return sources, draws

    def position(self, source: int, draw: int) -> int:
        """Return the position of a source's draw, counted from 0."""
        rounds, rest = divmod(draw, int(self.quotas[source]))
        return rounds * self.round + int(self._places[source][rest])

    def draws(self, source: int, length: int) -> int:
        """Return how many of the first ``length`` turns a source has."""
        rounds, rest = divmod(length, self.round)
        return rounds * int(self.quotas[source]) + int(self._places[source].searchsorted(rest))

    def all_draws(self, length: int) -> Indices:
        """Return ``draws`` of every source: int64, ``(sources,)``."""
        rounds, rest = divmod(length, self.round)
        drawn: Indices = rounds * self.quotas + np.bincount(self.source[:rest], minlength=len(self.quotas))
        return drawn


@lru_cache(maxsize=32)
def turns(weights: tuple[float, ...]) -> TurnsTable | ShareTree:
    """Return the turns of some weights: a table where one holds them, else a tree; those used last are kept.

    >>> turns((0.7, 0.2, 0.1)).round, turns((3_000_000, 1_000_003, 7)).round
    (10, 4000010)
    """
    numbers = check(weights)
    short = _for_a_table(numbers)
    return TurnsTable(short[0]) if short else ShareTree(_for_a_tree(numbers)[0])
