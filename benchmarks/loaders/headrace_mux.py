"""A Dataset for each stream, slices of one:
`hr.StochasticMux(datasets, n_active, rate, seed=seed).batch(n)`. One thread.
"""

from __future__ import annotations

from collections.abc import Iterator

import headrace as hr
from benchmarks.drawing import bounds
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        records = hr.Dataset(payload=data.column("payload"), label=data.column("label"))
        self.streams = [records[start:stop] for start, stop in bounds(data.workload)]

    def epoch(self, number: int) -> Iterator[Batch]:
        workload = self.workload
        mux = hr.StochasticMux(self.streams, n_active=workload.active, rate=workload.rate, seed=number)
        for batch in mux.batch(workload.batch):
            yield batch["payload"], batch["label"]
