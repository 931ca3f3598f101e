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
_PART = 0.6  # of a step
_NEAR = 1e-9
ALWAYS = 1e9  # times the odds of any other: of a stream that has a seat at all times
_CLOSE = 1e-5
_TABLE = 1 << 18
_LEAST = 1e-300  # what is less has no logarithm
_NEVER = 1e-30  # times the largest weight
_VANISHED = 34.0  # exp(-34) is no more than the rounding of a float
_LEVEL = 1e-6  # how closely a factor has to be known that is chosen freely


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
    found[drawn] = _relative(weights[drawn]) / inclusion(weights[drawn], seats)
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
    always = chances > 1 - _NEAR
    own = np.where(always, ALWAYS, 1.0)
    if not always.all():
        own[~always] = _odds(chances[~always], seats - int(always.sum()))
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
    weights = _relative(weights)
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
    if seats <= 1 or chances.max() - chances.min() < _NEAR * chances.max():
        return np.asarray(chances / chances.max(), np.float64)  # of one seat they are the chances themselves
    if seats == len(chances) - 1:  # who is left out is one draw
        return np.asarray((1 - chances).min() / (1 - chances), np.float64)
    wanted = chances / (1 - chances)
    odds = wanted
    part, before = 1.0, math.inf
    for _ in range(_ROUNDS):
        reached = _included(odds, seats)
        error = np.abs(reached / chances - 1).max()
        if error < _CLOSE:
            break
        if error > before / 2:  # where few chances are open, whole steps go to and fro
            part = _PART
        before = error
        odds = odds * (wanted * (1 - reached) / reached) ** part
    else:
        raise OrderError(
            f"no odds found with which {seats} of {len(chances)} streams are active in the proportions of the weights: "
            "take weights that differ less, another n_active, or mode='with_replacement'"
        )
    return np.asarray(odds / odds.max(), np.float64)


def _included(odds: Floats, seats: int) -> Floats:
    """Return the inclusion probabilities of a conditional Poisson sample of ``seats``: float64 ``(n,)``.

    They are those of independent trials on condition that so many succeed; the chances of a number of successes, with
    and without one of the trials, are sums over their characteristic function (Hong, "On computing the distribution
    function for the Poisson binomial distribution", Computational Statistics and Data Analysis 59, 2013). As many
    points as there are trials are exact; points for eight standard deviations tell apart what has a chance, and of
    these the few count at which the function, at most exp(-variance (1 - cos angle)), has not vanished.
    """
    trials = _scaled(odds, seats)
    variance = float((trials * (1 - trials)).sum())
    half = min(len(odds) + 3, 17 + math.ceil(8 * math.sqrt(variance))) // 2
    angles = (np.arange(half) + 0.5) * (math.pi / half)  # the other half is conjugate; none is pi, where one may vanish
    angles = angles[variance * (1 - np.cos(angles)) <= _VANISHED]
    turned = np.exp(1j * angles) - 1
    total = np.zeros(len(angles), np.complex128)
    for part in _parts(trials, len(angles)):
        total += np.log1p(part[:, None] * turned).sum(axis=0)
    whole = np.exp(total - 1j * seats * angles)
    without = whole * np.exp(1j * angles)
    chance = whole.real.sum()
    missing = [(1 / (1 + part[:, None] * turned) @ without).real for part in _parts(trials, len(angles))]
    return np.asarray(np.clip(trials * np.concatenate(missing) / chance, _LEAST, 1 - 1e-15), np.float64)


def _scaled(odds: Floats, seats: int) -> Floats:
    """Return chances with these odds, up to a factor, nearly ``seats`` in sum: by halves of the factor's logarithm."""
    logarithms = np.log(odds)
    level = math.log(seats / (len(odds) - seats))  # the factor, were all odds 1
    low, high = level - logarithms.max(), level - logarithms.min()
    while high - low > _LEVEL:
        middle = (low + high) / 2
        if (1 / (1 + np.exp(np.minimum(-logarithms - middle, 700)))).sum() < seats:
            low = middle
        else:
            high = middle
    return np.asarray(np.clip(1 / (1 + np.exp(np.minimum(-logarithms - high, 700))), _LEAST, 1 - 1e-12), np.float64)


def _relative(weights: Floats) -> Floats:
    """Return weights relative to the largest, so that sums stay finite; the least are as good as never drawn."""
    return np.asarray(np.maximum(weights / weights.max(), _NEVER), np.float64)


def _parts(values: Floats, width: int) -> list[Floats]:
    """Cut values so that a table of each with ``width`` columns stays small."""
    rows = max(1, _TABLE // width)
    return [values[first : first + rows] for first in range(0, len(values), rows)]
