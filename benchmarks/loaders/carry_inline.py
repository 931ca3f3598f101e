"""No other process: the same generator, gone through where the batches are used, which is the speed of filling them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.carrying import Producer
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.producer = Producer(data)

    def epoch(self, number: int) -> Iterator[Any]:
        return self.producer()
