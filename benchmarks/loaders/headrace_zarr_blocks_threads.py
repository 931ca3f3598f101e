"""Shuffled by blocks, with two threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import headrace as hr
from benchmarks import patching
from benchmarks.loaders.headrace_zarr import batches, patches
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.data = data

    def epoch(self, number: int) -> Iterator[Any]:
        return batches(patches(self.data).block_shuffle(patching.MEMORY, number), self.data, hr.Threads(2))
