"""From a store on disk: `store.fetch(...).shuffle(seed).map(function, seed=0).batch(n).stream(workers=2)`. Every record
has a generator of its own, so that the bytes are the same for any number of workers. Its workers are started with each
epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.augmenting import augment
from benchmarks.loaders.headrace_store import fetch
from benchmarks.worker import Batch
from benchmarks.workloads import Data


def augment_record(record: Any, rng: np.random.Generator) -> Any:
    return augment(record["payload"], rng), record["label"]


class Loader:
    def __init__(self, data: Data) -> None:
        self.size = data.workload.batch
        self.records = fetch(data)

    def epoch(self, number: int) -> Iterator[Batch]:
        records = self.records.shuffle(seed=number).map(augment_record, seed=0)
        return iter(records.batch(self.size).stream(workers=2))
