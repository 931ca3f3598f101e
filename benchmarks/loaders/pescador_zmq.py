"""`ZMQStreamer(Streamer(generator))`, which sends dicts of arrays through a socket of ZeroMQ on the local machine, with
its default `copy=False`.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pescador

from benchmarks.carrying import Producer
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        producer = Producer(data)

        def batches() -> Iterator[dict[str, Any]]:
            for batch in producer():
                yield {"batch": batch}

        self.stream = pescador.ZMQStreamer(pescador.Streamer(batches))

    def epoch(self, number: int) -> Iterator[Any]:
        for batch in self.stream:
            yield batch["batch"]
