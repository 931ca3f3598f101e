"""What one would write without any library: for each of 100 places the records that it goes through are laid out
beforehand, streams by `default_rng(seed).integers`, lifetimes by `binomial`; then the places of all draws, and
`numpy.take` for each batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.worker import Batch
from benchmarks.workloads import Data, Workload


def addresses(rng: np.random.Generator, workload: Workload) -> NDArray[np.int64]:
    """Return which records an epoch draws, in order."""
    each, active = workload.records // workload.streams, workload.active
    chosen = rng.integers(active, size=workload.drawn)
    order = np.argsort(chosen, kind="stable")
    counts = np.bincount(chosen, minlength=active)
    drawn = np.empty(workload.drawn, np.int64)
    ends = np.cumsum(counts)
    share = 1 - 1 / active
    for count, end in zip(counts.tolist(), ends.tolist(), strict=True):
        lifetimes = 1 + rng.binomial(round((workload.rate - 1) / share), share, 2 + 2 * count // workload.rate)
        stops = np.cumsum(lifetimes)
        place = np.searchsorted(stops, np.arange(count), side="right")
        starts = rng.integers(workload.streams, size=len(stops)) * each - (stops - lifetimes)
        drawn[order[end - count : end]] = starts[place] + np.arange(count)
    return drawn


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        self.payload, self.labels = data.column("payload"), data.column("label")

    def epoch(self, number: int) -> Iterator[Batch]:
        order = addresses(np.random.default_rng(number), self.workload)
        for start in range(0, len(order), self.workload.batch):
            index = order[start : start + self.workload.batch]
            yield np.take(self.payload, index, axis=0), np.take(self.labels, index)
