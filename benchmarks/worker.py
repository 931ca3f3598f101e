"""One loader of one workload in a process of its own, which runs an epoch whenever it is told to.

So that no loader's imports, threads or memory disturb another's. A line of JSON in, a line of JSON out::

    {"do": "check", "epoch": 0}    every batch looked at, every byte digested; not timed, and the warm-up too
    {"do": "write", "epoch": 1}    of a workload of stores: everything written anew, from memory
    {"do": "time", "epoch": 1}     timed; of each batch the labels are copied aside, to be checked afterwards
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import augmenting, carrying, checks, drawing, packing, patching, processes, storing
from benchmarks.workloads import LONGEST, Data, chosen

Batch = tuple[Any, NDArray[np.int64]]
"""Rows ``(n, ...)``, a NumPy array or a torch tensor, and the labels ``(n,)`` of those rows."""


class Loader(Protocol):
    """What each module of ``benchmarks.loaders`` has under this name."""

    def __init__(self, data: Data) -> None: ...

    def epoch(self, number: int) -> Iterator[Batch]:
        """Hand over every record once, shuffled; another order for each number.

        A loader with an attribute ``ordered`` that is true copies everything in order, and is not asked for a shuffle;
        one with an attribute ``floor`` that is true hands over labels only, for work that stays where it was done.
        """
        ...


def check(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """Run one epoch and look at everything that it hands over."""
    if getattr(loader, "ordered", False):
        return {"reach": 0.0}
    if data.workload.augmented:
        return check_augmented(loader, data, number)
    expected = checks.Expected.of(data)
    labels_seen, total = [], 0
    for payload, labels in loader.epoch(number):
        rows = np.asarray(payload)
        expected.check(rows, labels)
        labels_seen.append(labels.copy())
        total += checks.digest(rows, labels)
    order = np.concatenate(labels_seen)
    checks.check_permutation(order, data.workload.records)
    if total & checks.MASK != data.digest:
        raise checks.CheckError("the bytes handed over are not those of the records")
    return {"reach": checks.reach(order), "digest": f"{data.digest:016x}"}


def check_augmented(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """The same for crops of images, whose bytes differ by epoch: each is looked for among those of its image.

    That takes longer than to make them, so one batch of five is looked at, and the last.
    """
    seen = augmenting.Seen(data)
    floor = getattr(loader, "floor", False)
    labels_seen: list[Any] = []
    for payload, labels in loader.epoch(number):
        if not floor and (len(labels_seen) % 5 == 0 or len(labels_seen) == data.workload.batches - 1):
            seen.check(np.asarray(payload), labels)
        labels_seen.append(labels.copy())
    order = np.concatenate(labels_seen)
    checks.check_permutation(order, data.workload.records, shuffled=not floor)
    if not floor:
        seen.check_variety()
    return {"reach": 0.0 if floor else checks.reach(order)}


def timed(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """Time one epoch, from asking for it to its end; check that it was a permutation, and its number of bytes.

    An epoch that takes longer than ``LONGEST`` is left there; the check is then that no record came twice. With worker
    processes the clock starts late: when the workload's first ``lead_in`` batches are there, so that neither the start
    of the workers counts, nor what a running iterator has made ahead in the meantime.
    """
    order = np.empty(data.workload.records, np.int64)
    at = handed_over = untimed = 0
    floor = getattr(loader, "floor", False)
    lead_in = 0 if floor else data.workload.lead_in
    gc.collect()
    processor, start = processes.ProcessorTime(), time.perf_counter()
    for payload, labels in loader.epoch(number):
        size = len(labels)
        order[at : at + size] = labels
        at += size
        handed_over += payload.nbytes + labels.nbytes
        lead_in -= 1
        if lead_in == 0:
            processor, start, untimed = processes.ProcessorTime(), time.perf_counter(), at
        if time.perf_counter() - start > LONGEST:
            break
    seconds = time.perf_counter() - start
    cpu = processor.seconds()
    cut = at < data.workload.records and seconds > LONGEST
    if cut:
        checks.check_distinct(order[:at])
    else:
        shuffled = not (floor or getattr(loader, "ordered", False))
        checks.check_permutation(order[:at], data.workload.records, shuffled)
        if not floor:
            checks.check_size(handed_over, data)
    return {"seconds": seconds, "cpu": cpu, "records": at - untimed, "cut": cut}


def main(name: str, workload: str, size: str) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log, not between the answers

    def answer(of: Callable[[], dict[str, Any]]) -> bool:
        try:
            line = of()
        except Exception as error:
            traceback.print_exc()
            line = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        answers.write(json.dumps(line) + "\n")
        return "error" not in line

    data = Data(chosen(workload, size))
    made: list[Loader] = []

    def make() -> dict[str, Any]:
        loader_class: type[Loader] = importlib.import_module(f"benchmarks.loaders.{name}").Loader
        made.append(loader_class(data))
        return {"ready": True}

    if not answer(make):
        return
    jobs: dict[str, Any] = {"check": check, "time": timed}
    if data.workload.carried:
        jobs = {"check": carrying.check, "time": carrying.timed}
    elif data.workload.drawn:
        jobs = {"check": drawing.check, "time": drawing.timed}
    elif data.workload.packed:
        jobs = {"check": packing.check, "time": packing.timed}
    elif data.workload.cube:
        jobs = {"check": patching.check, "time": patching.timed}
    elif data.workload.stored:
        jobs["write"] = lambda loader, data, number: storing.timed(name, data)
    for line in sys.stdin:
        order = json.loads(line)
        answer(lambda order=order: jobs[order["do"]](made[0], data, order["epoch"]))  # type: ignore[misc]


if __name__ == "__main__":
    main(*sys.argv[1:])
