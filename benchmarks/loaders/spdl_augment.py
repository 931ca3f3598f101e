"""SPDL's own DataLoader for map-style datasets, `get_pytorch_dataloader(dataset, batch_size, shuffle=True,
num_workers=2, in_order=True)`; its pipelines, in threads (*MT*), in a subprocess (*MTP*) or with a pool of processes
(*MP*), were half as fast here, since the function holds the interpreter's lock and batches are pickled. The dataset
maps the files in each worker.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from spdl.dataloader import get_pytorch_dataloader

from benchmarks.augmenting import augment
from benchmarks.loaders.torch_mapped import Mapped
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Augmented(Mapped):
    rng: Any = None

    def __getitem__(self, index: int) -> Any:
        if self.rng is None:
            self.rng = np.random.default_rng(os.getpid())
        image, label = super().__getitem__(index)
        return augment(image, self.rng), label


class Loader:
    def __init__(self, data: Data) -> None:
        self.loader = get_pytorch_dataloader(
            Augmented(data), batch_size=data.workload.batch, shuffle=True, num_workers=2, in_order=True
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        torch.manual_seed(number)
        for payload, labels in self.loader:
            yield payload, labels.numpy()
