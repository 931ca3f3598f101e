"""Tar shards, as in the workload *table*: `DataPipeline(RandomMix([WebDataset(shards).decode().map(...) ...], weights),
batched(n))`.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import webdataset as wds

from benchmarks.drawing import bounds
from benchmarks.loaders.wds_tar import record, write
from benchmarks.worker import Batch
from benchmarks.workloads import Data


def shards(data: Data, folder: Path) -> list[list[str]]:
    """Return the shards of each part."""
    each = sorted(map(str, folder.glob("*.tar")))
    size = data.workload.records // len(each)
    return [each[start // size : stop // size] for start, stop in bounds(data.workload)]


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        folder = data.workload.folder / "wds"
        if not (folder / "done").exists():
            write(data, folder)
        self.shards = shards(data, folder)

    def epoch(self, number: int) -> Iterator[Batch]:
        random.seed(number)
        parts = [wds.WebDataset(each, shardshuffle=False).decode().map(record) for each in self.shards]
        mixed = wds.RandomMix(parts, list(self.workload.weights))
        return iter(wds.DataPipeline(mixed, wds.batched(self.workload.batch)))
