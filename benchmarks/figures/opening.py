"""Opening a version of ten million records in a fresh process: the import, the first use of the package's main names
(which loads what stands behind them), the version as a Dataset, a first record read.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

started = time.perf_counter()
import headrace as hr  # noqa: E402

imported = time.perf_counter()
names = (hr.Dataset, hr.Store)
used = time.perf_counter()

from benchmarks.workloads import FOLDER  # noqa: E402

RECORDS = {"full": 10_000_000, "quick": 100_000}
PARTS = {"one": 1, "many": 50}  # of each version, about
WIDTH = 40  # bytes of a record


def place(size: str) -> str:
    return str(FOLDER / size / "opening")


def write(size: str) -> None:
    """Write the versions, unless they are there."""
    store, records = hr.Store(place(size)), RECORDS[size]
    for version, parts in PARTS.items():
        if version not in store.versions("records"):
            rng = np.random.default_rng(20261121)
            columns = {"x": rng.random((records, 8), np.float32), "label": np.arange(records)}
            store.submit(columns, "records", version, part_bytes=records * WIDTH // parts + 1)


def figure(size: str, version: str) -> dict[str, float]:
    start = time.perf_counter()
    records = hr.Store(place(size)).fetch("records", version)
    opened = time.perf_counter()
    label = records[len(records) // 2]["label"]
    read = time.perf_counter()
    assert len(records) == RECORDS[size] and label == len(records) // 2
    took = {"import": imported - started, "names": used - imported, "open": opened - start, "read": read - opened}
    return {**took, "records": len(records), "parts": len(hr.Store(place(size)).manifest("records", version).parts)}


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2])
        print(json.dumps({}))
    else:
        print(json.dumps(figure(*sys.argv[1:])))
