"""How often a stream must be among the active ones, so that records come in the proportions that are asked for.

Streams sit on seats; a seat gives turns at its speed and, after a lifetime that does not depend on the stream, is
given to another one that has no seat, drawn by its odds. Which streams sit is then distributed as in *conditional
Poisson sampling* with the odds q / v (odds over speed): the chain that removes one and adds another is reversible
with respect to it, and how long a stream stays does not matter, as for random and first-in-first-out caches (Gelenbe,
"A unified approach to the evaluation of a class of replacement algorithms", IEEE Trans. Computers C-22, 1973). The odds
that give the inclusion probabilities wanted are found as in Chen, Dempster and Liu, "Weighted finite population
sampling to maximize entropy" (Biometrika 81, 1994).
"""

from __future__ import annotations

import math

import numpy as np

from headrace.core.errors import OrderError
from headrace.mux.chances import Floats

_ROUNDS = 200
_NEAR = 1e-9
_ALWAYS = 1e9  # times the odds of any other
_CLOSE = 1e-5
_TABLE = 1 << 18


def speeds(weights: Floats, seats: int) -> Floats:
    """Return how many turns a stream with a seat has, relative to those of others: float64 ``(n,)``.

    A stream that is to give more records than one seat does at the common speed sits always, and has more turns. So
    with as many seats as streams all of them sit, and the turns go by weights.

    Args:
        weights: Float64 ``(n,)``, 0 or more; those of 0 never sit.
        seats: How many streams sit at a time, each at most once.

    >>> speeds(np.array([0.5, 0.25, 0.25]), seats=2).round(6).tolist()
    [1.0, 1.0, 1.0]
    >>> speeds(np.array([0.6, 0.3, 0.1]), seats=3).round(6).tolist()
    [6.0, 3.0, 1.0]
    """
    drawn = weights > 0
    found = np.zeros(len(weights))
    found[drawn] = weights[drawn] / inclusion(weights[drawn], seats)
    common = found[drawn].min()
    exactly = np.isclose(found, common, rtol=1e-12)  # so that equal ones are told to be equal
    return np.asarray(np.where(exactly, 1.0, found / common), np.float64)


def odds(weights: Floats, seats: int) -> Floats:
    """Return the odds of a stream without a seat to be given the next free one: float64 ``(n,)``.

    Args:
        weights: Float64 ``(n,)``, 0 or more; those of 0 never sit.
        seats: How many streams sit at a time, each at most once.

    >>> odds(np.array([0.5, 0.25, 0.25]), seats=1).tolist()
    [1.0, 0.5, 0.5]

    Raises:
        OrderError: None were found, since the weights differ too much.
    """
    drawn = np.flatnonzero(weights > 0)
    chances = inclusion(weights[drawn], seats)
    always = chances >= 1
    own = np.ones(len(drawn))  # of those that always sit
    if not always.all():
        own[~always] = _odds(chances[~always], seats - int(always.sum()))
        own[always] = _ALWAYS
    found = np.zeros(len(weights))
    found[drawn] = own
    return found


def inclusion(weights: Floats, seats: int) -> Floats:
    """Return the probability of each to sit: in proportion to the weights, at most 1, ``seats`` in sum.

    >>> inclusion(np.array([3.0, 1.0, 1.0, 1.0]), 2).round(6).tolist()
    [1.0, 0.333333, 0.333333, 0.333333]
    """
    chances = np.ones(len(weights))
    if seats >= len(weights):
        return chances
    open_ones = np.arange(len(weights))
    while len(open_ones) and seats > len(weights) - len(open_ones):
        left = seats - (len(weights) - len(open_ones))
        share = weights[open_ones] * (left / weights[open_ones].sum())
        if share.max() <= 1 + 1e-12:
            chances[open_ones] = np.minimum(share, 1)
            break
        open_ones = open_ones[share < 1]
    return chances


def _odds(chances: Floats, seats: int) -> Floats:
    """Return the odds of a conditional Poisson sample of ``seats`` with these inclusion probabilities, all below 1."""
    if seats == 1 or chances.max() - chances.min() < _NEAR * chances.max():
        return np.asarray(chances / chances.max(), np.float64)  # of one seat they are the probabilities themselves
    capped = np.minimum(chances, 1 - 1e-9)
    wanted = capped / (1 - capped)
    odds = wanted
    for _ in range(_ROUNDS):
        reached = _included(odds, seats)
        if np.abs(reached / capped - 1).max() < _CLOSE:
            break
        odds = odds * (wanted * (1 - reached) / reached)
    else:
        raise OrderError(
            f"no odds found with which {seats} of {len(chances)} streams are active in the proportions of the weights: "
            "take weights that differ less, another n_active, or mode='with_replacement'"
        )
    return np.asarray(odds / odds.max(), np.float64)


def _included(odds: Floats, seats: int) -> Floats:
    """Return the inclusion probabilities of a conditional Poisson sample of ``seats``: float64 ``(n,)``.

    They are those of independent trials on condition that so many succeed; the chances of a number of successes, with
    and without one of the trials, are sums over their characteristic function (as many points as the number is wide).
    """
    trials = _scaled(odds, seats)
    points = min(len(odds) + 2, 64 + math.ceil(24 * math.sqrt((trials * (1 - trials)).sum())))
    half = (points + 1) // 2
    angles = (np.arange(half) + 0.5) * (math.pi / half)  # the other half is conjugate; none is pi, where one may vanish
    turned = np.exp(1j * angles) - 1
    total = np.zeros(half, np.complex128)
    for part in _parts(trials, half):
        total += np.log1p(part[:, None] * turned).sum(axis=0)
    whole = np.exp(total - 1j * seats * angles)
    without = whole * np.exp(1j * angles)
    chance = whole.real.sum()
    missing = [(1 / (1 + part[:, None] * turned) @ without).real for part in _parts(trials, half)]
    return np.asarray(np.clip(trials * np.concatenate(missing) / chance, 1e-15, 1 - 1e-15), np.float64)


def _scaled(odds: Floats, seats: int) -> Floats:
    """Return chances with these odds, up to a factor, ``seats`` in sum: by halves of the factor's logarithm."""
    low, high = -700.0 - math.log(odds.max()), 700.0 - math.log(odds.min())
    for _ in range(100):
        middle = (low + high) / 2
        scaled = np.exp(np.minimum(np.log(odds) + middle, 700))
        if (scaled / (1 + scaled)).sum() < seats:
            low = middle
        else:
            high = middle
    return np.asarray(np.clip(scaled / (1 + scaled), 1e-15, 1 - 1e-12), np.float64)


def _parts(values: Floats, width: int) -> list[Floats]:
    """Cut values so that a table of each with ``width`` columns stays small."""
    rows = max(1, _TABLE // width)
    return [values[first : first + rows] for first in range(0, len(values), rows)]
