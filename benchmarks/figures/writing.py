"""Write the records into a store, against a raw ``write`` and ``fsync`` of the same bytes; and the store's size."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import headrace as hr
from benchmarks.storing import write_raw
from benchmarks.workloads import Data, chosen

ROUNDS = 3


def write_store(columns: dict[str, NDArray[Any]], folder: Path) -> None:
    payload = columns["payload"] if "payload" in columns else hr.Ragged(columns["values"], columns["offsets"])
    hr.Store(folder).submit(hr.Dataset(payload=payload, label=columns["label"]), "records", "1.0")


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def timed(write: Callable[[dict[str, NDArray[Any]], Path], None], columns: dict[str, NDArray[Any]], at: Path) -> Any:
    """Return seconds and bytes on disk of one writing, into a folder that is removed again."""
    folder = Path(tempfile.mkdtemp(dir=at))
    try:
        os.sync()  # so that nobody pays for what was written before
        start = time.perf_counter()
        write(columns, folder)
        return time.perf_counter() - start, size(folder)
    finally:
        shutil.rmtree(folder)


def figure(data: Data) -> dict[str, Any]:
    names = ("values", "offsets", "label") if data.workload.ragged else ("payload", "label")
    columns = {name: data.column(name).copy() for name in names}
    raw, store = [], []
    for _ in range(ROUNDS):
        raw.append(timed(write_raw, columns, data.workload.folder))
        store.append(timed(write_store, columns, data.workload.folder))
    return {
        "raw": [seconds for seconds, _ in raw],
        "store": [seconds for seconds, _ in store],
        "raw bytes": raw[0][1],
        "store bytes": store[0][1],
    }


if __name__ == "__main__":
    print(json.dumps(figure(Data(chosen(*sys.argv[1:])))))
