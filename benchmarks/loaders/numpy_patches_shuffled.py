"""The same loop in the order of `default_rng(seed).permutation`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import patching
from benchmarks.loaders.numpy_patches import batches
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.data, self.cube = data, patching.cube(data)

    def epoch(self, number: int) -> Iterator[Any]:
        places = patching.corners(self.data.workload)
        order = np.random.default_rng(number).permutation(len(places)).tolist()
        return batches(self.cube, [places[at] for at in order], self.data)
