"""`BatchGenerator(..., batch_dims=..., concat_input_dims=True)`: batches of 16 patches, stacked, of the region that
`batch_dims` names, and `batch[name].values`. Each epoch goes through a tenth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import patching
from benchmarks.loaders.xbatcher_patches import generator
from benchmarks.workloads import Data


class Loader:
    ordered = True
    share = 0.1

    def __init__(self, data: Data) -> None:
        self.data, self.dataset = data, patching.labelled(data)
        patches = patching.sizes(data.workload)
        _, lat, lon = data.workload.cube
        self.region = {"time": patches["time"], "lat": lat, "lon": lon}  # 1 x 4 x 4 patches

    def epoch(self, number: int) -> Iterator[Any]:
        for batch in generator(self.dataset, self.data, batch_dims=self.region, concat_input_dims=True):
            yield batch[patching.NAME].values
