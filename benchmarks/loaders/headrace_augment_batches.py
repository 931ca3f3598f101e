"""The same with the function written for columns: `.map_batches(function, seed=0)`, whose generator draws for all rows
of a batch at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import headrace as hr
from benchmarks.augmenting import SIDE, augment_columns
from benchmarks.loaders.headrace_store import fetch
from benchmarks.worker import Batch
from benchmarks.workloads import Data


def augment_batch(batch: hr.Batch, rng: hr.RowGenerator) -> Any:
    images = batch["payload"]
    starts = rng.integers(0, images.shape[1] - SIDE + 1, 2)
    return augment_columns(images, starts, rng.random() < 0.5), batch["label"]


class Loader:
    def __init__(self, data: Data) -> None:
        self.size = data.workload.batch
        self.records = fetch(data)

    def epoch(self, number: int) -> Iterator[Batch]:
        records = self.records.shuffle(seed=number).map_batches(augment_batch, seed=0)
        return iter(records.batch(self.size).stream(workers=2))
