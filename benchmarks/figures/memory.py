"""Memory over ten epochs: the process's own memory (without the mapped file's pages) after each."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.loaders.headrace_store import Loader
from benchmarks.workloads import Data, chosen

EPOCHS = 10


def megabytes() -> float:
    """Return the anonymous resident memory of this process; Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError("/proc/self/status does not say how much memory is anonymous")


def figure(data: Data) -> dict[str, Any]:
    loader, after = Loader(data), []
    for epoch in range(EPOCHS):
        for _ in loader.epoch(epoch):
            pass
        gc.collect()
        after.append(megabytes())
    return {"megabytes": after}


if __name__ == "__main__":
    print(json.dumps(figure(Data(chosen(*sys.argv[1:])))))
