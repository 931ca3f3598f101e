"""The same over Datasets that have nothing in common: each has arrays of its own."""

from __future__ import annotations

import headrace as hr
from benchmarks.drawing import bounds
from benchmarks.loaders import headrace_mux
from benchmarks.workloads import Data


class Loader(headrace_mux.Loader):
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        payload, labels = data.column("payload"), data.column("label")
        self.streams = [
            hr.Dataset(payload=payload[start:stop], label=labels[start:stop]) for start, stop in bounds(data.workload)
        ]
