"""The same chain with two threads: `.stream(workers=hr.Threads(2))`."""

from __future__ import annotations

from collections.abc import Iterator

import headrace as hr
from benchmarks.loaders.headrace_store import batches, fetch
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.data = data
        self.records = fetch(data)

    def epoch(self, number: int) -> Iterator[Batch]:
        for batch in batches(self.records, self.data, number).stream(workers=hr.Threads(2)):
            yield batch["payload"], batch["label"]
