"""Resume in the middle of an epoch: from ``load_state_dict`` to the batch that comes next, in a fresh process.

``save`` runs half an epoch and writes the state; ``load`` resumes from it and checks that the batch is the right one.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from typing import Any

from benchmarks.loaders.headrace_store import batches, fetch
from benchmarks.workloads import Data, chosen


def save(data: Data) -> dict[str, Any]:
    iterator = iter(batches(fetch(data), data, seed=1).stream(epochs=2))
    for _ in itertools.islice(iterator, data.workload.batches // 2):
        pass
    state = json.dumps(iterator.state_dict())
    labels = next(iterator)["label"].tolist()
    (data.workload.folder / "resume.json").write_text(json.dumps({"state": state, "labels": labels}))
    return {"bytes": len(state)}


def load(data: Data) -> dict[str, Any]:
    saved = json.loads((data.workload.folder / "resume.json").read_text())
    iterator = iter(batches(fetch(data), data, seed=1).stream(epochs=2))
    start = time.perf_counter()
    iterator.load_state_dict(json.loads(saved["state"]))
    batch = next(iterator)
    took = time.perf_counter() - start
    assert batch["label"].tolist() == saved["labels"], "the resumed run is not the unbroken one"
    return {"seconds": took}


if __name__ == "__main__":
    print(json.dumps({"save": save, "load": load}[sys.argv[1]](Data(chosen(*sys.argv[2:])))))
