"""Windows that lie where they are told, or anywhere, instead of on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Protocol

import numpy as np

from headrace.core import seeds
from headrace.core.errors import ArgumentError
from headrace.core.source import Indices

_WORD = np.uint64(0x9E3779B97F4A7C15)


class Places(Protocol):
    """Where windows begin in some dimensions."""

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions."""
        ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def starts(self, numbers: Indices) -> Indices:
        """Return where windows begin: a new array, int64 ``(n, len(dims))``."""
        ...

    def text(self) -> str:
        """Return a few words that stand for it, the same in every process."""
        ...


@dataclass(frozen=True, eq=False)
class Points:
    """Windows that begin where they are told.

    Args:
        dims: The dimensions.
        begins: Where, int64 ``(count, len(dims))``.
    """

    dims: tuple[str, ...]
    begins: Indices

    def __post_init__(self) -> None:
        if self.begins.ndim != 2 or self.begins.shape[1] != len(self.dims):
            raise ArgumentError(f"points: starts must have shape (n, {len(self.dims)}), got {self.begins.shape}")

    @property
    def count(self) -> int:
        return len(self.begins)

    def starts(self, numbers: Indices) -> Indices:
        found: Indices = self.begins[numbers]
        return found

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that stand for the places."""
        return blake2b(np.ascontiguousarray(self.begins, "<i8").tobytes(), digest_size=8).hexdigest()

    def text(self) -> str:
        return f"{self.count} points in {', '.join(self.dims)} {self.digest}"


@dataclass(frozen=True)
class Anywhere:
    """Windows that begin anywhere, drawn from a seed: number k is a function of the seed and k alone.

    Args:
        dims: The dimensions.
        count: How many.
        seed: A non-negative integer.
        lows: The first place in each dimension.
        highs: The last.
    """

    dims: tuple[str, ...]
    count: int
    seed: int
    lows: tuple[int, ...]
    highs: tuple[int, ...]

    def starts(self, numbers: Indices) -> Indices:
        found = np.empty((len(numbers), len(self.dims)), np.int64)
        for place, (low, high) in enumerate(zip(self.lows, self.highs, strict=True)):
            word, other = (np.uint64(part) for part in seeds.key(self.seed, "patches", place))
            drawn = _mixed(numbers.astype(np.uint64) * _WORD + word) ^ other
            # the upper half of a word times the number of places: even but for 2**-32 of it
            found[:, place] = (_mixed(drawn) >> np.uint64(32)) * np.uint64(high - low + 1) >> np.uint64(32)
            found[:, place] += low
        return found

    def text(self) -> str:
        ranges = ", ".join(
            f"{dim} {low}..{high}" for dim, low, high in zip(self.dims, self.lows, self.highs, strict=True)
        )
        return f"{self.count} anywhere in {ranges}, seed {self.seed}"


def _mixed(words: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    """Mix words of 64 bits: the finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
