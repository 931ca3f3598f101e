"""The same, of slices of one Dataset."""

from __future__ import annotations

from collections.abc import Sequence

import headrace as hr
from benchmarks.drawing import bounds
from benchmarks.loaders import headrace_mix
from benchmarks.workloads import Data


class Loader(headrace_mix.Loader):
    def of(self, data: Data) -> Sequence[hr.Dataset]:
        records = hr.Dataset(payload=data.column("payload"), label=data.column("label"))
        return [records[start:stop] for start, stop in bounds(data.workload)]
