"""Tar shards written by `ShardWriter`, one member a record in its own `ten` format (twice as fast as `npy` and `cls`),
read by `WebDataset(shards, shardshuffle=...).shuffle(10_000).decode().map(...).batched(n)`. WebDataset cannot shuffle
globally: shards in random order and this buffer, ten times the one in its docs, are what it has. Ragged sequences are
padded by the collation function.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import webdataset as wds
from numpy.typing import NDArray

from benchmarks.loaders.hf_numpy import pad
from benchmarks.worker import Batch
from benchmarks.workloads import Data

BUFFER = 10_000


def write(data: Data, folder: Path) -> None:
    """Write the shards; a file that says so is written last."""
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped in the middle
    folder.mkdir()
    workload = data.workload
    if workload.ragged:
        rows: Any = np.split(data.column("values"), data.column("offsets")[1:-1])
    else:
        rows = data.column("payload")
    shard = max(1, workload.records // 50)
    with wds.ShardWriter(f"{folder}/%05d.tar", maxcount=shard, verbose=0, mtime=0) as sink:
        for label, row in enumerate(rows):
            sink.write({"__key__": f"{label:08d}", "ten": [row, np.array([label], np.int32)]})
    (folder / "done").touch()


def record(sample: dict[str, Any]) -> tuple[NDArray[Any], int]:
    row, label = sample["ten"]
    return row, int(label[0])


def collate_padded(samples: list[Any]) -> tuple[Any, Any]:
    sequences, labels = zip(*samples, strict=True)
    return pad(list(sequences)), np.array(labels)


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        folder = data.workload.folder / "wds"
        if not (folder / "done").exists():
            write(data, folder)
        self.shards = sorted(map(str, folder.glob("*.tar")))

    def epoch(self, number: int) -> Iterator[Batch]:
        collate = {"collation_fn": collate_padded} if self.workload.ragged else {}
        return iter(
            wds.WebDataset(self.shards, shardshuffle=len(self.shards), seed=number)
            .shuffle(BUFFER, initial=BUFFER)
            .decode()
            .map(record)
            .batched(self.workload.batch, **collate)
        )
