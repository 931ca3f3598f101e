"""From asking for batches of images to the first one in hand, with two worker processes that are started for it.

``headrace`` or ``torch``, and the start method. In a fresh process, whose imports are not in it; those of the workers
are. Torch's dataset maps the files in each worker, so that they need not travel.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from benchmarks.workloads import Data, chosen


def headrace(data: Data, method: Any) -> float:
    import headrace as hr
    from benchmarks.loaders.headrace_store import batches, fetch

    stream = batches(fetch(data), data, seed=1).stream(workers=hr.Processes(2, start_method=method))
    start = time.perf_counter()
    iterator = iter(stream)
    batch = next(iterator)
    took = time.perf_counter() - start
    assert len(batch["label"]) == data.workload.batch
    return took


def torch(data: Data, method: Any) -> float:
    from torch.utils.data import DataLoader

    from benchmarks.loaders.torch_mapped import Mapped

    loader: Any = DataLoader(
        Mapped(data), batch_size=data.workload.batch, shuffle=True, num_workers=2, multiprocessing_context=method
    )
    start = time.perf_counter()
    iterator = iter(loader)
    _, labels = next(iterator)
    took = time.perf_counter() - start
    assert len(labels) == data.workload.batch
    return took


if __name__ == "__main__":
    of, method, size = sys.argv[1:]
    print(json.dumps({"seconds": {"headrace": headrace, "torch": torch}[of](Data(chosen("images", size)), method)}))
