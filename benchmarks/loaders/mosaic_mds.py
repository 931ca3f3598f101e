"""MDS shards on local disk, written with `ndarray` columns, read by `StreamingDataset(shuffle=True)` and
`StreamingDataLoader(num_workers=0)`; `shuffle_algo="naive"`, its one algorithm that shuffles globally, meant by its
docs for one node. Ragged sequences with `pad_sequence`. It reads ahead in threads of its own.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from benchmarks.loaders.torch_records import Dense, Sequences
from benchmarks.worker import Batch
from benchmarks.workloads import Data

if torch.version.cuda is None and "+" not in importlib.metadata.version("torchvision"):
    # streaming imports torchvision for datasets that are not measured here; a torchvision built for CUDA beside a torch
    # that is not cannot load its operators, and stops at two of them unless somebody has declared them
    for operator in ("nms", "qnms"):
        torch.library.define(f"torchvision::{operator}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")

from streaming import MDSWriter, StreamingDataLoader, StreamingDataset
from streaming.base.util import clean_stale_shared_memory

__all__ = ["Loader", "StreamingDataset", "clean_stale_shared_memory", "write"]


def write(data: Data, folder: Path) -> None:
    """Write the shards; their index is written last."""
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped in the middle
    workload = data.workload
    if workload.shape is None:
        kind = "ndarray:int32"
    else:
        kind = f"ndarray:{workload.dtype}:" + ",".join(map(str, workload.shape))
    with MDSWriter(out=str(folder), columns={"payload": kind, "label": "int64"}) as writer:
        if workload.ragged:
            for sequence, label in map(Sequences(data).__getitem__, range(workload.records)):
                writer.write({"payload": sequence.numpy(), "label": label})
        else:
            for row, label in map(Dense(data).__getitem__, range(workload.records)):
                writer.write({"payload": row, "label": label})


def collate_padded(records: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    sequences = [torch.from_numpy(record["payload"]) for record in records]
    labels = torch.tensor([record["label"] for record in records])
    return {"payload": pad_sequence(sequences, batch_first=True), "label": labels}


class Loader:
    def __init__(self, data: Data) -> None:
        folder = data.workload.folder / "mds"
        if not (folder / "index.json").exists():
            write(data, folder)
        clean_stale_shared_memory()
        dataset = StreamingDataset(
            local=str(folder), shuffle=True, shuffle_algo="naive", batch_size=data.workload.batch
        )
        self.loader = StreamingDataLoader(
            dataset,
            batch_size=data.workload.batch,
            collate_fn=collate_padded if data.workload.ragged else None,
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        for batch in self.loader:
            yield batch["payload"], batch["label"].numpy()
