"""The same in random order: `generator[index]`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import patching
from benchmarks.loaders.xbatcher_patches import generator, shuffled
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.patches = generator(patching.labelled(data), data)

    def epoch(self, number: int) -> Iterator[Any]:
        return shuffled(self.patches, number)
