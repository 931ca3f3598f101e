"""In order, of what `xr.open_zarr(path)` opens by itself: arrays of dask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.loaders.headrace_zarr import batches, patches
from benchmarks.workloads import Data


class Loader:
    ordered = True

    def __init__(self, data: Data) -> None:
        self.data = data

    def epoch(self, number: int) -> Iterator[Any]:
        return batches(patches(self.data, chunks={}), self.data)
