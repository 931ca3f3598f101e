"""Shuffled by blocks, with the codec pipeline of `zarrs`, which zarr takes by its own configuration. One thread of
ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import zarr

from benchmarks import patching
from benchmarks.loaders.headrace_zarr import batches, patches
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        import zarrs  # noqa: F401  (it tells zarr of itself)

        self.data = data
        zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})

    def epoch(self, number: int) -> Iterator[Any]:
        return batches(patches(self.data).block_shuffle(patching.MEMORY, number), self.data)
