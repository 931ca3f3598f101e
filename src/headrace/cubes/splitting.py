"""Parts of a cube that share no element, and which part each patch lies in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from headrace.core import seeds
from headrace.core.errors import ArgumentError
from headrace.core.source import Indices
from headrace.cubes.geometry import Geometry
from headrace.cubes.splitting_deal import borders, checked, deal
from headrace.cubes.splitting_guard import Parts, cells_of, free, refined
from headrace.cubes.splitting_plans import Along, Blocks, Groups, Plan, guards
from headrace.cubes.splitting_touch import Counts, Reach, pieces, reach

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
]

BORDER, GUARD, NOWHERE = -1, -2, -3
"""Why a patch is in no part: it touches two parts; a guard band; elements without a label, or none at all."""


@dataclass(frozen=True)
class Report:
    """How many patches lie in each part, and how many in none.

    Args:
        parts: By name.
        border: Those that touch elements of two parts.
        guard: Those within one part that touch a guard band.
        nowhere: Those that touch elements of no group, or that lie wholly past an end.

    >>> print(Report({"train": 80, "val": 9}, border=10, guard=1))
    89 of 100 patches lie in a part: train 80 (80.0%), val 9 (9.0%); left out: 10 cross a border, 1 touch a guard band
    """

    parts: Mapping[str, int]
    border: int = 0
    guard: int = 0
    nowhere: int = 0

    @property
    def total(self) -> int:
        """All patches."""
        return sum(self.parts.values()) + self.dropped

    @property
    def dropped(self) -> int:
        """Those in no part."""
        return self.border + self.guard + self.nowhere

    def __str__(self) -> str:
        total = max(self.total, 1)
        shares = ", ".join(f"{name} {count:,} ({count / total:.1%})" for name, count in self.parts.items())
        why = {"cross a border": self.border, "touch a guard band": self.guard, "have no label": self.nowhere}
        left = ", ".join(f"{count:,} {words}" for words, count in why.items() if count)
        said = f"{self.total - self.dropped:,} of {self.total:,} patches lie in a part: {shares}"
        return f"{said}; left out: {left}" if left else said


@dataclass(frozen=True, eq=False)
class Division:
    """Which part each element of a cube belongs to: of any patches of the cube it can say in which part they lie.

    The law: no element lies in patches of two parts; and along a dimension with a guard, two elements of patches of
    different parts, which differ in no other dimension, have at least as many elements between them as the guard says.
    A band lies half on each side of a border (the larger half behind it), whatever the patches are. A patch lies in a
    part if each element that it really reads does, none of them in a band: what lies between the elements of a dilated
    window does not count, nor does what is past an end, unless mirrored elements stand for it.

    Args:
        plan: By what it was divided.
        fractions: Of the parts, by name.
        seed: It was drawn from.
        guard: Elements between parts, by dimension.
        lengths: Of the cube's dimensions.
        edges: Where cells begin along each dimension of the plan, and its length at the end.
        owner: The part of each cell, -1 where it has none; one dimension for each of the plan's.

    >>> geometry = Geometry.of({"time": 100}, {"time": 10})
    >>> division = draw(Along("time"), geometry, np.arange(10), {"train": 0.7, "val": 0.3}, seed=0)
    >>> division.part(geometry, np.arange(10)).tolist()
    [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    >>> other = Geometry.of({"time": 100}, {"time": 20})
    >>> division.part(other, np.arange(5)).tolist()
    [0, 0, 0, -1, 1]
    """

    plan: Plan
    fractions: Mapping[str, float]
    seed: int
    guard: Mapping[str, int]
    lengths: Mapping[str, int]
    edges: tuple[Indices, ...] = field(repr=False)
    owner: Parts = field(repr=False)

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions that are divided."""
        return self.plan.dims

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parts, in order."""
        return tuple(self.fractions)

    def part(self, geometry: Geometry, numbers: Indices) -> Indices:
        """Return the number of the part of some patches, -1 for those in none: a new array, int64 ``(n,)``.

        Raises:
            ArgumentError: The patches are of another cube.
        """
        return np.maximum(self.states(geometry, numbers), -1)

    def report(self, geometry: Geometry, numbers: Indices) -> Report:
        """Return how many of some patches lie in each part, and why others lie in none.

        Raises:
            ArgumentError: The patches are of another cube.
        """
        return self.counted(self.states(geometry, numbers))

    def counted(self, states: Indices) -> Report:
        """Return how often each of what :meth:`states` returned is there."""
        counts = np.bincount(states - NOWHERE, minlength=len(self.fractions) - NOWHERE).tolist()
        nowhere, guard, border, *of_parts = counts
        return Report(dict(zip(self.fractions, of_parts, strict=True)), border, guard, nowhere)

    def states(self, geometry: Geometry, numbers: Indices) -> Indices:
        """Return the number of the part of some patches, or one of BORDER, GUARD, NOWHERE: new, int64 ``(n,)``.

        Raises:
            ArgumentError: The patches are of another cube.
        """
        look = self.look(geometry)
        found = np.empty(len(numbers), np.int64)
        for piece in pieces(len(numbers)):
            found[piece] = look.states(geometry.starts(numbers[piece])[:, look.places])
        return found

    def look(self, geometry: Geometry, inside: bool = False) -> Look:
        """Return what tells the part of windows of a geometry; that of the last one is kept.

        Args:
            geometry: Of windows.
            inside: Only windows that lie within the cube.

        Raises:
            ArgumentError: The windows are of another cube.
        """
        for dim, ends in zip(self.dims, self.edges, strict=True):
            if geometry.axis(dim).length != ends[-1]:
                raise ArgumentError(
                    f"split: these patches are of a cube with {geometry.axis(dim).length:,} elements along {dim!r}, "
                    f"and what was divided has {ends[-1]:,}"
                )
        last: tuple[object, Look] | None = self.__dict__.get("_last")
        key = (geometry, inside)
        if last is None or last[0] != key:
            last = self.__dict__["_last"] = (key, Look.of(self, geometry, inside))
        return last[1]

    @cached_property
    def cells(self) -> tuple[tuple[Indices, ...], Parts, Parts]:
        """The cells that no band cuts: their edges, the part of each, and the same with -1 where one is in a band."""
        sizes = [self.guard.get(dim, 0) for dim in self.dims]
        # cells of groups are single elements, which nothing cuts
        cut = [refined(ends, size) for ends, size in zip(self.edges, sizes, strict=True)]
        edges = self.edges if isinstance(self.plan, Groups) else tuple(cut)
        if not any(sizes):
            return self.edges, self.owner, self.owner
        raw = self.owner[np.ix_(*map(cells_of, edges, self.edges))]
        return edges, raw, free(raw, edges, sizes)

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}


class Look:
    """What tells in which part windows of a geometry lie: what they touch along each dimension, and counts of cells."""

    def __init__(self, places: list[int], reaches: list[Reach], raw: Parts, kept: Parts, count: int) -> None:
        self.places = places
        self.reaches = reaches
        self._raw = raw
        self._count = count
        self._kept = Counts(kept, count)
        self._why = (
            None if kept is raw and raw.min(initial=0) >= 0 else Counts(np.where(raw < 0, count, raw), count + 1)
        )

    @classmethod
    def of(cls, division: Division, geometry: Geometry, inside: bool) -> Look:
        """Make it; see :meth:`Division.look`."""
        edges, raw, kept = division.cells
        places = [geometry.dims.index(dim) for dim in division.dims]
        reaches = [
            reach(geometry.axes[place], ends, geometry.fill == "reflect", inside)
            for place, ends in zip(places, edges, strict=True)
        ]
        listed = np.ix_(*(one.cells for one in reaches))
        there = raw[listed]
        return cls(places, reaches, there, there if kept is raw else kept[listed], len(division.fractions))

    def states(self, starts: Indices) -> Indices:
        """Return the states of windows that begin somewhere, int64 ``(n, divided dimensions)``."""
        at = [starts[:, place] - one.first for place, one in enumerate(self.reaches)]
        return self.of_boxes(
            [one.low[here] for one, here in zip(self.reaches, at, strict=True)],
            [one.high[here] for one, here in zip(self.reaches, at, strict=True)],
        )

    def of_boxes(self, low: list[Indices], high: list[Indices]) -> Indices:
        """Return the states of boxes of cells, given by their ends along each dimension."""
        size = np.ones(len(low[0]), np.int64)
        for begin, end in zip(low, high, strict=True):
            size *= end - begin
        first = self._raw[tuple(low)].astype(np.int64)
        fine = (size > 0) & (first >= 0)
        fine &= self._kept.of(np.maximum(first, 0), low, high) == size
        states = np.where(fine, first, BORDER)
        if self._why is None:
            states[size == 0] = NOWHERE
            return states
        out = np.flatnonzero(~fine)
        low, high = [one[out] for one in low], [one[out] for one in high]
        first, size = np.maximum(first[out], 0), size[out]
        alone = self._why.of(first, low, high) == size
        bare = self._why.of(np.full(len(out), self._count), low, high) > 0
        states[out] = np.where(bare | (size == 0), NOWHERE, np.where(alone, GUARD, BORDER))
        return states


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
