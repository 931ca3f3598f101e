"""`hr.Stream(generator).background(copy=False)`, whose generator fills arrays made by `hr.empty(shape, dtype)`, right
where the consumer will find them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import headrace as hr
from benchmarks.carrying import Producer
from benchmarks.workloads import Data


def offered(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return hr.empty(shape, np.uint8)


class Loader:
    def __init__(self, data: Data) -> None:
        self.producer = Producer(data, offered)

    def epoch(self, number: int) -> Iterator[Any]:
        return iter(hr.Stream(self.producer).background(copy=False))
