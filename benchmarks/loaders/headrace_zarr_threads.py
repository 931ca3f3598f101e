"""The same with two threads: `.stream(workers=hr.Threads(2))`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import headrace as hr
from benchmarks.loaders.headrace_zarr import batches, patches
from benchmarks.workloads import Data


class Loader:
    ordered = True

    def __init__(self, data: Data) -> None:
        self.data = data

    def epoch(self, number: int) -> Iterator[Any]:
        return batches(patches(self.data), self.data, hr.Threads(2))
