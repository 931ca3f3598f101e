"""`hr.Dataset(tokens=hr.Ragged(...)).stream().pack(2048, "tokens", strategy="best_fit", open_bins=64).batch(16)`: each
sequence goes into the fullest open bin that has room. One thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import headrace as hr
from benchmarks.packing import OPEN_BINS, Bins
from benchmarks.workloads import Data


class Loader:
    strategy: Literal["best_fit", "first_fit", "concat_split"] = "best_fit"

    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        self.sequences = hr.Dataset(tokens=hr.Ragged(data.column("values"), data.column("offsets")))

    def epoch(self, number: int) -> Iterator[Bins]:
        bins = self.sequences.stream().pack(self.workload.packed, "tokens", strategy=self.strategy, open_bins=OPEN_BINS)
        for batch in bins.batch(self.workload.batch):
            yield batch["tokens"], batch["tokens_segment_ids"], batch["tokens_positions"]
