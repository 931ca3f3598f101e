"""Saved by `save_to_disk` (images as `Array3D`, rows as fixed-size lists), read by
`load_from_disk(...).with_format("numpy").shuffle(seed).iter(batch_size)`, with `dtype=None`, so that uint8 is not
widened to int64. Without `flatten_indices`, which would rewrite the data in each epoch's order: with it an epoch took
twice as long and more. Ragged sequences come as a list of arrays and are copied into a padded one.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.worker import Batch
from benchmarks.workloads import Data

datasets.disable_progress_bars()


def open_saved(data: Data) -> Any:
    """Return the dataset, mapped from its Arrow files, which are written if they are not there yet."""
    folder = data.workload.folder / "hf"
    if not (folder / "state.json").exists():  # which save_to_disk writes last
        write(data, folder)
    return datasets.load_from_disk(folder)


def write(data: Data, folder: Path) -> None:
    make(data).save_to_disk(folder)


def make(data: Data) -> Any:
    labels = data.column("label")
    if data.workload.ragged:
        sequences = pa.ListArray.from_arrays(data.column("offsets").astype(np.int32), data.column("values"))
        return datasets.Dataset(pa.table({"payload": sequences, "label": labels}))
    if data.workload.shape is not None and len(data.workload.shape) == 3:
        kind: Any = datasets.Array3D(data.workload.shape, data.workload.dtype)
    else:
        assert data.workload.shape is not None
        kind = datasets.List(datasets.Value(data.workload.dtype), length=data.workload.shape[0])
    features = datasets.Features({"payload": kind, "label": datasets.Value("int64")})
    return datasets.Dataset.from_dict({"payload": data.column("payload"), "label": labels}, features=features)


def pad(sequences: list[NDArray[Any]]) -> NDArray[Any]:
    rows = np.zeros((len(sequences), max(map(len, sequences))), np.int32)
    for row, sequence in zip(rows, sequences, strict=True):
        row[: len(sequence)] = sequence
    return rows


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        self.records = open_saved(data).with_format("numpy", dtype=None)

    def epoch(self, number: int) -> Iterator[Batch]:
        for batch in self.records.shuffle(seed=number).iter(self.workload.batch):
            yield pad(batch["payload"]) if self.workload.ragged else batch["payload"], batch["label"]
