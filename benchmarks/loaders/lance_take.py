"""The same files by hand: `lance.dataset(...).take(indices)` of a permutation, a batch at a time, and the Arrow
column's buffer as an array, without torch and without a Python object for each image.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator

import lance
import numpy as np

from benchmarks.loaders.lance_safe import write
from benchmarks.worker import Batch
from benchmarks.workloads import Data

__all__ = ["Loader", "write"]


class Loader:
    def __init__(self, data: Data) -> None:
        folder = data.workload.folder / "lance-take"  # its own: another process may be writing the other
        if not folder.exists():
            write(data, folder)
        self.workload = data.workload
        self.records = lance.dataset(str(folder))

    def epoch(self, number: int) -> Iterator[Batch]:
        order = np.random.default_rng(number).permutation(self.workload.records)
        for start in range(0, self.workload.records, self.workload.batch):
            taken = self.records.take(order[start : start + self.workload.batch]).combine_chunks()
            images = taken["payload"].chunk(0)
            width = images.type.byte_width
            rows = np.frombuffer(images.buffers()[1], np.uint8, width * len(images), width * images.offset)
            yield rows.reshape(-1, *(self.workload.shape or ())), taken["label"].to_numpy()
