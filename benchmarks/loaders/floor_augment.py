"""What two cores can do with the function alone: two processes, each of which calls it in a loop for half of the
records, which lie in memory, in order, with one generator, and drops what it returns. No shuffle, no batches, no
transport; the processes run before the clock starts.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np

from benchmarks.augmenting import augment
from benchmarks.worker import Batch
from benchmarks.workloads import Data

PROCESSES = 2


def work(data: Data, part: int, orders: Connection) -> None:
    bounds = np.linspace(0, data.workload.records, PROCESSES + 1).astype(int)
    images = data.column("payload")[bounds[part] : bounds[part + 1]].copy()
    while True:
        rng = np.random.default_rng((orders.recv(), part))
        for image in images:
            augment(image, rng)
        orders.send("done")


class Loader:
    floor = True  # nothing but labels is handed over

    def __init__(self, data: Data) -> None:
        self.labels = data.column("label")
        context = multiprocessing.get_context("fork")
        self.workers = []
        for part in range(PROCESSES):
            ours, theirs = context.Pipe()
            context.Process(target=work, args=(data, part, theirs), daemon=True).start()
            self.workers.append(ours)

    def epoch(self, number: int) -> Iterator[Batch]:
        for worker in self.workers:
            worker.send(number)
        for worker in self.workers:
            worker.recv()
        yield self.labels[:0], self.labels
