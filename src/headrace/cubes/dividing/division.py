"""A divided cube: which part each element belongs to, and so in which part any patch of it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from headrace.core.errors import ArgumentError
from headrace.core.source import Indices
from headrace.cubes.dividing.guarding import Parts, cells_of, free, refined
from headrace.cubes.dividing.plans import Groups, Plan
from headrace.cubes.dividing.touching import Counts, Reach, pieces, reach
from headrace.cubes.geometry import Geometry

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

    >>> from headrace.cubes.dividing.splitting import Along, draw
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
