"""What it costs that a stream measures itself: epochs of images, inline, in turns with nothing measured.

Nothing measured: the methods that add up do nothing, and the clock that they read is none.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

from benchmarks.loaders.headrace_store import Loader
from benchmarks.workloads import Data, chosen
from headrace.core import iteration, meter, probe
from headrace.nodes import batched, leaf, maps, node
from headrace.workers import inline

PAIRS = 40


def nothing(*_: Any) -> float:
    return 0.0


@contextlib.contextmanager
def unmeasured() -> Iterator[None]:
    """Measure nothing while this lasts."""
    with contextlib.ExitStack() as stack:
        for module in (batched, leaf, maps, node, inline, meter, probe, iteration):
            stack.enter_context(mock.patch.object(module, "perf_counter", float))  # 0.0, as cheap as a call can be
        stack.enter_context(mock.patch.object(inline, "nbytes_of", nothing))
        for owner, name in ((meter.Clock, "add"), (meter.Meter, "add"), (meter.Meter, "start")):
            stack.enter_context(mock.patch.object(owner, name, nothing))
        stack.enter_context(mock.patch.object(meter.Meter, "deliver", nothing))
        stack.enter_context(mock.patch.object(node.Context, "lap", nothing))
        stack.enter_context(mock.patch.object(probe.Probe, "count", nothing))
        yield


def seconds(loader: Loader, number: int) -> float:
    start = time.perf_counter()
    for _ in loader.epoch(number):
        pass
    return time.perf_counter() - start


def figure(data: Data) -> dict[str, Any]:
    loader = Loader(data)
    seconds(loader, 0)
    ratios = []
    for pair in range(1, PAIRS + 1):
        times = {}
        for measured in (True, False) if pair % 2 else (False, True):
            with contextlib.nullcontext() if measured else unmeasured():
                times[measured] = seconds(loader, pair)  # the same epoch twice
        ratios.append(times[True] / times[False])
    return {"ratio": statistics.median(ratios)}


if __name__ == "__main__":
    print(json.dumps(figure(Data(chosen("images", sys.argv[1])))))
