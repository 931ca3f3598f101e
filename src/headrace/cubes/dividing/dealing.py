"""Dealing blocks and groups out to parts, and choosing where parts that follow each other end."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from headrace.core import seeds
from headrace.core.address import At
from headrace.core.errors import ArgumentError, KindError
from headrace.core.shuffle import Shuffle
from headrace.core.source import Indices


def checked(fractions: Mapping[str, Any]) -> dict[str, float]:
    """Return fractions as Python's numbers.

    >>> checked({"train": 0.75, "val": np.float64(0.25)})
    {'train': 0.75, 'val': 0.25}

    Raises:
        ArgumentError: One is not above 0, or they do not sum to 1.
        KindError: One is no number.
    """
    if not fractions:
        raise ArgumentError("split needs parts, such as train=0.8, val=0.2")
    found = {}
    for name, share in fractions.items():
        if isinstance(share, bool) or not isinstance(share, int | float | np.integer | np.floating):
            raise KindError(f"split: part {name!r} must be a fraction, got {share!r}")
        if not isfinite(share) or share <= 0:
            raise ArgumentError(f"split: part {name!r} must be above 0, got {share:g}: leave out a part that has none")
        found[name] = float(share)
    if abs(sum(found.values()) - 1) > 1e-9:
        shown = ", ".join(f"{name}={share:g}" for name, share in found.items())
        raise ArgumentError(
            f"split: the fractions {shown} sum to {sum(found.values()):g}, not 1; name a part for the rest, too"
        )
    return found


def deal(weights: Indices, fractions: list[float], seed: int, what: str, kept: Indices | None = None) -> Indices:
    """Deal whole things out in random order, each to the part that lacks most of its share: int64 ``(n,)``.

    Those that count for more than the smallest share come first, the largest at the head: they would not fit in later.
    Where no more things are left than parts that have none, only these get any.

    Args:
        weights: How much each of them counts, int64 ``(n,)``.
        fractions: Of the parts.
        seed: Of the order.
        what: Keeps orders of one seed apart.
        kept: Parts of those that are dealt out already, -1 for the others; int64 ``(n,)``.

    >>> deal(np.array([4, 4, 4, 4]), [0.75, 0.25], seed=0, what="blocks").tolist()
    [0, 1, 0, 0]
    """
    owner = np.full(len(weights), -1, np.int64) if kept is None else kept.copy()
    known = owner >= 0
    lacking = [share * int(weights.sum()) for share in fractions]
    for part in range(len(fractions)):
        lacking[part] -= int(weights[owner == part].sum())
    bare = [part for part in range(len(fractions)) if not weights[owner == part].any()]
    order = _permutation(len(weights), seed, what)
    order = order[~known[order]]
    large = np.where(weights > min(fractions) * int(weights.sum()), weights, 0)
    order = order[np.argsort(-large[order], kind="stable")]
    left = int(np.count_nonzero(weights[order]))
    sizes = weights.tolist()
    for number in order.tolist():
        size = sizes[number]
        among = bare if size and left <= len(bare) else range(len(fractions))
        part = max(among, key=lacking.__getitem__)
        owner[number] = part
        lacking[part] -= size
        if size:
            left -= 1
            if part in bare:
                bare.remove(part)
    return owner


def _permutation(length: int, seed: int, what: str) -> Indices:
    high, low = seeds.key(seed, what)
    return Shuffle(length, int(high) << 64 | int(low), False)(At(np.arange(length, dtype=np.int64))).positions


def borders(begin: Indices, end: Indices, length: int, fractions: list[float], guard: int) -> Indices:
    """Return where parts that follow each other along a dimension begin, and its length: int64 ``(parts + 1,)``.

    A border lies where the windows before it are nearest to their share, by their middles, and is then moved by up to
    half a window or guard to where the fewest windows touch it or its band.

    Args:
        begin: The first element of each window.
        end: The last.
        length: Of the dimension.
        fractions: Of the parts, in order.
        guard: Elements of a band, half on each side.

    >>> begin = np.arange(0, 100, 10)
    >>> borders(begin, begin + 9, 100, [0.7, 0.3], guard=0).tolist()
    [0, 70, 100]
    """
    count = len(begin)
    before = _below((begin + end) // 2, length)  # windows whose middles lie before each element
    begun, ended = _below(begin, length), _below(end, length)
    span = int((end - begin).max(initial=0)) + 1
    found = [0]
    for share in np.cumsum(fractions)[:-1].tolist():
        place = int(np.searchsorted(before, share * count - 1e-9, "left"))
        if place and share * count - before[place - 1] < before[place] - share * count:
            place -= 1
        first = int(np.searchsorted(before, before[place], "left"))
        last = int(np.searchsorted(before, before[place], "right")) - 1
        aim = (first - 1 + last) // 2 + 1
        reach = (max(span, guard) + 1) // 2
        tried = np.arange(max(aim - reach, found[-1] + 1, 1), min(aim + reach, length - 1) + 1, dtype=np.int64)
        if not len(tried):
            raise ArgumentError(
                f"split: {count:,} patches over {length:,} elements leave no room for {len(fractions)} parts one after "
                "the other: take fewer parts, or patches that are shorter along it"
            )
        low, high = np.maximum(tried - guard // 2, 0), np.minimum(tried + guard - guard // 2, length)
        lost = begun[high] - ended[low]  # those that begin before the band's end less those that end before it
        found.append(int(tried[np.lexsort((tried, np.abs(tried - aim), lost))[0]]))
    return np.array([*found, length], np.int64)


def _below(places: Indices, length: int) -> Indices:
    """Return how many places lie below each number from 0 to a length."""
    found = np.zeros(length + 1, np.int64)
    np.cumsum(np.bincount(places, minlength=length), out=found[1:])
    return found
