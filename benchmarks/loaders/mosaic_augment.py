"""A `StreamingDataset(shuffle=True, shuffle_algo="naive")` over MDS shards, whose `__getitem__` applies the function to
what the parent class returns, as its docs do, and `torch.utils.data.DataLoader(num_workers=2,
persistent_workers=True)`.
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-unimported"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, get_worker_info

from benchmarks.augmenting import augment
from benchmarks.loaders.mosaic_mds import StreamingDataset, clean_stale_shared_memory, write
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Augmented(StreamingDataset):
    rng = np.random.default_rng(0)

    def __getitem__(self, at: int) -> Any:
        record = super().__getitem__(at)
        return {"payload": augment(record["payload"], self.rng), "label": record["label"]}


def own_generator(number: int) -> None:
    info = get_worker_info()
    assert info is not None
    Augmented.rng = np.random.default_rng(info.seed)


class Loader:
    def __init__(self, data: Data) -> None:
        folder = data.workload.folder / "mds"
        if not (folder / "index.json").exists():
            write(data, folder)
        clean_stale_shared_memory()
        dataset = Augmented(local=str(folder), shuffle=True, shuffle_algo="naive", batch_size=data.workload.batch)
        self.loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_size=data.workload.batch,
            num_workers=2,
            persistent_workers=True,
            worker_init_fn=own_generator,
        )

    def epoch(self, number: int) -> Iterator[Batch]:
        for batch in self.loader:
            yield batch["payload"], batch["label"].numpy()
