"""The same, whose generator fills tensors that lie in shared memory from the start (`share_memory_()`), by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset

from benchmarks.carrying import Producer
from benchmarks.workloads import Data


class Batches(IterableDataset[Any]):
    def __init__(self, data: Data) -> None:
        self.latest: Any = None
        self.producer = Producer(data, self.shared)

    def shared(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        latest: Any = torch.empty(shape, dtype=torch.uint8)
        self.latest = latest.share_memory_()
        array: NDArray[np.uint8] = self.latest.numpy()
        return array

    def __iter__(self) -> Iterator[Any]:
        for _ in self.producer():
            yield self.latest


class Loader:
    def __init__(self, data: Data) -> None:
        self.loader: DataLoader[Any] = DataLoader(Batches(data), batch_size=None, num_workers=1)

    def epoch(self, number: int) -> Iterator[Any]:
        return iter(self.loader)
