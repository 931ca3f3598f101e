"""What one would write without any library: `default_rng(seed).permutation`, then `numpy.take` for each batch from the
mapped `.npy` files; ragged sequences are copied row by row into `numpy.zeros` of the batch's longest. Its writing is a
raw `write` and `fsync` of the columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.storing import write_raw
from benchmarks.worker import Batch
from benchmarks.workloads import Data


def pad_rows(values: NDArray[Any], offsets: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[Any]:
    """Return the sequences of some records as rows, padded with 0 to the longest of them."""
    starts, stops = offsets[index], offsets[index + 1]
    rows = np.zeros((len(index), int((stops - starts).max())), values.dtype)
    for row, start, stop in zip(rows, starts.tolist(), stops.tolist(), strict=True):
        row[: stop - start] = values[start:stop]
    return rows


def write(data: Data, folder: Path) -> None:
    folder.mkdir()
    write_raw({name: data.column(name) for name in ("payload", "label")}, folder)


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        self.labels = data.column("label")
        if data.workload.ragged:
            self.values, self.offsets = data.column("values"), data.column("offsets")
        else:
            self.payload = data.column("payload")

    def epoch(self, number: int) -> Iterator[Batch]:
        order = np.random.default_rng(number).permutation(self.workload.records)
        for start in range(0, self.workload.records, self.workload.batch):
            index = order[start : start + self.workload.batch]
            if self.workload.ragged:
                rows = pad_rows(self.values, self.offsets, index)
            else:
                rows = np.take(self.payload, index, axis=0)
            yield rows, np.take(self.labels, index)
