"""A `Streamer` over a generator function for each stream, which yields a dict of a row and its label for each record;
`buffer_stream(StochasticMux(streamers, n_active, rate), n)`.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator

import pescador

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
