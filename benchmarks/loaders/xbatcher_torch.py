"""`DataLoader(MapDataset(BatchGenerator(...)), batch_size=16, shuffle=True, num_workers=2, persistent_workers=True)` of
a DataArray in Zarr, opened without dask, which is faster here. An epoch is one pass.
"""

# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader
from xbatcher.loaders.torch import MapDataset

from benchmarks import patching
from benchmarks.loaders.xbatcher_patches import generator
from benchmarks.workloads import Data


class Loader:
    share = 0.2  # one of five passes

    def __init__(self, data: Data) -> None:
        made = generator(patching.opened(data, chunks=None)[patching.NAME], data)
        self.loader = DataLoader(
            MapDataset(made), batch_size=data.workload.batch, shuffle=True, num_workers=2, persistent_workers=True
        )

    def epoch(self, number: int) -> Iterator[Any]:
        torch.manual_seed(number)
        return iter(self.loader)
