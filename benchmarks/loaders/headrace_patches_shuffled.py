"""The same with `.shuffle(seed)`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import headrace as hr
from benchmarks import patching
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        workload = data.workload
        cube = patching.labelled(data)
        self.size = workload.batch
        self.patches = hr.patches(cube, sizes=patching.sizes(workload), overlap=patching.overlap(workload))

    def epoch(self, number: int) -> Iterator[Any]:
        for batch in self.patches.shuffle(number).batch(self.size):
            yield batch[patching.NAME]
