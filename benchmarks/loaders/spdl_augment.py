"""SPDL's *MP*, which its docs advise for Python that holds the interpreter's lock (threads were half as fast here): a
source of shuffled numbers, `.aggregate(n)`, `.to(ProcessPoolExecutorConfig(max_workers=2))`, `.pipe(function)`,
`.to(MAIN_PROCESS)`. One pipeline with `continuous=True` goes through all epochs, so the workers run before the clock
starts.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from spdl.pipeline import PipelineBuilder
from spdl.pipeline.defs import MAIN_PROCESS, ProcessPoolExecutorConfig

from benchmarks.augmenting import augment
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Numbers:
    """The numbers of all records, in another order each time."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        self.epoch += 1
        return iter(np.random.default_rng(self.epoch).permutation(self.records).tolist())


class Transform:
    def __init__(self, data: Data) -> None:
        self.data = data
        self.columns: Any = None

    def __getstate__(self) -> Any:
        return {"data": self.data, "columns": None}  # each process maps the files for itself

    def __call__(self, indices: list[int]) -> Any:
        if self.columns is None:
            self.columns = self.data.column("payload"), self.data.column("label")
            self.rng = np.random.default_rng(os.getpid())
        payload, labels = self.columns
        return np.stack([augment(payload[index], self.rng) for index in indices]), labels[indices]


class Loader:
    def __init__(self, data: Data) -> None:
        self.pipeline = (
            PipelineBuilder()
            .add_source(Numbers(data.workload.records), continuous=True)
            .aggregate(data.workload.batch)
            .to(ProcessPoolExecutorConfig(max_workers=2))
            .pipe(Transform(data), concurrency=2)
            .to(MAIN_PROCESS)
            .add_sink(4)
            .build(num_threads=2)
        )
        self.pipeline.start()

    def epoch(self, number: int) -> Iterator[Batch]:
        yield from self.pipeline
