"""`hr.patches(dataset, sizes, overlap).batch(16)` of an xarray Dataset in memory, in order. One thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import headrace as hr
from benchmarks import patching
from benchmarks.workloads import Data


class Loader:
    ordered = True

    def __init__(self, data: Data) -> None:
        self.data, self.cube = data, patching.labelled(data)

    def epoch(self, number: int) -> Iterator[Any]:
        workload = self.data.workload
        patches = hr.patches(self.cube, sizes=patching.sizes(workload), overlap=patching.overlap(workload))
        for batch in patches.batch(workload.batch):
            yield batch[patching.NAME]
