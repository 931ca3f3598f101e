"""`BestFitPackIterDataset(source, length_struct={"tokens": 2048}, num_packing_bins=64).batch(16)` over a random-access
source that returns one sequence, with `ReadOptions(num_threads=0)`, which was six times as fast as the default.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import grain
import grain.experimental

from benchmarks.packing import OPEN_BINS, Bins
from benchmarks.workloads import Data


class Sequences:
    def __init__(self, data: Data) -> None:
        self.values, self.offsets = data.column("values"), data.column("offsets").tolist()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Any:
        return {"tokens": self.values[self.offsets[index] : self.offsets[index + 1]]}


class Loader:
    packer = grain.experimental.BestFitPackIterDataset
    bins: Mapping[str, int] = MappingProxyType({"num_packing_bins": OPEN_BINS})

    def __init__(self, data: Data) -> None:
        options = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
        source = grain.MapDataset.source(Sequences(data)).to_iter_dataset(options)
        packed = self.packer(source, length_struct={"tokens": data.workload.packed}, **self.bins)
        self.batches = packed.batch(data.workload.batch)

    def epoch(self, number: int) -> Iterator[Bins]:
        for batch in self.batches:
            yield batch["tokens"], batch["tokens_segment_ids"], batch["tokens_positions"]
