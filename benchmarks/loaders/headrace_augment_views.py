"""The same with `stream(workers=2, copy=False)`: batches are views of memory that the processes share, so that nothing
is copied between a worker and its consumer.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.loaders import headrace_augment
from benchmarks.worker import Batch


class Loader(headrace_augment.Loader):
    def epoch(self, number: int) -> Iterator[Batch]:
        records = self.records.shuffle(seed=number).map(headrace_augment.augment_record, seed=0)
        return iter(records.batch(self.size).stream(workers=2, copy=False))
