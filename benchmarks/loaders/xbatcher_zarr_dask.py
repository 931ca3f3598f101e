"""`BatchGenerator(xr.open_zarr(path), ...)`, whose arrays are those of dask, in order. A tenth of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import patching
from benchmarks.loaders.xbatcher_patches import generator, ordered
from benchmarks.workloads import Data


class Loader:
    ordered = True
    share = 0.1

    def __init__(self, data: Data) -> None:
        self.patches = generator(patching.opened(data), data)

    def epoch(self, number: int) -> Iterator[Any]:
        return ordered(self.patches)
