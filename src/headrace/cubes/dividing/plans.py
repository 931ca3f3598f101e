"""By what a cube is divided: blocks, stretches of one dimension, groups of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, KindError
from headrace.core.source import Indices

MOST_BLOCKS = 1 << 20
MOST_LABELS = 1 << 27


@dataclass(frozen=True)
class Blocks:
    """Blocks of elements, each of which goes to one part as a whole; those at an end may be shorter.

    Args:
        sizes: Of a block along each dimension that is divided, in elements; those not named are not divided.

    >>> Blocks({"time": 240, "lat": 64}).dims
    ('time', 'lat')
    """

    sizes: Mapping[str, int]

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions that are divided."""
        return tuple(self.sizes)

    def asked(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"blocks": dict(self.sizes)}

    def fitted(self, lengths: Mapping[str, int]) -> Blocks:
        """Return it with the dimensions in a cube's order, checked.

        Raises:
            ArgumentError: There is no such dimension, or there would be more than a million blocks.
            KindError: A size is no whole number.
        """
        if not isinstance(self.sizes, Mapping):
            raise KindError(f"by_blocks must be a mapping from dimension to length of a block, got {self.sizes!r}")
        if not self.sizes:
            raise ArgumentError("by_blocks names no dimension: say how long a block is, such as {'time': 240}")
        _known(self.sizes, lengths, "by_blocks")
        sizes = {
            dim: whole(self.sizes[dim], f"by_blocks: the length along {dim!r}", 1)
            for dim in lengths
            if dim in self.sizes
        }
        count = 1
        for dim, size in sizes.items():
            count *= -(-lengths[dim] // size)
        if count > MOST_BLOCKS:
            raise ArgumentError(
                f"by_blocks: these are {count:,} blocks, and at most {MOST_BLOCKS:,} are dealt out: take larger ones"
            )
        return Blocks(sizes)


@dataclass(frozen=True)
class Along:
    """Parts that follow each other along a dimension, in the order in which they are named.

    Args:
        dim: The dimension.
    """

    dim: str

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimension, which is divided."""
        return (self.dim,)

    def asked(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"along": self.dim}

    def fitted(self, lengths: Mapping[str, int]) -> Along:
        """Return itself, checked.

        Raises:
            ArgumentError: There is no such dimension.
        """
        _known([self.dim], lengths, "by")
        return self


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of elements that have one label, each of which goes to one part as a whole.

    Elements whose label is missing (NaN, NaT, None, masked) are of no group, and so of no part.

    Args:
        name: Of what the labels are.
        dims: The dimensions of the labels.
        labels: Of any kind that can be compared: numbers, texts, dates, objects.

    >>> seasons = Groups("season", ("time",), np.array(["winter", "winter", "spring", "winter"]))
    >>> seasons.names, seasons.codes.tolist()
    (['winter', 'spring'], [0, 0, 1, 0])
    """

    name: str
    dims: tuple[str, ...]
    labels: NDArray[Any]

    def asked(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"groups": self.name, "dims": list(self.dims)}

    def fitted(self, lengths: Mapping[str, int]) -> Groups:
        """Return itself, checked.

        Raises:
            ArgumentError: The labels' dimensions are not the cube's, or it is a single value, or there are too many.
        """
        what = f"by={self.name!r}"
        _known(self.dims, lengths, what)
        expected = tuple(lengths[dim] for dim in self.dims)
        if not self.dims:
            raise ArgumentError(f"{what}: it has one value for the whole cube, so there is nothing to divide")
        if self.labels.shape != expected:
            raise ArgumentError(f"{what}: labels must have shape {expected} for {self.dims}, got {self.labels.shape}")
        if self.labels.size > MOST_LABELS:
            raise ArgumentError(
                f"{what}: these are {self.labels.size:,} labels, and at most {MOST_LABELS:,} are taken: give labels "
                "along fewer dimensions"
            )
        return self

    def upto(self, lengths: Mapping[str, int]) -> Groups:
        """Return it of the first elements along each dimension."""
        cut = tuple(slice(lengths[dim]) for dim in self.dims)
        return Groups(self.name, self.dims, self.labels[cut])

    @property
    def names(self) -> list[Any]:
        """The labels that there are, in order of appearance."""
        return self._found[0]

    @property
    def codes(self) -> Indices:
        """The number of the label of each element, -1 where it is missing; in the labels' shape."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[list[Any], Indices]:
        labels = self.labels
        flat, missing = np.ma.getdata(labels).reshape(-1), np.ma.getmaskarray(labels).reshape(-1)
        codes = np.full(len(flat), -1, np.int64)
        if flat.dtype == object:
            missing = missing | np.array([value is None or value != value for value in flat], bool)
            numbers: dict[Any, int] = {}
            try:
                codes[~missing] = [numbers.setdefault(value, len(numbers)) for value in flat[~missing]]
            except TypeError as error:
                raise KindError(f"by={self.name!r}: labels cannot be grouped by such values: {error}") from error
            names = list(numbers)
        else:
            missing = missing | (flat != flat)
            different, first, inverse = np.unique(flat[~missing], return_index=True, return_inverse=True)
            appearance = np.argsort(first, kind="stable")
            rank = np.empty(len(different), np.int64)
            rank[appearance] = np.arange(len(different))
            codes[~missing] = rank[inverse.reshape(-1)]
            ordered = different[appearance]
            names = list(ordered) if ordered.dtype.kind in "mM" else ordered.tolist()
        return names, codes.reshape(labels.shape)

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "dims": self.dims, "labels": self.labels}


Plan: TypeAlias = Blocks | Along | Groups
"""By what a cube is divided."""


def guards(guard: Mapping[str, int] | None, plan: Plan) -> dict[str, int]:
    """Return the guards that are not 0, in the plan's order of dimensions.

    Raises:
        ArgumentError: One is below 0, or along a dimension that is not divided, where no part has a border.
        KindError: It is no mapping, or one is no whole number.
    """
    if guard is not None and not isinstance(guard, Mapping):
        raise KindError(f"guard must be a mapping from dimension to number of elements, got {guard!r}")
    found = {dim: whole(size, f"guard along {dim!r}") for dim, size in (guard or {}).items()}
    for dim in found:
        if dim not in plan.dims:
            divided = ", ".join(map(repr, plan.dims))
            raise ArgumentError(
                f"guard: nothing is divided along {dim!r}, so there is no border to guard; only along {divided}"
            )
    return {dim: found[dim] for dim in plan.dims if found.get(dim)}


def _known(dims: Any, lengths: Mapping[str, int], what: str) -> None:
    for dim in dims:
        if dim not in lengths:
            there = ", ".join(map(repr, lengths))
            raise ArgumentError(f"{what}: there is no dimension {dim!r}; there are {there}")
