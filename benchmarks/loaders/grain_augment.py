"""`MapDataset.source(...).seed(...).shuffle().random_map(function).batch(n).repeat().to_iter_dataset().mp_prefetch(
MultiprocessingOptions(num_workers=2))`, which hands each record a generator of its own, in worker processes of its own;
`ReadOptions(num_threads=0)` in them. One iterator goes through all epochs, so the workers run before the clock starts.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import grain
import numpy as np
from grain.multiprocessing import MultiprocessingOptions

from benchmarks.augmenting import augment
from benchmarks.loaders.grain_map import Dense
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Records(Dense):
    """The records of the mapped columns, which each process maps for itself."""

    def __init__(self, data: Data) -> None:
        super().__init__(data)
        self.data = data

    def __getstate__(self) -> Data:
        return self.data

    def __setstate__(self, data: Data) -> None:
        self.__init__(data)  # type: ignore[misc]


def augment_record(record: Any, rng: np.random.Generator) -> Any:
    image, label = record
    return augment(image, rng), label


class Loader:
    def __init__(self, data: Data) -> None:
        self.batches = data.workload.batches
        records = grain.MapDataset.source(Records(data)).seed(0).shuffle().random_map(augment_record)
        epochs = records.batch(data.workload.batch).repeat()
        reading = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
        options = MultiprocessingOptions(num_workers=2, per_worker_buffer_size=2)
        self.iterator = iter(epochs.to_iter_dataset(reading).mp_prefetch(options))

    def epoch(self, number: int) -> Iterator[Batch]:
        return itertools.islice(self.iterator, self.batches)
