"""`MapDataset.mix([MapDataset.source(part) ...], weights).batch(n).to_iter_dataset()` over random-access sources that
return one record of the mapped columns, with `ReadOptions(num_threads=0)`; `IterDataset.mix` was slower.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grain

from benchmarks.drawing import bounds
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Part:
    def __init__(self, data: Data, start: int, stop: int) -> None:
        self.payload, self.labels = data.column("payload")[start:stop], data.column("label")[start:stop]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return self.payload[index], self.labels[index]


class Loader:
    def __init__(self, data: Data) -> None:
        parts = [grain.MapDataset.source(Part(data, start, stop)) for start, stop in bounds(data.workload)]
        batches = grain.MapDataset.mix(parts, weights=data.workload.weights).batch(data.workload.batch)
        self.batches = batches.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))

    def epoch(self, number: int) -> Iterator[Batch]:
        return iter(self.batches)
