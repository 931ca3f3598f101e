"""Dividing a cube into parts that share no element, by blocks, in order or by groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headrace.core import seeds
from headrace.core.errors import ArgumentError
from headrace.core.source import Indices
from headrace.cubes.dividing.dealing import borders, checked, deal
from headrace.cubes.dividing.division import BORDER, GUARD, NOWHERE, Division, Report
from headrace.cubes.dividing.plans import Along, Blocks, Groups, Plan, guards
from headrace.cubes.dividing.touching import pieces
from headrace.cubes.geometry import Geometry

__all__ = [
    "BORDER",
    "GUARD",
    "NOWHERE",
    "Along",
    "Blocks",
    "Division",
    "Groups",
    "Plan",
    "Report",
    "divided",
    "draw",
    "grow",
    "owners",
    "require_some",
]


def draw(
    plan: Plan,
    geometry: Geometry,
    numbers: Indices,
    fractions: Mapping[str, Any],
    seed: int = 0,
    guard: Mapping[str, int] | None = None,
) -> Division:
    """Divide a cube, the same on every machine.

    Blocks and groups are dealt out whole, in random order, each to the part that lacks most of its share; how much one
    counts is how many of the patches have their middle in it. What follows each other along a dimension is cut where
    the patches before a border are nearest to their share, and where the border costs the fewest of them.

    Args:
        plan: By what.
        geometry: Of the patches.
        numbers: Which of them there are.
        fractions: Of the parts, by name; they sum to 1.
        seed: Of the order in which blocks and groups are dealt out.
        guard: How many elements lie between parts at least, by dimension.

    Raises:
        ArgumentError: The fractions, the guard or the plan cannot be meant, or a part has no patch; the message says
            what to change.
    """
    division = divided(plan, geometry, numbers, fractions, seed, guard)
    require_some(division, geometry, division.report(geometry, numbers))
    return division


def divided(
    plan: Plan,
    geometry: Geometry,
    numbers: Indices,
    fractions: Mapping[str, Any],
    seed: int = 0,
    guard: Mapping[str, int] | None = None,
) -> Division:
    """Divide a cube as :func:`draw` does, even if a part has no patch.

    Raises:
        ArgumentError: The fractions, the guard or the plan cannot be meant.
    """
    shares, lengths = checked(fractions), _lengths(geometry)
    plan = plan.fitted(lengths)
    guarded, seed = guards(guard, plan), seeds.check(seed)
    _some(numbers)
    if isinstance(plan, Along):
        axis = geometry.axis(plan.dim)
        begin = geometry.starts(numbers)[:, geometry.dims.index(plan.dim)]
        end = np.clip(begin + axis.span - 1, 0, axis.length - 1)
        ends = borders(np.maximum(begin, 0), end, axis.length, list(shares.values()), guarded.get(plan.dim, 0))
        edges: tuple[Indices, ...] = (ends,)
        owner = np.arange(len(shares), dtype=np.int64)
    else:
        edges, codes, count = _things(plan, lengths)
        if count < len(shares):
            raise ArgumentError(
                f"split: {count} {_word(plan, count)} cannot be dealt out to {len(shares)} parts: "
                + ("take smaller blocks" if isinstance(plan, Blocks) else f"by={plan.name!r} cannot divide this cube")
            )
        weights = _weights(geometry, numbers, plan.dims, edges, codes, count)
        owner = np.append(deal(weights, list(shares.values()), seed, f"split by {_word(plan)}"), -1)[codes]
    return Division(plan, shares, seed, guarded, lengths, edges, owner.astype(np.int16))


def grow(old: Division, plan: Plan, geometry: Geometry, numbers: Indices) -> Division:
    """Divide a cube that has grown at the ends of dimensions; each old element keeps its part.

    A block that was cut short by the old end is completed in its part, and so is a group. New blocks and groups are
    dealt out by going on with the draw: each to the part that lacks most of its share of all patches. Of parts that
    follow each other, the last takes what is new.

    Args:
        old: The division of the cube as it was.
        plan: The same, of the cube as it is.
        geometry: Of patches of the cube as it is.
        numbers: Which of them there are.

    Raises:
        ArgumentError: A dimension is shorter than it was.
    """
    lengths = _lengths(geometry)
    plan = old.plan if isinstance(old.plan, Blocks) else plan.fitted(lengths)  # its dimensions are in the owners' order
    for dim, length in old.lengths.items():
        if lengths.get(dim, 0) < length:
            raise ArgumentError(
                f"split: {dim!r} has {lengths.get(dim, 0):,} elements, and had {length:,}: it has not grown"
            )
    if isinstance(plan, Along):
        edges: tuple[Indices, ...] = (np.append(old.edges[0][:-1], lengths[plan.dim]),)
        owner = old.owner
    else:
        edges, codes, count = _things(plan, lengths)
        kept = np.full(count, -1, np.int64)
        if isinstance(plan, Groups) and isinstance(old.plan, Groups):
            known = dict(zip(old.plan.names, owners(old).tolist(), strict=True))
            kept[:] = [known.get(name, -1) for name in plan.names]
        else:
            kept.reshape(codes.shape)[tuple(slice(length) for length in old.owner.shape)] = old.owner
        weights = _weights(geometry, numbers, plan.dims, edges, codes, count)
        before = " ".join(f"{dim} {old.lengths[dim]}" for dim in sorted(plan.dims))
        dealt = deal(weights, list(old.fractions.values()), old.seed, f"split by {_word(plan)} from {before}", kept)
        owner = np.append(dealt, -1)[codes].astype(np.int16)
    return Division(plan, old.fractions, old.seed, old.guard, lengths, edges, owner)


def owners(division: Division) -> Indices:
    """Return the part of each group of a division by groups, in the order of their names."""
    assert isinstance(division.plan, Groups)
    found = np.full(len(division.plan.names) + 1, -1, np.int64)
    found[division.plan.codes] = division.owner  # elements without a label write to the place at the end
    return found[:-1]


def require_some(division: Division, geometry: Geometry, report: Report, where: str = "") -> None:
    """Refuse a division in which a part has no patch.

    Args:
        division: Of a cube.
        geometry: Of patches.
        report: How many of them lie in which part.
        where: The file that the division was read from, and so cannot be drawn otherwise for these patches.

    Raises:
        ArgumentError: It says what to change.
    """
    empty = [name for name, count in report.parts.items() if not count]
    if not empty:
        return
    plan, mends = division.plan, ["take a smaller guard"] if division.guard and not where else []
    if where:
        mends.append(f"the split at {where} was drawn before: take smaller patches, or others, or draw anew")
    elif isinstance(plan, Blocks):
        narrow = [
            f"blocks of {size} along {dim!r}"
            + (f", less a guard of {division.guard[dim]}," if dim in division.guard else "")
            + f" have little room for patches that span {geometry.axis(dim).span}"
            for dim, size in plan.sizes.items()
            if size < geometry.axis(dim).length and size - division.guard.get(dim, 0) < 2 * geometry.axis(dim).span
        ]
        mends.insert(
            0, "take larger blocks, or smaller patches" if narrow else "take smaller blocks, so that each part has more"
        )
        mends[0] = f"{'; '.join(narrow)}: {mends[0]}" if narrow else mends[0]
    elif isinstance(plan, Along):
        mends.append(f"take patches that span less of {plan.dim!r}, or fewer parts")
    else:
        mends.append(f"take smaller patches, or fewer parts, or another label than {plan.name!r}")
    said = ", or ".join(mends)
    raise ArgumentError(f"split: no patch lies in {', '.join(map(repr, empty))}: {report}. {said[0].upper()}{said[1:]}")


def _lengths(geometry: Geometry) -> dict[str, int]:
    return {axis.name: axis.length for axis in geometry.axes}


def _some(numbers: Indices) -> None:
    if not len(numbers):
        raise ArgumentError("split: there are no patches to divide")


def _word(plan: Plan, count: int = 2) -> str:
    word = "block" if isinstance(plan, Blocks) else "group"
    return word if count == 1 else word + "s"


def _things(plan: Blocks | Groups, lengths: Mapping[str, int]) -> tuple[tuple[Indices, ...], Indices, int]:
    """Return the edges of cells, the number of the block or group of each, and how many there are."""
    if isinstance(plan, Groups):
        singles = tuple(np.arange(lengths[dim] + 1, dtype=np.int64) for dim in plan.dims)
        return singles, plan.codes, len(plan.names)
    edges = tuple(np.append(np.arange(0, lengths[dim], size), lengths[dim]) for dim, size in plan.sizes.items())
    shape = tuple(len(ends) - 1 for ends in edges)
    codes = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    return edges, codes, codes.size


def _weights(
    geometry: Geometry, numbers: Indices, dims: tuple[str, ...], edges: tuple[Indices, ...], codes: Indices, count: int
) -> Indices:
    """Return how many patches have their middle in each block or group, int64 ``(count,)``."""
    found = np.zeros(count + 1, np.int64)
    for piece in pieces(len(numbers)):
        starts = geometry.starts(numbers[piece])
        cells = []
        for dim, ends in zip(dims, edges, strict=True):
            place = geometry.dims.index(dim)
            axis = geometry.axes[place]
            middle = np.clip(starts[:, place] + (axis.span - 1) // 2, 0, axis.length - 1)
            cells.append(np.searchsorted(ends, middle, "right") - 1)
        found += np.bincount(codes[tuple(cells)] + 1, minlength=count + 1)
    return found[1:]
