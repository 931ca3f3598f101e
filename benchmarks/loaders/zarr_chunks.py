"""What one would write with zarr-python alone: `array[...]` for one chunk after the other, each once, and a copy that
lays its patches one after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from benchmarks import patching
from benchmarks.workloads import Data


def cut(block: NDArray[Any], data: Data) -> NDArray[Any]:
    """Return the patches of a chunk, one after another: a copy."""
    time, lat, lon = data.workload.shape or ()
    grid = block.reshape(block.shape[0] // time, time, block.shape[1] // lat, lat, block.shape[2] // lon, lon)
    return np.ascontiguousarray(grid.transpose(0, 2, 4, 1, 3, 5)).reshape(-1, time, lat, lon)


def chunks(data: Data) -> list[tuple[slice, ...]]:
    """Return where each chunk lies."""
    edges = [range(0, length, size) for length, size in zip(data.workload.cube, patching.CHUNKS, strict=True)]
    return [
        tuple(slice(at, at + size) for at, size in zip(place, patching.CHUNKS, strict=True))
        for place in product(*edges)
    ]


class Loader:
    ordered = True

    def __init__(self, data: Data) -> None:
        self.data = data

    def epoch(self, number: int) -> Iterator[Any]:
        array = zarr.open_array(patching.zarr_folder(self.data) / patching.NAME, mode="r")
        for chunk in chunks(self.data):
            yield cut(np.asarray(array[chunk]), self.data)
