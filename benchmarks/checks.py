"""What proves equal work: every epoch a permutation, and every byte of every record handed over, with its own label.

The digest of a record is a weighted sum of its words, times an odd number made of its label; that of an epoch is the
sum over its records. All of it wraps modulo 2**64, so the order of the records does not matter, while a word or a
record that is missing, doubled, changed or under another label does. Zeros add nothing, so padding does not matter
either, and anything but zeros in it would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.workloads import Data, Workload

MASK = 2**64 - 1
_words = np.arange(1, 32_769, dtype=np.uint64)
WEIGHTS = (_words * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)


class CheckError(Exception):
    """A loader did not hand over what it should have."""


def digest(rows: NDArray[Any], labels: NDArray[np.int64]) -> int:
    """Return the digest of some records: shape ``(n, ...)`` and their labels ``(n,)``; ragged ones padded with 0."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    words = flat.astype(np.uint64) if flat.dtype == np.int32 else flat.view(np.uint64)
    each = (words * WEIGHTS[: words.shape[1]]).sum(axis=1, dtype=np.uint64)
    return int((each * (labels.astype(np.uint64) * np.uint64(2) + np.uint64(1))).sum(dtype=np.uint64))


def digest_of(data: Data) -> int:
    """Return the digest of all records of a workload, read straight from its files."""
    total = 0
    labels = data.column("label")
    if data.workload.ragged:
        values, offsets = data.column("values"), data.column("offsets")
        for label, start, stop in zip(labels, offsets[:-1], offsets[1:], strict=True):
            total += digest(values[None, start:stop], label[None])
    else:
        payload = data.column("payload")
        for start in range(0, len(labels), 4096):
            total += digest(payload[start : start + 4096], labels[start : start + 4096])
    return total & MASK


@dataclass(frozen=True)
class Expected:
    """What the batches of a workload must look like."""

    workload: Workload
    lengths: NDArray[np.int64] | None

    @classmethod
    def of(cls, data: Data) -> Expected:
        return cls(data.workload, np.diff(data.column("offsets")) if data.workload.ragged else None)

    def check(self, rows: NDArray[Any], labels: NDArray[Any]) -> None:
        """Check one batch's shape and dtypes: a ragged one is as wide as its own longest record."""
        width = self.workload.shape if self.lengths is None else (int(self.lengths[labels].max()),)
        wanted = (len(labels), *(width or ()))
        if rows.shape != wanted or rows.dtype != self.workload.dtype or labels.dtype != np.int64:
            raise CheckError(
                f"a batch is {rows.dtype}{list(rows.shape)} with {labels.dtype} labels, "
                f"not {self.workload.dtype}{list(wanted)} with int64 ones"
            )


def check_permutation(order: NDArray[np.int64], records: int, shuffled: bool = True) -> None:
    """Check that the labels of an epoch, in the order in which they came, are each record once, and shuffled."""
    seen = np.bincount(order, minlength=records)
    if len(order) != records or len(seen) != records or not (seen == 1).all():
        raise CheckError(f"no permutation: {len(order)} labels, {np.count_nonzero(seen == 0)} records missing")
    if shuffled and np.array_equal(order, np.arange(records)):
        raise CheckError("not shuffled at all")


def check_distinct(order: NDArray[np.int64]) -> None:
    """Check that no label of a part of an epoch came twice."""
    if len(np.unique(order)) != len(order):
        raise CheckError("a record came twice")


def check_size(handed_over: int, data: Data) -> None:
    """Check the number of bytes that an epoch handed over: as many as the records have, or, padded, more."""
    if handed_over < data.size or (handed_over > data.size and not data.workload.ragged):
        raise CheckError(f"{handed_over:,} bytes handed over, of {data.size:,}")


def reach(order: NDArray[np.int64]) -> float:
    """Return how far apart neighbours end up, as a share of a true shuffle's mean ``n / 3``: 1 for a global shuffle."""
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    return float(np.abs(np.diff(position)).mean() / (len(order) / 3))
