"""torchdata's nodes as its guide puts a DataLoader together: `SamplerWrapper(RandomSampler)`, `Batcher`,
`ParallelMapper(map_and_collate, num_workers=2, method="process")`, `Prefetcher`, `Loader`. Its workers are started with
each epoch (the library cannot keep them).
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torchdata.nodes as tn
from torch.utils.data import RandomSampler, default_collate

from benchmarks.augmenting import augment
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class MapAndCollate:
    def __init__(self, data: Data) -> None:
        self.payload, self.labels = data.column("payload"), data.column("label")
        self.rngs: dict[int, np.random.Generator] = {}

    def __call__(self, indices: list[int]) -> Any:
        rng = self.rngs.setdefault(os.getpid(), np.random.default_rng(os.getpid()))
        return default_collate([(augment(self.payload[index], rng), self.labels[index]) for index in indices])


class Loader:
    def __init__(self, data: Data) -> None:
        node: Any = tn.SamplerWrapper(RandomSampler(range(data.workload.records)))
        node = tn.Batcher(node, batch_size=data.workload.batch, drop_last=False)
        node = tn.ParallelMapper(node, map_fn=MapAndCollate(data), num_workers=2, method="process", in_order=True)
        self.loader = tn.Loader(tn.Prefetcher(node, prefetch_factor=4))

    def epoch(self, number: int) -> Iterator[Batch]:
        torch.manual_seed(number)
        for payload, labels in self.loader:
            yield payload, labels.numpy()
