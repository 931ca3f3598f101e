"""A chosen part of the positions below: splits, ``[[5, 1]]``, masks, sorts, samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

import numpy as np

from headrace.core.address import At
from headrace.core.errors import ArgumentError
from headrace.core.source import Indices


@dataclass(frozen=True, eq=False)
class Subset:
    """An explicit choice of positions, in the order given; a position may come several times.

    Args:
        below: Length of what lies below; None: endless.
        indices: Positions below, ``(n,)``; copied unless they are int64 and read-only already.

    >>> Subset(below=10, indices=np.array([7, 2, 2]))(At(np.array([0, 2]))).positions.tolist()
    [7, 2]
    """

    below: int | None
    indices: Indices = field(repr=False)
    reorders = False

    def __post_init__(self) -> None:
        indices = np.asarray(self.indices)
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise ArgumentError(f"indices must be integers in one dimension, got {indices.dtype} of {indices.shape}")
        if indices.size and (indices.min() < 0 or (self.below is not None and indices.max() >= self.below)):
            raise ArgumentError(
                f"indices must lie in range({self.below}), got some from {indices.min()} to {indices.max()}"
            )
        if indices.dtype != np.int64 or indices.flags.writeable or not indices.flags.c_contiguous:
            indices = np.array(indices, np.int64, order="C")
            indices.flags.writeable = False
        object.__setattr__(self, "indices", indices)

    @property
    def length(self) -> int:
        return len(self.indices)

    def __call__(self, at: At, /) -> At:
        return At(self.indices.take(at.positions), at.epochs)

    def find(self, position: int, below_epoch: int, epoch: int) -> int | None:
        if below_epoch != epoch or not len(self.indices):
            return None
        if self.ascends:
            own = int(self.indices.searchsorted(position))
        else:
            own = int((self.indices == position).argmax())
        return own if own < len(self.indices) and self.indices[own] == position else None

    def epochs(self, epoch: int) -> Iterable[int]:
        return (epoch,)

    def text(self) -> str:
        return f"subset({len(self.indices)} of {'endless' if self.below is None else self.below}, {self.digest})"

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that stand for the choice; made once, at about 1 GB/s."""
        little = self.indices.astype("<i8", copy=False)
        return blake2b(little.data.cast("B") if little.size else b"", digest_size=8).hexdigest()

    @cached_property
    def ascends(self) -> bool:
        """Whether no position is below the one before it."""
        return bool((self.indices[1:] >= self.indices[:-1]).all())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Subset):
            return NotImplemented
        return self.below == other.below and len(self.indices) == len(other.indices) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash((self.below, self.digest))

    def __getstate__(self) -> dict[str, object]:
        return {"below": self.below, "indices": self.indices}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.indices.flags.writeable = False
