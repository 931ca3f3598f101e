"""Many sources against few: time for each record from 10,000 of them by that from 10, in turns.

Sources are slices of one Dataset, or generators, all of equal weight. ``draws``: records are their own numbers, so that
nothing is read; ``reads``: rows of the workload *table*, copied into batches. The first batches, in which streams are
opened, are not timed, and no source comes to its end. ``bare``: generators alone, in a loop, which shows what the
memory of many of them costs by itself.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import headrace as hr
from benchmarks.workloads import Data, chosen

FEW, MANY = 10, 10_000
BATCH = 4096
ACTIVE, RATE = 10, 64  # of the StochasticMux, whatever the number of sources
ROUNDS = 5
LONG = 1.0  # seconds that will do


class Loop:
    """Generators gone through in a random order by a loop, in place of a mux."""

    def __init__(self, made: list[Callable[[], Iterator[int]]], seed: int) -> None:
        self.made, self.rng = made, np.random.default_rng(seed)

    def batch(self, size: int) -> Iterator[list[Any]]:
        """Yield what the generators give, without end."""
        running = [make() for make in self.made]
        while True:
            yield [next(running[number]) for number in self.rng.integers(len(running), size=size).tolist()]


Make = Callable[[list[Any], int], Any]
MAKE: dict[str, Make] = {
    "mix": lambda sources, seed: hr.mix(sources),
    "shuffled": lambda sources, seed: hr.ShuffledMux(sources, seed=seed),
    "loop": Loop,
    "stochastic": lambda sources, seed: hr.StochasticMux(sources, n_active=ACTIVE, rate=RATE, seed=seed),
}


def sources(data: Data, what: str, count: int) -> list[Any]:
    """Return that many sources, with the same number of records each."""
    if what == "reads":
        table = hr.Dataset(payload=data.column("payload"), label=data.column("label"))
        each = data.workload.records // count
        return [table[number * each : (number + 1) * each] for number in range(count)]
    each = 2 * data.workload.records
    if what == "draws":
        numbers = hr.Dataset(range(count * each))
        return [numbers[number * each : (number + 1) * each] for number in range(count)]

    def records(number: int) -> Iterator[int]:
        yield from range(number * each, (number + 1) * each)

    if what == "bare":
        return [partial(records, number) for number in range(count)]
    return [hr.Stream(records, number) for number in range(count)]


def seconds(make: Make, given: list[Any], seed: int, lead_in: int, most: int) -> tuple[float, float]:
    """Return the time to the first batch, and that for each record after the first ``lead_in`` batches."""
    start = time.process_time()  # the processor's, so that other programs do not count
    batches = make(given, seed).batch(BATCH)
    iterator = iter(batches.stream() if isinstance(batches, hr.Dataset) else batches)
    next(iterator)
    first = time.process_time() - start
    gone_through(iterator, lead_in)
    return first, gone_through(iterator, most)


def gone_through(iterator: Iterator[Any], most: int) -> float:
    """Return the time for each record of the next batches: ``most``, or fewer that will do."""
    done, start = 0, time.process_time()
    for _ in range(most):
        next(iterator)
        done, took = done + 1, time.process_time() - start
        if took > LONG:
            break
    return took / (done * BATCH)


def figure(data: Data, kind: str, what: str) -> dict[str, Any]:
    few, many = min(FEW, data.workload.records // BATCH), min(MANY, data.workload.records // 50)
    whole = data.workload.records // BATCH
    # at first streams are opened, and places noted often; of the table each has 100 records, and none comes to its end
    lead_in = max(1, {"draws": 2 * whole, "reads": whole // 15}.get(what, whole // 4))
    batches = max(1, 2 * whole if what == "draws" else whole // 2)
    given = {count: sources(data, what, count) for count in (few, many)}
    found: dict[int, list[tuple[float, float]]] = {few: [], many: []}
    for turn in range(ROUNDS + 1):  # the first one warms up
        for count in (few, many):
            taken = seconds(MAKE[kind], given[count], turn, lead_in, batches)
            if turn:
                found[count].append(taken)
    pairs = zip(found[many], found[few], strict=True)
    return {
        "few": few,
        "many": many,
        "ratio": statistics.median(one[1] / other[1] for one, other in pairs),
        "record": [statistics.median(each[1] for each in found[count]) for count in (few, many)],
        "first": [statistics.median(each[0] for each in found[count]) for count in (few, many)],
    }


if __name__ == "__main__":
    what, size = sys.argv[1:]
    kinds = ["loop"] if what == "bare" else ["mix", "shuffled", "stochastic"]
    print(json.dumps({kind: figure(Data(chosen("table", size)), kind, what) for kind in kinds}))
