"""The workloads ``transport`` and ``made``: batches from a process in the background, one after another.

In ``transport`` the producer has four batches ready and hands them out in turns, so that nothing but the transport
costs anything; in ``made`` it makes a new array for each batch and fills it with a copy of one of the four, as a
generator does that decodes or computes. The consumer adds up one byte of each memory page of a batch.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import processes
from benchmarks.checks import CheckError
from benchmarks.workloads import Data

VARIETY = 4
PAGE = 4096  # bytes

Make = Callable[[tuple[int, ...]], NDArray[np.uint8]]


class Loader(Protocol):
    """What a module of ``benchmarks.loaders`` has for these workloads: as many batches as asked for."""

    def __init__(self, data: Data) -> None: ...
    def epoch(self, number: int) -> Iterator[Any]: ...


def ready(data: Data) -> list[NDArray[np.uint8]]:
    """Return the four batches."""
    assert data.workload.shape is not None
    rngs = map(np.random.default_rng, range(VARIETY))
    return [rng.integers(0, 256, data.workload.shape, dtype=np.uint8) for rng in rngs]


def empty(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.empty(shape, np.uint8)


class Producer:
    """Yields the batches of a workload: an object, so that every library can take it to its process.

    Args:
        data: Says which of the two workloads it is.
        make: Makes the array that a batch is filled into.
    """

    def __init__(self, data: Data, make: Make = empty) -> None:
        self.batches = data.workload.records
        self.is_ready = data.workload.name == "transport"
        self.four = ready(data)
        self.make = make

    def __call__(self) -> Iterator[NDArray[np.uint8]]:
        for number in range(self.batches):
            batch = self.four[number % VARIETY]
            if not self.is_ready:
                filled = self.make(batch.shape)
                np.copyto(filled, batch)
                batch = filled
            yield batch


def look(batch: Any) -> int:
    """Do what a consumer does: the sum of one byte of each page."""
    return int(np.asarray(batch).reshape(-1)[::PAGE].sum(dtype=np.int64))


def check(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """Run one epoch and compare every byte of every batch."""
    four = ready(data)
    count = 0
    for batch in loader.epoch(number):
        found = np.asarray(batch)
        if found.dtype != np.uint8 or not np.array_equal(found, four[count % VARIETY]):
            raise CheckError(f"batch {count} is not the one that was produced")
        count += 1
    if count != data.workload.records:
        raise CheckError(f"{count} batches of {data.workload.records}")
    return {"reach": 0.0}


def timed(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """Time the batches after the first ``lead_in``, until the last one is there."""
    sums = [look(batch) for batch in ready(data)]
    count, total, lead_in = 0, 0, data.workload.lead_in
    iterator = loader.epoch(number)
    gc.collect()
    for batch in iterator:
        total += look(batch)
        count += 1
        if count == lead_in:
            processor, start = processes.ProcessorTime(), time.perf_counter()
        elif count == data.workload.records:
            seconds, cpu = time.perf_counter() - start, processor.seconds()
    if count != data.workload.records or total != sum(sums[each % VARIETY] for each in range(count)):
        raise CheckError(f"{count} batches of {data.workload.records}, or other ones")
    return {"seconds": seconds, "cpu": cpu, "records": count - lead_in, "cut": False}
