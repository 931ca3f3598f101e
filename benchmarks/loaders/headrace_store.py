"""From a store on disk: `store.fetch(...).shuffle(seed).batch(n).stream()`, ragged sequences with `pad=0`. One thread.
Every epoch has a seed of its own, so that no permutation is at hand from before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import headrace as hr
from benchmarks.worker import Batch
from benchmarks.workloads import Data

VERSION = "1.0"


def fetch(data: Data) -> hr.Dataset:
    """Return the workload's records from a store, which is written if they are not in it yet."""
    name = data.workload.folder.name
    store = hr.Store(data.workload.folder / "headrace")
    if name not in store.ids():
        with contextlib.suppress(hr.ExistsError):  # another loader's process was quicker
            store.submit(hr.Dataset(payload=payload(data), label=data.column("label")), name, VERSION)
    return store.fetch(name, VERSION)


def write(data: Data, folder: Path) -> None:
    hr.Store(folder).submit(hr.Dataset(payload=payload(data), label=data.column("label")), "records", VERSION)


def payload(data: Data) -> NDArray[Any] | hr.Ragged:
    if data.workload.ragged:
        return hr.Ragged(data.column("values"), data.column("offsets"))
    return data.column("payload")


def batches(records: hr.Dataset, data: Data, seed: int) -> hr.Dataset:
    """Return the workload's chain up to its batches."""
    return records.shuffle(seed=seed).batch(data.workload.batch, pad=0 if data.workload.ragged else None)


class Loader:
    def __init__(self, data: Data) -> None:
        self.data = data
        self.records = fetch(data)

    def epoch(self, number: int) -> Iterator[Batch]:
        for batch in batches(self.records, self.data, number).stream():
            yield batch["payload"], batch["label"]
