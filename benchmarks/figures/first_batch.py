"""Time to the first batch: from opening the store to the first shuffled batch in hand, in a fresh process.

The package's import is not in it (it has a figure of its own), the permutation of all records is.
"""

from __future__ import annotations

import json
import sys
import time

import headrace as hr
from benchmarks.loaders.headrace_store import batches, fetch
from benchmarks.workloads import Data, chosen


def seconds(data: Data) -> float:
    hr.Store, hr.Dataset, hr.Ragged  # noqa: B018  loads what is loaded lazily
    start = time.perf_counter()
    batch = next(iter(batches(fetch(data), data, seed=1).stream()))
    took = time.perf_counter() - start
    assert len(batch["label"]) == data.workload.batch
    return took


if __name__ == "__main__":
    print(json.dumps({"seconds": seconds(Data(chosen(*sys.argv[1:])))}))
