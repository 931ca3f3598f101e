"""Runs of records that lie together, and are fetched together: parts of a stored version, files, chunks of an array."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

import numpy as np

from headrace.core.errors import ArgumentError, KindError
from headrace.core.source import Indices


@dataclass(frozen=True, eq=False)
class Runs:
    """Where each of some runs of positions begins, and how many bytes are fetched for it.

    Args:
        starts: Position of the first record of each, ascending from 0, int64 ``(k,)``.
        nbytes: What each takes where it is held, int64 ``(k,)``.
        length: How many positions there are.
        fetched: Whether a run is fetched whole, and so must be held; else it lies at hand, and may be cut.

    >>> runs = Runs.of([0, 4, 4, 6], [80, 0, 40, 60], 9)
    >>> len(runs), runs.lengths.tolist(), runs.at(np.array([3, 4, 8])).tolist(), runs.total
    (3, [4, 2, 3], [0, 1, 2], 180)
    """

    starts: Indices = field(repr=False)
    nbytes: Indices = field(repr=False)
    length: int
    fetched: bool = True

    @classmethod
    def of(cls, starts: object, nbytes: object, length: int, fetched: bool = True, empty: bool = False) -> Runs:
        """Check what a source said of its blocks, and leave out those without records, unless these are wanted too.

        Raises:
            KindError: They are no whole numbers.
            ArgumentError: They do not begin at 0, do not ascend, pass the length, or sizes are missing or below 0.
        """
        begins, sizes = _whole_numbers(starts, "starts"), _whole_numbers(nbytes, "sizes")
        if len(begins) != len(sizes):
            raise ArgumentError(f"blocks: {len(begins)} starts and {len(sizes)} sizes, one of each is needed")
        ends = np.append(begins[1:], length)
        if length and (not len(begins) or begins[0] != 0 or (ends < begins).any() or (sizes < 0).any()):
            raise ArgumentError(
                f"blocks: starts must ascend from 0 to at most {length}, and sizes be 0 or more, got "
                f"{_shown(begins)} and {_shown(sizes)}"
            )
        filled = (ends > begins) | empty
        return cls(_still(begins[filled]), _still(np.maximum(sizes[filled], 1)), length, fetched)

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def lengths(self) -> Indices:
        """How many records each has."""
        return np.diff(self.starts, append=self.length)

    @cached_property
    def total(self) -> int:
        """How many bytes all have."""
        return int(self.nbytes.sum())

    @cached_property
    def largest(self) -> int:
        """How many bytes the largest has."""
        return int(self.nbytes.max(initial=0))

    def at(self, positions: Indices) -> Indices:
        """Return the number of the run that each position lies in: a new array."""
        found: Indices = self.starts.searchsorted(positions, "right") - 1
        return found

    def cut(self, most: int | Indices) -> Runs:
        """Return the runs cut into pieces of at most so many records, each as near to equal as it goes.

        Args:
            most: At least 1: for all, or for each run.
        """
        pieces = -(-self.lengths // most)
        owner = np.repeat(np.arange(len(self)), pieces)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        starts = self.starts[owner] + number * self.lengths[owner] // pieces[owner]
        lengths = np.diff(starts, append=self.length)
        each = self.nbytes / np.maximum(self.lengths, 1)  # IEEE 754: the same on every machine
        nbytes = np.ceil(each[owner] * lengths).astype(np.int64)
        return Runs(_still(starts), _still(np.maximum(nbytes, 1)), self.length, self.fetched)

    def cut_to(self, room: int) -> Runs:
        """Return the runs with those that have more than so many bytes cut into pieces of an eighth of that."""
        large = self.nbytes > room
        most = np.where(large, self.lengths * (room / 8) / self.nbytes, self.lengths).astype(np.int64)
        return self.cut(np.maximum(most, 1))

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that stand for the runs."""
        digest = blake2b(str(self.length).encode(), digest_size=8)
        for numbers in (self.starts, self.nbytes):
            digest.update(numbers.astype("<i8").tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Runs) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __getstate__(self) -> dict[str, object]:
        return {"starts": self.starts, "nbytes": self.nbytes, "length": self.length, "fetched": self.fetched}


def _whole_numbers(values: object, what: str) -> Indices:
    numbers = np.asarray(values)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise KindError(
            f"blocks: {what} must be whole numbers in one dimension, got {numbers.dtype} of {numbers.shape}"
        )
    return numbers.astype(np.int64)


def _still(numbers: Indices) -> Indices:
    numbers.flags.writeable = False
    return numbers


def _shown(numbers: Indices) -> str:
    return f"[{', '.join(map(str, numbers[:5].tolist()))}{', ...' if len(numbers) > 5 else ''}]"
