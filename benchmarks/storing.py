"""What a store does before it is read: all records written from memory, and the bytes that they have on disk.

A loader of such a workload has a function ``write(data, folder)`` in its module, which writes all records in the way in
which the loader reads them. All that it wrote is brought to disk before the clock stops, whether the library does that
or not.
"""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmarks.workloads import Data

BLOCK = 8 << 20


@dataclass(frozen=True)
class InMemory(Data):
    """A workload's records in memory."""

    held: dict[str, NDArray[Any]] = field(default_factory=dict)

    def column(self, name: str) -> NDArray[Any]:
        if name not in self.held:
            self.held[name] = super().column(name).copy()
        return self.held[name]


def timed(name: str, data: Data) -> dict[str, Any]:
    """Write all records with a loader's ``write`` into a folder that is removed again."""
    module = importlib.import_module(f"benchmarks.loaders.{name}")
    records = InMemory(data.workload)
    size = records.size  # by looking at all columns, which brings them into memory
    at = Path(tempfile.mkdtemp(dir=data.workload.folder, prefix="writing-"))
    try:
        os.sync()  # so that nobody pays for what was written before
        start = time.perf_counter()
        module.write(records, at / "written")
        bring_to_disk(at)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "of": size, "bytes": on_disk(at)}
    finally:
        shutil.rmtree(at)


def write_raw(columns: dict[str, NDArray[Any]], folder: Path) -> None:
    """Write columns as they lie in memory, and bring them to disk."""
    for name, column in columns.items():
        with (folder / name).open("wb", buffering=0) as file:
            content = column.reshape(-1).data.cast("B")
            for start in range(0, len(content), BLOCK):
                file.write(content[start : start + BLOCK])
            os.fsync(file.fileno())


def bring_to_disk(folder: Path) -> None:
    for path in folder.rglob("*"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def on_disk(folder: Path) -> int:
    """Return how many bytes files take, holes not counted."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
