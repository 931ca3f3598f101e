"""What one would write without any library: the part of each record by `default_rng(seed).choice(3, p=weights)`, its
number within the part by counting, then `numpy.take` for each batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.drawing import bounds
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        self.payload, self.labels = data.column("payload"), data.column("label")

    def epoch(self, number: int) -> Iterator[Batch]:
        workload = self.workload
        parts = np.random.default_rng(number).choice(len(workload.weights), workload.drawn, p=workload.weights)
        order = np.empty(workload.drawn, np.int64)
        for part, (start, _) in enumerate(bounds(workload)):
            drawn = np.flatnonzero(parts == part)
            order[drawn] = np.arange(start, start + len(drawn))
        for start in range(0, workload.drawn, workload.batch):
            index = order[start : start + workload.batch]
            yield np.take(self.payload, index, axis=0), np.take(self.labels, index)
