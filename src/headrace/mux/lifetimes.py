"""How many records an activated stream may give before another one takes its seat."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from headrace.core.errors import ArgumentError, KindError
from headrace.core.source import Indices
from headrace.mux.chances import Floats

Dist: TypeAlias = Literal["binomial", "poisson", "constant"]

FOREVER = 1 << 62
"""A lifetime without an end."""

_ALONE = 0.9999  # a share of the turns from which on the binomial is at its limit, the Poisson distribution
_TAIL = 12  # standard deviations that a table reaches to either side
_WIDEST = 1e5  # standard deviation up to which there is a table


def check_rate(rate: Any) -> float | None:
    """Return a rate as it was given: a number from 1 up, or None.

    Raises:
        KindError: It is no number.
        ArgumentError: It is below 1, or not finite.
    """
    if rate is None:
        return None
    if isinstance(rate, bool | np.bool_) or not isinstance(rate, int | float | np.integer | np.floating):
        raise KindError(f"rate must be a number of records from 1 up, or None for whole streams, got {rate!r}")
    if not 1 <= rate < math.inf:
        raise ArgumentError(
            f"rate is how many records an activated stream gives on average: 1 or more, or None for whole streams; "
            f"got {rate!r}"
        )
    return int(rate) if float(rate).is_integer() else float(rate)


def check_dist(dist: Any) -> Dist:
    """Return the name of a distribution of lifetimes.

    Raises:
        ArgumentError: There is none of that name.
    """
    if dist not in get_args(Dist):
        raise ArgumentError(f"dist must be 'binomial', 'poisson' or 'constant', got {dist!r}")
    named: Dist = dist
    return named


def lifetime(dist: Dist, rate: float | None, share: float, number: float) -> int:
    """Return a lifetime: at least 1, ``rate`` on average.

    ``constant``: the rate (of one that is not whole, the whole numbers next to it). ``poisson``: 1 + Poisson(rate - 1),
    of variance rate - 1. ``binomial``: 1 + Binomial(m, (rate - 1) / m) with m = (rate - 1) / (1 - share), rounded up:
    its variance is about (rate - 1) * share, so that streams which share the turns with many others leave at more
    equal intervals of the *mux's* records. A stream that has all turns has the Poisson's.

    Args:
        dist: The distribution.
        rate: The mean; None: as long as the stream lasts.
        share: The stream's share of the turns, in (0, 1].
        number: Uniform in [0, 1).

    >>> lifetime("constant", 8, 0.5, 0.3), lifetime("poisson", 8, 0.5, 0.3), lifetime("binomial", 8, 0.5, 0.3)
    (8, 6, 7)
    """
    if rate is None:
        return FOREVER
    if dist == "constant" or rate == 1:
        return math.floor(rate) + (number >= 1 - (rate - math.floor(rate)))
    mean, deviation, trials = _law(dist, rate, share)
    if not deviation:
        return 1 + trials
    if deviation > _WIDEST:
        highest = trials or math.inf
        return 1 + int(min(max(round(mean + deviation * NormalDist().inv_cdf(number or 2**-54)), 0), highest))
    first, cumulated = _table(mean, deviation, trials)
    return 1 + first + int(cumulated.searchsorted(number, side="right"))


def lifetimes(dist: Dist, rate: float | None, share: float, numbers: Floats) -> Indices:
    """Return what ``lifetime`` does for each of some numbers: int64 of the same shape, a new array.

    >>> lifetimes("poisson", 8, 0.5, np.array([0.3, 0.7])).tolist()
    [6, 9]
    """
    if rate is not None and dist != "constant" and rate > 1:
        mean, deviation, trials = _law(dist, rate, share)
        if 0 < deviation <= _WIDEST:
            first, cumulated = _table(mean, deviation, trials)
            return np.asarray(1 + first + cumulated.searchsorted(numbers, side="right"), np.int64)
    drawn = [lifetime(dist, rate, share, number) for number in numbers.tolist()]
    return np.array([min(life, FOREVER) for life in drawn], np.int64)


def _law(dist: Dist, rate: float, share: float) -> tuple[float, float, int]:
    """Return mean, standard deviation and trials of what is added to 1: 0 trials for the Poisson distribution."""
    rest = rate - 1
    if dist == "poisson" or not share <= _ALONE:
        return rest, math.sqrt(rest), 0
    trials = math.ceil(rest / (1 - share))  # no more than the rest by rounding: as many successes as trials
    return rest, math.sqrt(max(rest * (1 - rest / trials), 0.0)), trials


@lru_cache(maxsize=1024)
def _table(mean: float, deviation: float, trials: int) -> tuple[int, Floats]:
    """Return the distribution function from some value on, as far as it is not 0 or 1 for a float."""
    first = max(0, math.floor(mean - _TAIL * deviation) - 1)
    last = math.ceil(mean + _TAIL * deviation) + 16
    values: Indices = np.arange(first, min(last, trials) + 1 if trials else last + 1)
    after = values[:-1]
    if trials:
        odds = math.log(mean / trials) - math.log1p(-mean / trials)
        steps = np.log((trials - after) / (after + 1)) + odds
        begin = math.lgamma(trials + 1) - math.lgamma(first + 1) - math.lgamma(trials - first + 1)
        begin += first * math.log(mean / trials) + (trials - first) * math.log1p(-mean / trials)
    else:
        steps = math.log(mean) - np.log(after + 1)
        begin = first * math.log(mean) - mean - math.lgamma(first + 1)
    chances = np.exp(begin + np.concatenate([[0.0], np.cumsum(steps)]))
    cumulated = np.cumsum(chances)
    cumulated /= cumulated[-1]
    return first, cumulated[:-1]  # what passes the last one is the highest value
