"""From Zarr: `hr.patches(...).block_shuffle(memory="64 MB").batch(16).stream(epochs=..., workers=2).torch()`, in one go
through all passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import patching
from benchmarks.loaders.headrace_zarr import patches
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.data = data

    def epoch(self, number: int) -> Iterator[Any]:
        workload = self.data.workload
        records = patches(self.data).block_shuffle(patching.MEMORY, number).batch(workload.batch)
        for batch in records.stream(epochs=workload.passes, workers=2).torch():
            yield batch[patching.NAME]
