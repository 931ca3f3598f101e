"""The workloads ``hierarchical`` and ``mixing``: records drawn from many streams, or from three parts by weights.

An epoch is a number of draws, in batches; it is left when they are there. The label of a record is its number, which
says what it was drawn from and at which place it stood there. So what is checked of every epoch is the labels: that
they are what such draws give; and in one that is not timed, each row is compared with the record that its label names.
"""

from __future__ import annotations

import gc
import math
import time
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import processes
from benchmarks.checks import CheckError, Expected, check_distinct
from benchmarks.workloads import LONGEST, Data, Workload

if TYPE_CHECKING:
    from benchmarks.worker import Loader

CUTS = (0.34, 0.68)  # where the three parts of the table begin, of all records: such that all have whole shards
SIGMAS = 5.0


def bounds(workload: Workload) -> list[tuple[int, int]]:
    """Return where each stream, or each part, begins and ends among the records."""
    if workload.weights:
        cuts = [0, *(round(workload.records * cut) for cut in CUTS), workload.records]
    else:
        cuts = [*range(0, workload.records + 1, workload.records // workload.streams)]
    return [*pairwise(cuts)]


def check(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """Run one epoch and compare every row with the record that its label names."""
    expected, payload = Expected.of(data), data.column("payload")
    seen: list[NDArray[np.int64]] = []
    for rows, labels in loader.epoch(number):
        found = np.asarray(rows)
        expected.check(found, labels)
        if not np.array_equal(found, payload[labels]):
            raise CheckError(f"batch {len(seen)} holds other values than the records that its labels name")
        seen.append(labels.copy())
        if sum(map(len, seen)) >= data.workload.drawn:
            break
    check_draws(np.concatenate(seen), loader, data.workload)
    return {}


def timed(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """Time one epoch, from asking for it to its last batch; check what was drawn, and the number of bytes."""
    wanted = data.workload.drawn
    order = np.empty(wanted, np.int64)
    at = handed_over = 0
    gc.collect()
    processor, start = processes.ProcessorTime(), time.perf_counter()
    for payload, labels in loader.epoch(number):
        order[at : at + len(labels)] = labels
        at += len(labels)
        handed_over += payload.nbytes + labels.nbytes
        if at >= wanted or time.perf_counter() - start > LONGEST:
            break
    seconds = time.perf_counter() - start
    cpu = processor.seconds()
    cut = at < wanted and seconds > LONGEST
    if not cut:
        check_draws(order[:at], loader, data.workload)
        if handed_over != data.size:
            raise CheckError(f"{handed_over:,} bytes handed over, of {data.size:,}")
    return {"seconds": seconds, "cpu": cpu, "records": at, "cut": cut}


def check_draws(labels: NDArray[np.int64], loader: Loader, workload: Workload) -> None:
    """Check that the labels of an epoch, in the order in which they came, are what the workload's draws give."""
    if len(labels) != workload.drawn:
        raise CheckError(f"{len(labels):,} records drawn, not {workload.drawn:,}")
    if workload.weights:
        check_shares(labels, workload)
        if not getattr(loader, "with_replacement", False):
            check_distinct(labels)
    else:
        check_turns(labels, workload)


def check_shares(labels: NDArray[np.int64], workload: Workload) -> None:
    """Check each part's share of the epoch, and that of each batch; exact quotas pass as well as random draws."""
    ends = [end for _, end in bounds(workload)]
    origin = np.searchsorted(ends, labels, side="right").reshape(-1, workload.batch)
    for part, weight in enumerate(workload.weights):
        drawn = origin == part
        spread = SIGMAS * math.sqrt(weight * (1 - weight))
        if abs(drawn.mean() - weight) > spread / math.sqrt(drawn.size):
            raise CheckError(f"part {part} has {drawn.mean():.4f} of the records, not {weight}")
        if np.abs(drawn.mean(axis=1) - weight).max() > 1.2 * spread / math.sqrt(workload.batch):
            raise CheckError(f"part {part} has other shares in some batches than in all")


def check_turns(labels: NDArray[np.int64], workload: Workload) -> None:
    """Check that streams are gone through from their beginnings, for as long as they should be, chosen evenly.

    A stream may be active twice at a time, so a record is in its place if one before it has not been followed yet.
    """
    each = workload.records // workload.streams
    waiting: defaultdict[int, int] = defaultdict(int)
    for label in labels.tolist():
        if label % each:
            if not waiting[label]:
                raise CheckError(f"record {label % each} of stream {label // each} came before those in front of it")
            waiting[label] -= 1
        waiting[label + 1] += 1
    if (labels % each).max() >= 2 * workload.rate:
        raise CheckError(f"a stream gave {(labels % each).max() + 1} records in one go, at a rate of {workload.rate}")
    begun = np.bincount(labels[labels % each == 0] // each, minlength=workload.streams)
    lifetime = len(labels) / (begun.sum() - workload.active / 2)  # those active at the end are half way on average
    if abs(lifetime / workload.rate - 1) > 0.1:
        raise CheckError(f"streams gave {lifetime:.1f} records each before they were replaced, not {workload.rate}")
    evenness = begun.var() / begun.mean()  # 1 of independent draws
    if abs(evenness - 1) > SIGMAS * math.sqrt(2 / workload.streams) + workload.active / workload.streams:
        raise CheckError(f"how often each stream was begun has {evenness:.2f} times the variance of even draws")
    again = np.mean(labels[1:] // each == labels[:-1] // each)  # two records of one stream next to each other
    chance = 1 / workload.active
    if abs(again - chance) > SIGMAS * math.sqrt(chance / len(labels)) + 0.1 * chance:
        raise CheckError(f"{again:.2%} of the records follow one of their own stream, not {chance:.2%}")
