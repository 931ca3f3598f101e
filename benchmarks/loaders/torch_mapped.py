"""A dataset for torch's workers that maps the files in each of them: pickled it is a few bytes."""

from __future__ import annotations

from typing import Any

from torch.utils.data import Dataset

from benchmarks.workloads import Data


class Mapped(Dataset[Any]):
    def __init__(self, data: Data) -> None:
        self.data = data
        self.columns: Any = None

    def __len__(self) -> int:
        return self.data.workload.records

    def __getitem__(self, index: int) -> Any:
        if self.columns is None:
            self.columns = self.data.column("payload"), self.data.column("label")
        payload, labels = self.columns
        return payload[index], labels[index]
