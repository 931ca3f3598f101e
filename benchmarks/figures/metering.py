"""What it costs that a stream measures itself: epochs of images, inline, in turns with nothing measured.

Nothing measured: the methods that add up do nothing, and the clock that they read is none; a few additions remain.
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
from headrace.core.meter import Clock, Meter
from headrace.core.probe import Probe
from headrace.nodes.node import Context

PAIRS = 40


def nothing(*_: Any) -> float:
    return 0.0


@contextlib.contextmanager
def unmeasured() -> Iterator[None]:
    """Measure nothing while this lasts."""
    clocks = {"perf_counter": float, "nbytes_of": nothing}  # float() is 0.0, as cheap as a call can be
    with contextlib.ExitStack() as stack:
        for module in [module for name, module in sys.modules.items() if name.startswith("headrace.")]:
            for name, instead in clocks.items():
                if name in vars(module):
                    stack.enter_context(mock.patch.object(module, name, instead))
        methods = [(Clock, "add"), (Meter, "add"), (Meter, "start"), (Meter, "deliver"), (Context, "lap")]
        for owner, name in (*methods, (Probe, "count")):
            stack.enter_context(mock.patch.object(owner, name, nothing))
        yield


def seconds(loader: Loader, number: int) -> float:
    start = time.process_time()  # the processor's time: half a per cent of the clock's would be other programs
    for _ in loader.epoch(number):
        pass
    return time.process_time() - start


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
