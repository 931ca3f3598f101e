"""A `ConcatDataset` of three map-style datasets that return one record of the mapped columns, and
`DataLoader(sampler=WeightedRandomSampler(weights, num_samples))` with a weight for each record, in proportion to its
part's by the part's length; with replacement, which is its default, and with torch's own collation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, WeightedRandomSampler

from benchmarks.drawing import bounds
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Part(Dataset[Any]):
    def __init__(self, data: Data, start: int, stop: int) -> None:
        self.payload, self.labels = data.column("payload")[start:stop], data.column("label")[start:stop]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return self.payload[index], self.labels[index]


def parts(data: Data) -> list[Part]:
    return [Part(data, start, stop) for start, stop in bounds(data.workload)]


class Loader:
    with_replacement = True

    def __init__(self, data: Data) -> None:
        each = parts(data)
        pairs = zip(each, data.workload.weights, strict=True)
        weights = torch.cat(
            [torch.full((len(part),), weight / len(part), dtype=torch.double) for part, weight in pairs]
        )
        sampler = WeightedRandomSampler(weights, data.workload.drawn)  # type: ignore[arg-type]  # takes tensors too
        self.loader: DataLoader[Any] = DataLoader(ConcatDataset(each), batch_size=data.workload.batch, sampler=sampler)

    def epoch(self, number: int) -> Iterator[Batch]:
        torch.manual_seed(number)
        for payload, labels in self.loader:
            yield payload, labels.numpy()
