"""Three Datasets, each shuffled: `hr.mix([part.shuffle(seed) ...], weights).batch(n).stream()`. One thread."""

from __future__ import annotations

from collections.abc import Iterator

import headrace as hr
from benchmarks.loaders import headrace_mix
from benchmarks.worker import Batch


class Loader(headrace_mix.Loader):
    def epoch(self, number: int) -> Iterator[Batch]:
        parts = [part.shuffle(seed=number) for part in self.parts]
        for batch in hr.mix(parts, weights=self.workload.weights).batch(self.workload.batch).stream():
            yield batch["payload"], batch["label"]
