"""Memory over ten epochs of patches from Zarr, shuffled by blocks: the process's own, after each."""

from __future__ import annotations

import gc
import json
import sys
from typing import Any

from benchmarks import patching
from benchmarks.figures.memory import EPOCHS, megabytes
from benchmarks.loaders.headrace_zarr import patches
from benchmarks.workloads import Data, chosen


def figure(data: Data) -> dict[str, Any]:
    after = []
    batches = patches(data).block_shuffle(patching.MEMORY, 0).batch(data.workload.batch)
    for _ in range(EPOCHS):
        for _ in batches:
            pass
        gc.collect()
        after.append(megabytes())
    return {"megabytes": after}


if __name__ == "__main__":
    print(json.dumps(figure(Data(chosen("patches-zarr", *sys.argv[1:])))))
