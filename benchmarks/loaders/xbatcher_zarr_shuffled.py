"""The same in random order: `generator[index]`. Each epoch goes through a quarter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import patching
from benchmarks.loaders.xbatcher_patches import generator, shuffled
from benchmarks.workloads import Data


class Loader:
    share = 0.25

    def __init__(self, data: Data) -> None:
        self.patches = generator(patching.opened(data, chunks=None), data)

    def epoch(self, number: int) -> Iterator[Any]:
        return shuffled(self.patches, number)
