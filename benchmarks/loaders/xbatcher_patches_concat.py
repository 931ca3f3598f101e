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
        sizes = patching.sizes(data.workload)
        _, lat, lon = data.workload.cube
        region = {"time": sizes["time"], "lat": lat, "lon": lon}  # 1 x 4 x 4 patches
        dataset = patching.labelled(data)
        self.patches = generator(dataset, data, batch_dims=region, concat_input_dims=True)

    def epoch(self, number: int) -> Iterator[Any]:
        for batch in self.patches:
            yield batch[patching.NAME].values
