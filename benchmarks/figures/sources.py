"""Many sources against few: time for each record from 10,000 of them by that from 10, in turns.

Sources are slices of one Dataset, or generators that go through the same records, all of equal weight. ``draws``: the
records are their own numbers, so nothing is read; ``reads``: rows of the workload *table*, copied into batches. The
first batches, in which streams are opened, are not timed.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import headrace as hr
from benchmarks.workloads import Data, chosen

FEW, MANY = 10, 10_000
BATCH = 4096
ACTIVE, RATE = 10, 64  # of the StochasticMux, whatever the number of sources
ROUNDS = 5

Make = Callable[[list[Any], int], Any]
MAKE: dict[str, Make] = {
    "mix": lambda sources, seed: hr.mix(sources),
    "shuffled": lambda sources, seed: hr.ShuffledMux(sources, seed=seed),
    "stochastic": lambda sources, seed: hr.StochasticMux(sources, n_active=ACTIVE, rate=RATE, seed=seed),
}


def sources(data: Data, what: str, count: int) -> list[Any]:
    """Return that many sources, with the same number of records each."""
    each = data.workload.records // count
    if what == "reads":
        table = hr.Dataset(payload=data.column("payload"), label=data.column("label"))
        return [table[number * each : (number + 1) * each] for number in range(count)]
    if what == "draws":
        numbers = hr.Dataset(range(data.workload.records))
        return [numbers[number * each : (number + 1) * each] for number in range(count)]

    def records(number: int) -> Iterator[int]:
        yield from range(number * each, (number + 1) * each)

    return [hr.Stream(records, number) for number in range(count)]


def seconds(make: Make, given: list[Any], seed: int, lead_in: int, batches: int) -> tuple[float, float]:
    """Return the time to the first batch, and that for each record after the first ``lead_in`` batches."""
    start = time.perf_counter()
    iterator = iter(make(given, seed).batch(BATCH).stream())
    next(iterator)
    first = time.perf_counter() - start
    for _ in range(lead_in - 1):
        next(iterator)
    start = time.perf_counter()
    for _ in range(batches):
        next(iterator)
    return first, (time.perf_counter() - start) / (batches * BATCH)


def figure(data: Data, kind: str, what: str) -> dict[str, Any]:
    few, many = min(FEW, data.workload.records // BATCH), min(MANY, data.workload.records // 50)
    whole = data.workload.records // BATCH
    lead_in, batches = max(1, whole // 15), max(1, whole // (10 if what == "generators" else 2))
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
    kind, what, size = sys.argv[1:]
    print(json.dumps(figure(Data(chosen("table", size)), kind, what)))
