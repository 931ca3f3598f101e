"""A `.beton` file written by `DatasetWriter` with an `NDArrayField`, read by `Loader(order=RANDOM, os_cache=True,
num_workers=1)`, which its docs recommend for data that fits in memory. It compiles its pipeline (before the clock
starts) and runs it in a thread of its own, three batches ahead.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ffcv.fields import IntField, NDArrayField
from ffcv.fields.basics import IntDecoder
from ffcv.fields.ndarray import NDArrayDecoder
from ffcv.loader import Loader as Reader
from ffcv.loader import OrderOption
from ffcv.writer import DatasetWriter

from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Records:
    def __init__(self, data: Data) -> None:
        self.payload, self.labels = data.column("payload"), data.column("label")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return self.payload[index], int(self.labels[index])


class Loader:
    def __init__(self, data: Data) -> None:
        path = data.workload.folder / "records.beton"
        done = path.with_suffix(".done")
        assert data.workload.shape is not None
        if not done.exists():
            field = NDArrayField(np.dtype(data.workload.dtype), data.workload.shape)
            DatasetWriter(str(path), {"payload": field, "label": IntField()}, num_workers=2).from_indexed_dataset(
                Records(data)
            )
            done.touch()
        self.reader = Reader(
            str(path),
            batch_size=data.workload.batch,
            num_workers=1,
            os_cache=True,
            order=OrderOption.RANDOM,
            drop_last=False,
            pipelines={"payload": [NDArrayDecoder()], "label": [IntDecoder()]},
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        for payload, labels in self.reader:
            yield payload, labels.reshape(-1)
