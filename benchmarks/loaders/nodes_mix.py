"""torchdata's nodes: `MultiNodeWeightedSampler` over an `IterableWrapper` of each part (the fastest of its wrappers
here), which ends with the first part that does; then `Batcher`, `Mapper(default_collate)` and `Loader`. A
`ParallelMapper` with threads was slower.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torchdata.nodes as tn
from torch.utils.data import default_collate

from benchmarks.loaders.torch_mix import parts
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        self.parts = parts(data)

    def epoch(self, number: int) -> Iterator[Batch]:
        names = [str(part) for part in range(len(self.parts))]
        sources = {name: tn.IterableWrapper(part) for name, part in zip(names, self.parts, strict=True)}
        weights = dict(zip(names, self.workload.weights, strict=True))
        stop = tn.StopCriteria.FIRST_DATASET_EXHAUSTED
        node: Any = tn.MultiNodeWeightedSampler(sources, weights, stop_criteria=stop, seed=number)
        node = tn.Mapper(tn.Batcher(node, batch_size=self.workload.batch), default_collate)
        for payload, labels in tn.Loader(node):
            yield payload, labels.numpy()
