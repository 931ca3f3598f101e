"""`hr.Stream(generator).background(copy=False)`: batches are views of memory that the two processes share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import headrace as hr
from benchmarks.carrying import Producer
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.producer = Producer(data)

    def epoch(self, number: int) -> Iterator[Any]:
        return iter(hr.Stream(self.producer).background(copy=False))
