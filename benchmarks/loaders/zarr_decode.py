"""The bytes of all chunks, in memory, decompressed by numcodecs on two threads; nothing is read, or cut."""

# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numcodecs
import numpy as np

from benchmarks import patching
from benchmarks.loaders.zarr_chunks import chunks
from benchmarks.workloads import Data


class Loader:
    floor = True

    def __init__(self, data: Data) -> None:
        self.patches = data.workload.records // len(chunks(data))
        folder = patching.zarr_folder(data) / patching.NAME / "c"
        self.content = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
        self.codec, self.pool = numcodecs.Zstd(), ThreadPoolExecutor(2)
        self.left = data.workload.records - self.patches * len(self.content)

    def epoch(self, number: int) -> Iterator[Any]:
        for _ in self.pool.map(lambda content: len(self.codec.decode(content)), self.content):
            yield np.empty(self.patches, np.float32)
        yield np.empty(self.left, np.float32)  # where patches overlap, they are no multiple of the chunks
