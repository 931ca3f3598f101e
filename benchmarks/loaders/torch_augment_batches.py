"""The same `DataLoader(num_workers=2, persistent_workers=True)`, whose dataset has a `__getitems__` that gathers the
whole batch from the NumPy columns and applies the function written for columns, by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.augmenting import SIDE, augment_columns
from benchmarks.loaders.torch_augment import Augmented, own_generator
from benchmarks.loaders.torch_batches import as_it_is
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Columns(Augmented):
    def __getitems__(self, indices: list[int]) -> Any:
        images = np.take(self.payload, indices, axis=0)
        starts = self.rng.integers(0, images.shape[1] - SIDE + 1, (len(images), 2))
        made = augment_columns(images, starts, self.rng.random(len(images)) < 0.5)
        return torch.from_numpy(made), torch.from_numpy(np.take(self.labels, indices))


class Loader:
    def __init__(self, data: Data) -> None:
        self.loader = DataLoader(
            Columns(data),
            batch_size=data.workload.batch,
            shuffle=True,
            num_workers=2,
            persistent_workers=True,
            worker_init_fn=own_generator,
            collate_fn=as_it_is,
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        torch.manual_seed(number)
        for payload, labels in self.loader:
            yield payload, labels.numpy()
