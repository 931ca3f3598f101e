"""Written by `lance.write_dataset` with each image as bytes, read by `SafeLanceDataset`, its dataset for random access,
in `torch.utils.data.DataLoader(shuffle=True, num_workers=0)`, whose collation turns the bytes into arrays. A column of
fixed-size lists would come as lists of Python numbers this way.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import torch
from lance.torch.data import SafeLanceDataset

from benchmarks.worker import Batch
from benchmarks.workloads import Data


def table(data: Data) -> pa.Table:
    """Return the columns as Arrow's, nothing copied: images as bytes of one length."""
    size = math.prod(data.workload.shape or ())
    content = pa.py_buffer(np.ascontiguousarray(data.column("payload")))
    images = pa.Array.from_buffers(pa.binary(size), data.workload.records, [None, content])
    return pa.table({"payload": images, "label": data.column("label")})


def write(data: Data, folder: Path) -> None:
    lance.write_dataset(table(data), str(folder))


class Collation:
    """Stacks images of one shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __call__(self, records: list[dict[str, Any]]) -> Batch:
        rows = [np.frombuffer(record["payload"], np.uint8).reshape(self.shape) for record in records]
        return np.stack(rows), np.array([record["label"] for record in records])


class Loader:
    def __init__(self, data: Data) -> None:
        folder = data.workload.folder / "lance"
        if not folder.exists():
            write(data, folder)
        self.loader = torch.utils.data.DataLoader(
            SafeLanceDataset(str(folder)),
            batch_size=data.workload.batch,
            shuffle=True,
            collate_fn=Collation(data.workload.shape or ()),
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        torch.manual_seed(number)
        return iter(self.loader)
