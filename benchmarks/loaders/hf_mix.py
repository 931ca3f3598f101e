"""Three parts of the saved dataset: `interleave_datasets(parts, probabilities=weights).with_format("numpy").iter(n)`.
To put them together took 40 us a record here and is not timed, as if one order did for all epochs. Of the same parts
as `IterableDataset`s, which draw while they are read, ten thousand records a second came.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator

import datasets

from benchmarks.drawing import bounds
from benchmarks.loaders.hf_numpy import open_saved
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.batch = data.workload.batch
        saved = open_saved(data)
        parts = [saved.select(range(start, stop)) for start, stop in bounds(data.workload)]
        mixed = datasets.interleave_datasets(parts, probabilities=list(data.workload.weights), seed=0)
        self.records = mixed.with_format("numpy", dtype=None)

    def epoch(self, number: int) -> Iterator[Batch]:
        for batch in self.records.iter(self.batch):
            yield batch["payload"], batch["label"]
