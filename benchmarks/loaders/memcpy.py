"""The columns copied in order, a batch's worth at a time, into arrays of that size that are used again and again: about
the bound that memory sets. No shuffle, no padding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    ordered = True  # the one loader that is not asked for a permutation

    def __init__(self, data: Data) -> None:
        self.payload = data.column("values" if data.workload.ragged else "payload")
        self.labels = data.column("label")
        self.size = data.workload.batch
        self.each = len(self.payload) // len(self.labels)  # rows of the payload for a record: 1, or the mean length

    def epoch(self, number: int) -> Iterator[Batch]:
        rows = np.empty((self.each * self.size, *self.payload.shape[1:]), self.payload.dtype)
        labels = np.empty(self.size, np.int64)
        for start in range(0, len(self.labels), self.size):
            stop = min(start + self.size, len(self.labels))
            first, last = start * self.each, stop * self.each if stop < len(self.labels) else len(self.payload)
            part = self.payload[first:last]
            if len(part) > len(rows):  # the last, which takes what is left of ragged ones
                rows = np.empty_like(part)
            np.copyto(rows[: len(part)], part)
            np.copyto(labels[: stop - start], self.labels[start:stop])
            yield rows[: len(part)], labels[: stop - start]
