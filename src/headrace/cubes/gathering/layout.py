"""The chunks of a variable, seen along the dimensions of the cube: where elements lie, and chunks' numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headrace.core.source import Indices
from headrace.cubes.gathering.chunks import Grid


@dataclass(frozen=True, eq=False)
class Layout:
    """The chunks of a variable in the cube's order of dimensions.

    Args:
        edges: By dimension.
        factors: What the place of a chunk along each is multiplied by for its number.
    """

    edges: tuple[Indices, ...]
    factors: Indices

    @classmethod
    def of(cls, grid: Grid, order: tuple[int, ...]) -> Layout:
        """Return those of a grid, whose axes are brought into an order."""
        factors = np.ones(len(grid.shape), np.int64)
        for axis in reversed(range(len(grid.shape) - 1)):
            factors[axis] = factors[axis + 1] * grid.shape[axis + 1]
        return cls(tuple(grid.edges[axis] for axis in order), factors[list(order)])

    @cached_property
    def even(self) -> Indices | None:
        """The size of chunks along each dimension, where all but the last have the same."""
        sizes = [int(edges[1]) for edges in self.edges]
        same = all(
            np.array_equal(edges, np.minimum(np.arange(len(edges)) * size, edges[-1]))
            for edges, size in zip(self.edges, sizes, strict=True)
        )
        return np.array(sizes, np.int64) if same else None

    @cached_property
    def ends(self) -> Indices:
        """The lengths of dimensions."""
        return np.array([edges[-1] for edges in self.edges], np.int64)

    def at(self, elements: Indices) -> Indices:
        """Return the places of the chunks that elements lie in, ``(n, axes)``."""
        if self.even is not None:
            return np.asarray(elements // self.even, np.int64)
        found = np.empty_like(elements)
        for axis, edges in enumerate(self.edges):
            found[:, axis] = edges.searchsorted(elements[:, axis], "right") - 1
        return found

    def edge(self, places: Indices) -> Indices:
        """Return the first elements of chunks, ``(n, axes)``."""
        if self.even is not None:
            return np.asarray(np.minimum(places * self.even, self.ends), np.int64)
        found = np.empty_like(places)
        for axis, edges in enumerate(self.edges):
            found[:, axis] = edges[places[:, axis]]
        return found

    def numbers(self, places: Indices) -> Indices:
        """Return the numbers of chunks on the grid."""
        found: Indices = places @ self.factors
        return found
