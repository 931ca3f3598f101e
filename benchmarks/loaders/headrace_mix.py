"""Three Datasets with arrays of their own, in their order: `hr.mix(parts, weights).batch(n).stream()`. One thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import headrace as hr
from benchmarks.drawing import bounds
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        self.parts = self.of(data)

    def of(self, data: Data) -> Sequence[hr.Dataset]:
        payload, labels = data.column("payload"), data.column("label")
        return [
            hr.Dataset(payload=payload[start:stop], label=labels[start:stop]) for start, stop in bounds(data.workload)
        ]

    def epoch(self, number: int) -> Iterator[Batch]:
        for batch in hr.mix(self.parts, weights=self.workload.weights).batch(self.workload.batch).stream():
            yield batch["payload"], batch["label"]
