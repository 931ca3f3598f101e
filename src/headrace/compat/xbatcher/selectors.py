"""Which patches each batch has, by arithmetic: a mapping that lists those of a batch when that batch is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TypeAlias

import numpy as np

from headrace.core.source import Indices
from headrace.cubes.geometry import Geometry

Patch: TypeAlias = dict[str, slice]
"""What ``isel`` takes."""


@dataclass(frozen=True, eq=False)
class Selectors(Mapping[int, list[Patch]]):
    """The patches of each batch. It equals a dict of the same, and takes no memory for them.

    A batch is a box of the grid of patches: along each dimension it has up to ``together`` patches next to each other.

    Args:
        geometry: The patches.
        together: How many patches a batch has along each dimension.
        batches: How many batches there are along each.

    >>> selectors = Selectors(Geometry.of({"x": 6}, {"x": 2}), together=(2,), batches=(2,))
    >>> len(selectors), selectors[1]
    (2, [{'x': slice(4, 6, None)}])
    """

    geometry: Geometry
    together: tuple[int, ...]
    batches: tuple[int, ...]

    def __len__(self) -> int:
        return prod(self.batches)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int | np.integer) and 0 <= int(key) < len(self)

    def __getitem__(self, key: int) -> list[Patch]:
        if key not in self:
            raise KeyError(key)
        axes = self.geometry.axes
        begins = [[axis.window(start) for start in here.tolist()] for axis, here in zip(axes, self.starts(key))]
        return [dict(zip(self.geometry.dims, windows)) for windows in product(*begins)]

    def __repr__(self) -> str:
        return f"Selectors(batches={len(self)}, patches={len(self.geometry)})"

    def first(self, key: int) -> Patch:
        """Return the first patch of a batch."""
        found, rest = [], key
        for axis, together, batches in zip(self.geometry.axes[::-1], self.together[::-1], self.batches[::-1]):
            rest, place = divmod(rest, batches)
            start = axis.offset + place * together * axis.stride
            found.append((axis.name, slice(start, start + axis.size)))
        return dict(found[::-1])

    def starts(self, key: int) -> list[Indices]:
        """Return where the patches of a batch begin along each dimension: its patches are the product of these."""
        found, rest = [], int(key)
        for axis, together, batches in reversed(list(zip(self.geometry.axes, self.together, self.batches))):
            rest, place = divmod(rest, batches)
            numbers = np.arange(place * together, min((place + 1) * together, axis.count), dtype=np.int64)
            found.append(axis.starts(numbers))
        return found[::-1]
