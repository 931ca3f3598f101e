"""The saved dataset with `with_format("numpy")`, in `torch.utils.data.DataLoader(shuffle=True, num_workers=2,
persistent_workers=True)`, as its docs say for PyTorch; the function is applied to each record by the collation, in the
workers.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info

from benchmarks.augmenting import augment
from benchmarks.loaders.hf_numpy import open_saved
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Collate:
    rng = np.random.default_rng(0)

    def __call__(self, records: list[dict[str, Any]]) -> Any:
        rows = np.stack([augment(record["payload"], self.rng) for record in records])
        return torch.from_numpy(rows), torch.tensor([int(record["label"]) for record in records])


def own_generator(number: int) -> None:
    info = get_worker_info()
    assert info is not None
    Collate.rng = np.random.default_rng(info.seed)


class Loader:
    def __init__(self, data: Data) -> None:
        self.loader: DataLoader[Any] = DataLoader(
            open_saved(data).with_format("numpy", dtype=None),
            batch_size=data.workload.batch,
            shuffle=True,
            num_workers=2,
            persistent_workers=True,
            worker_init_fn=own_generator,
            collate_fn=Collate(),
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        torch.manual_seed(number)
        for payload, labels in self.loader:
            yield payload, labels.numpy()
