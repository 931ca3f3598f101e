"""A map-style dataset that returns one record of the mapped columns, `DataLoader(shuffle=True, num_workers=0)` with its
own collation; ragged sequences with `torch.nn.utils.rnn.pad_sequence`, as its docs say. Of a NumPy dataset and a
`TensorDataset` the faster was taken: NumPy for dense records, tensors for ragged ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Dense(Dataset[Any]):
    def __init__(self, data: Data) -> None:
        self.payload, self.labels = data.column("payload"), data.column("label")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return self.payload[index], self.labels[index]


class Sequences(Dataset[Any]):
    def __init__(self, data: Data) -> None:
        self.values = torch.from_numpy(data.column("values"))
        self.offsets, self.labels = data.column("offsets").tolist(), data.column("label").tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return self.values[self.offsets[index] : self.offsets[index + 1]], self.labels[index]


def collate_padded(records: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    sequences, labels = zip(*records, strict=True)
    return pad_sequence(list(sequences), batch_first=True), torch.tensor(labels)


class Loader:
    def __init__(self, data: Data) -> None:
        ragged = data.workload.ragged
        self.loader = DataLoader(
            Sequences(data) if ragged else Dense(data),
            batch_size=data.workload.batch,
            shuffle=True,
            collate_fn=collate_padded if ragged else None,
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        torch.manual_seed(number)
        for payload, labels in self.loader:
            yield payload, labels.numpy()
