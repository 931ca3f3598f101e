"""How often chunks of a Zarr array are opened in an epoch of patches that overlap, by the system's own events."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

import headrace as hr
from benchmarks import patching
from benchmarks.loaders.headrace_zarr import patches
from benchmarks.workloads import Data, chosen


class Opened:
    """Counts the files that are opened below a folder, from when it is made."""

    def __init__(self, folder: str) -> None:
        self.folder, self.count = folder, 0
        sys.addaudithook(self._event)

    def _event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | os.PathLike):
            self.count += os.fspath(arguments[0]).startswith(self.folder)

    def during(self, batches: Iterable[Any]) -> int:
        """Return how many were opened while all batches were gone through."""
        before = self.count
        for _ in batches:
            pass
        return self.count - before


def figure(size: str) -> dict[str, Any]:
    data = Data(chosen("patches-overlap", size))
    folder = patching.zarr_folder(data) / patching.NAME / "c"
    chunks = sum(path.is_file() for path in folder.rglob("*"))
    opened = Opened(str(folder))
    batch = data.workload.batch
    ways = {
        "in order": patches(data).batch(batch),
        "shuffled by blocks, 64 MB": patches(data).block_shuffle(patching.MEMORY, 0).batch(batch),
        "shuffled by blocks, 64 MB, 2 threads": patches(data)
        .block_shuffle(patching.MEMORY, 0)
        .batch(batch)
        .stream(workers=hr.Threads(2)),
    }
    return {how: {"reads": opened.during(each), "chunks": chunks, "ours": True} for how, each in ways.items()}


if __name__ == "__main__":
    print(json.dumps(figure(*sys.argv[1:])))
