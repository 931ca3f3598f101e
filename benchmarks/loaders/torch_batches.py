"""The same `DataLoader(shuffle=True, num_workers=0)`, whose dataset has a `__getitems__` that gathers the whole batch
from the NumPy columns (`numpy.take`; ragged: the plain loop's row copies), written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.loaders.numpy_loop import pad_rows
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Columns(Dataset[Any]):
    def __init__(self, data: Data) -> None:
        self.labels = data.column("label")
        self.ragged = data.workload.ragged
        if self.ragged:
            self.values, self.offsets = data.column("values"), data.column("offsets")
        else:
            self.payload = data.column("payload")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, indices: list[int]) -> Any:
        index = np.array(indices)
        rows = pad_rows(self.values, self.offsets, index) if self.ragged else np.take(self.payload, index, axis=0)
        return torch.from_numpy(rows), torch.from_numpy(np.take(self.labels, index))


def as_it_is(batch: Any) -> Any:
    return batch


class Loader:
    def __init__(self, data: Data) -> None:
        self.loader = DataLoader(Columns(data), batch_size=data.workload.batch, shuffle=True, collate_fn=as_it_is)

    def epoch(self, number: int) -> Iterator[Batch]:
        torch.manual_seed(number)
        for payload, labels in self.loader:
            yield payload, labels.numpy()
