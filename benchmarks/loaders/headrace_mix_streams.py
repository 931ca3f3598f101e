"""Three Streams over generator functions, which yield a dict of a row and its label for each record:
`hr.mix([hr.Stream(records, part) ...], weights).batch(n)`. One thread.
"""

from __future__ import annotations

from collections.abc import Iterator

import headrace as hr
from benchmarks.loaders.headrace_mux_generators import generator
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        records = generator(data)
        self.parts = [hr.Stream(records, part) for part in range(len(data.workload.weights))]

    def epoch(self, number: int) -> Iterator[Batch]:
        for batch in hr.mix(self.parts, weights=self.workload.weights).batch(self.workload.batch):
            yield batch["payload"], batch["label"]
