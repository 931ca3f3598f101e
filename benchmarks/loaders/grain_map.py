"""`MapDataset.source(...).shuffle(seed).batch(n).to_iter_dataset()` over a random-access source that returns one record
of the mapped columns; `ReadOptions(num_threads=0)`, which its docs recommend for data in memory, and which was twice as
fast here as the default of 16 threads. Ragged sequences are padded by a `batch_fn`.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import grain
import numpy as np
from numpy.typing import NDArray

from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Dense:
    def __init__(self, data: Data) -> None:
        self.payload, self.labels = data.column("payload"), data.column("label")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return self.payload[index], self.labels[index]


class Sequences:
    def __init__(self, data: Data) -> None:
        self.values, self.labels = data.column("values"), data.column("label")
        self.offsets = data.column("offsets").tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return self.values[self.offsets[index] : self.offsets[index + 1]], self.labels[index]


def collate_padded(records: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    rows = np.zeros((len(records), max(len(sequence) for sequence, _ in records)), np.int32)
    for row, (sequence, _) in zip(rows, records, strict=True):
        row[: len(sequence)] = sequence
    return rows, np.array([label for _, label in records])


class Loader:
    def __init__(self, data: Data) -> None:
        self.size = data.workload.batch
        self.source = grain.MapDataset.source(Sequences(data) if data.workload.ragged else Dense(data))
        self.batch_fn = collate_padded if data.workload.ragged else None

    def epoch(self, number: int) -> Iterator[Batch]:
        batches = self.source.shuffle(seed=number).batch(self.size, batch_fn=self.batch_fn)
        return iter(batches.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)))
