"""An `IterableDataset` that yields whole batches as tensors, `DataLoader(batch_size=None, num_workers=1)`: its worker
moves each into shared memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from benchmarks.carrying import Producer
from benchmarks.workloads import Data


class Batches(IterableDataset[Any]):
    def __init__(self, data: Data) -> None:
        self.producer = Producer(data)

    def __iter__(self) -> Iterator[Any]:
        return map(torch.from_numpy, self.producer())


class Loader:
    def __init__(self, data: Data) -> None:
        self.loader: DataLoader[Any] = DataLoader(Batches(data), batch_size=None, num_workers=1)

    def epoch(self, number: int) -> Iterator[Any]:
        return iter(self.loader)
