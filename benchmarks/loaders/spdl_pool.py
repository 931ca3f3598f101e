"""`iterate_in_subprocess(generator, arena=SharedMemorySegmentPool(...))`, which its docs call experimental: batches are
views of shared memory, eight segments of it.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from spdl.pipeline import SharedMemorySegmentPool, iterate_in_subprocess

from benchmarks.carrying import Producer
from benchmarks.workloads import Data


class Again:
    """The generator, begun anew for each iteration."""

    def __init__(self, data: Data) -> None:
        self.producer = Producer(data)

    def __call__(self) -> Iterable[Any]:
        return self

    def __iter__(self) -> Iterator[Any]:
        return self.producer()


class Loader:
    def __init__(self, data: Data) -> None:
        size = data.size // data.workload.records + (1 << 20)
        self.batches = iterate_in_subprocess(Again(data), arena=SharedMemorySegmentPool(size, 8))

    def epoch(self, number: int) -> Iterator[Any]:
        return iter(self.batches)
