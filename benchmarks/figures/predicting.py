"""What ``report()`` predicts for other numbers of workers, against runs with these; and who it says waits for whom.

The workload ``augment``: a random crop of each image. One run is reported on, another is measured, several times in
turns; an error is the prediction by the rate measured, less 1.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import headrace as hr
from benchmarks.loaders.headrace_augment import augment_record
from benchmarks.loaders.headrace_augment_batches import augment_batch
from benchmarks.loaders.headrace_store import fetch
from benchmarks.workloads import Data, chosen

TURNS = 3
LEAD_IN = 8  # batches, in which workers are started
SLOW = 0.04  # seconds of a slow consumer's work for each batch

Consume = Callable[[], None]


def idle() -> None:
    """Take a batch, and ask for the next."""


def busy() -> None:
    """Compute for a while, as a model does."""
    until = time.perf_counter() + SLOW
    while time.perf_counter() < until:
        pass


def run(dataset: hr.Dataset, workers: Any, consume: Consume) -> tuple[float, dict[str, Any]]:
    """Return batches a second behind the lead-in, and the report as a dict."""
    stream = dataset.stream(workers=workers)
    count, start = 0, 0.0
    for _ in stream:
        count += 1
        if count == LEAD_IN:
            start = time.perf_counter()
        consume()
    seconds = time.perf_counter() - start
    return (count - LEAD_IN) / seconds, stream.report().to_dict()


def rates(dataset: hr.Dataset, known: Any, others: dict[int, Any]) -> Iterator[dict[str, Any]]:
    """Give what is predicted from a run with workers that are known, beside what others measure."""
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in others}
    for _ in range(TURNS):
        predicted = {each["workers"]: each for each in run(dataset, known, idle)[1]["parts"][0]["predicted"]}
        for count, workers in others.items():
            measured, _ = run(dataset, workers, idle)
            found[count].append((predicted[count]["items_per_second"], measured))
    for count, pairs in found.items():
        predictions, measured = (statistics.median(each) for each in zip(*pairs, strict=True))
        error = statistics.median(one / other - 1 for one, other in pairs)
        yield {"workers": count, "predicted": predictions, "measured": measured, "error": error}


def figure(data: Data) -> dict[str, Any]:
    size = data.workload.batch // 16 if data.workload.quick else data.workload.batch  # so that there are enough
    images = fetch(data).take(min(25_600, data.workload.records))
    each = images.shuffle(seed=1).map(augment_record, seed=0).batch(size)
    columns = images.shuffle(seed=1).map_batches(augment_batch, seed=0).batch(size)
    cases = {
        "map, from a run inline, to processes": rates(each, 0, {1: 1, 2: 2}),
        "map, from a run with 1 process, to processes": rates(each, 1, {2: 2}),
        "map_batches, from a run with 1 process, to processes": rates(columns, 1, {2: 2}),
        "map_batches, from a run inline, to threads": rates(columns, 0, {1: hr.Threads(1), 2: hr.Threads(2)}),
    }
    told = [{"case": case, **prediction} for case, predictions in cases.items() for prediction in predictions]
    free, waiting = run(each, 1, idle)[1], run(each, 1, busy)[1]
    return {
        "predictions": told,
        "verdicts": [free["verdict"], waiting["verdict"]],
        "headspace": waiting["headspace"],
        "headspace measured": 1 / SLOW,
    }


if __name__ == "__main__":
    print(json.dumps(figure(Data(chosen("augment", sys.argv[1])))))
