"""The program written for pescador, with `import headrace.compat.pescador as pescador`. One thread."""

from __future__ import annotations

from collections.abc import Iterator

import headrace.compat.pescador as pescador
from benchmarks.loaders.headrace_mux_generators import generator
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        records = generator(data)
        self.streamers = [pescador.Streamer(records, stream) for stream in range(data.workload.streams)]

    def epoch(self, number: int) -> Iterator[Batch]:
        workload = self.workload
        mux = pescador.StochasticMux(self.streamers, workload.active, rate=workload.rate, random_state=number)
        for batch in pescador.buffer_stream(mux, workload.batch):
            yield batch["payload"], batch["label"]
