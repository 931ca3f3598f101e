"""A map-style dataset whose `__getitem__` applies the function to one record of the mapped columns, with a generator
that `worker_init_fn` makes, and `DataLoader(shuffle=True, num_workers=2, persistent_workers=True)` with its own
collation; the workers run before the clock starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from benchmarks.augmenting import augment
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Augmented(Dataset[Any]):
    def __init__(self, data: Data) -> None:
        self.payload, self.labels = data.column("payload"), data.column("label")
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return augment(self.payload[index], self.rng), self.labels[index]


def own_generator(number: int) -> None:
    """Give each worker its own random numbers."""
    info = get_worker_info()
    assert info is not None
    info.dataset.rng = np.random.default_rng(info.seed)  # type: ignore[attr-defined]


class Loader:
    def __init__(self, data: Data) -> None:
        self.loader = DataLoader(
            Augmented(data),
            batch_size=data.workload.batch,
            shuffle=True,
            num_workers=2,
            persistent_workers=True,
            worker_init_fn=own_generator,
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        torch.manual_seed(number)
        for payload, labels in self.loader:
            yield payload, labels.numpy()
