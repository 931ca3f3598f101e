"""What one would write without any library: a loop that copies slices of the cube into `numpy.empty` of a batch, in
order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import patching
from benchmarks.workloads import Data


def batches(whole: NDArray[Any], places: list[tuple[int, ...]], data: Data) -> Iterator[NDArray[Any]]:
    """Copy the patches that begin at some places, batch by batch."""
    time, lat, lon = data.workload.shape or ()
    for start in range(0, len(places), data.workload.batch):
        part = places[start : start + data.workload.batch]
        rows = np.empty((len(part), time, lat, lon), whole.dtype)
        for row, (t, y, x) in enumerate(part):
            rows[row] = whole[t : t + time, y : y + lat, x : x + lon]
        yield rows


class Loader:
    ordered = True

    def __init__(self, data: Data) -> None:
        self.data, self.cube = data, patching.cube(data)

    def epoch(self, number: int) -> Iterator[Any]:
        return batches(self.cube, patching.corners(self.data.workload), self.data)
