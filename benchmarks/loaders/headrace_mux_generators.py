"""A Stream over a generator function for each stream, which yields a dict of a row and its label for each record, the
same function as for pescador: `hr.StochasticMux([hr.Stream(records, stream) ...], n_active, rate, seed=seed).batch(n)`.
One thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import headrace as hr
from benchmarks.drawing import bounds
from benchmarks.worker import Batch
from benchmarks.workloads import Data


def generator(data: Data) -> Callable[[int], Iterator[dict[str, Any]]]:
    """Return a function that yields the records of a stream, or of a part, one after another.

    A function and no method, since pescador copies what a method belongs to, all records, each time it begins one.
    """
    payload, labels, ends = data.column("payload"), data.column("label"), bounds(data.workload)

    def records(stream: int) -> Iterator[dict[str, Any]]:
        for record in range(*ends[stream]):
            yield {"payload": payload[record], "label": labels[record]}

    return records


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        records = generator(data)
        self.streams = [hr.Stream(records, stream) for stream in range(data.workload.streams)]

    def epoch(self, number: int) -> Iterator[Batch]:
        workload = self.workload
        mux = hr.StochasticMux(self.streams, n_active=workload.active, rate=workload.rate, seed=number)
        for batch in mux.batch(workload.batch):
            yield batch["payload"], batch["label"]
