"""The workload ``packing``: sequences put together into bins of one length, with what says where each begins.

A batch of bins is three arrays ``(bins, length)``: the tokens, padded with 0; the number of the sequence within its
bin, from 1, and 0 where there is padding; and each token's position within its sequence. From these the sequences are
cut out again in an epoch that is not timed: each must be there once and whole, with all of its tokens. A loader that
splits sequences has an attribute ``splits``: its tokens, bin after bin, must be those of all sequences in their order.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import processes
from benchmarks.checks import MASK, WEIGHTS, CheckError
from benchmarks.workloads import LONGEST, Data

OPEN_BINS = 64
MIX = np.uint64(0xD6E8FEB86659FD93)

Bins = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Tokens, numbers of sequences, positions: ``(bins, length)`` each."""


class Loader(Protocol):
    """What a module of ``benchmarks.loaders`` has for this workload."""

    def __init__(self, data: Data) -> None: ...
    def epoch(self, number: int) -> Iterator[Bins]: ...


def check(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """Run one epoch, look at every token, and say how much of the bins is padding."""
    values, offsets, length = data.column("values"), data.column("offsets"), data.workload.packed
    splits = getattr(loader, "splits", False)
    bins = tokens = total = count = 0
    for batch in loader.epoch(number):
        found, segments, positions = (np.asarray(each) for each in batch)
        if any(each.shape != (len(found), length) or each.dtype != np.int32 for each in (found, segments, positions)):
            raise CheckError(f"a batch is not three times int32[{len(found)}, {length}]")
        used, begins = places(segments, positions, restarts=not splits)
        if found[~used].any():
            raise CheckError("what is padding is not 0")
        flat = found[used]
        if splits and not np.array_equal(flat, values[tokens : tokens + len(flat)]):
            raise CheckError("the tokens are not those of the sequences in their order")
        if not splits:
            total += digests(flat, begins)
        bins, tokens, count = bins + len(found), tokens + len(flat), count + len(begins)
    if tokens != len(values):
        raise CheckError(f"{tokens:,} tokens of {len(values):,}")
    if not splits and (count != len(offsets) - 1 or total & MASK != digests(values, offsets[:-1]) & MASK):
        raise CheckError(f"{count:,} sequences for {len(offsets) - 1:,}, or other ones")
    return {"padding": 1 - tokens / (bins * length)}


def places(segments: NDArray[Any], positions: NDArray[Any], restarts: bool) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return which places of the bins hold tokens, and at which of these tokens a sequence begins.

    With ``restarts`` each sequence's positions must be 0, 1, 2, ...; the rest of one that was split may go on counting.
    """
    used = segments > 0
    width = used.sum(axis=1)
    if not (used == (np.arange(segments.shape[1]) < width[:, None])).all():
        raise CheckError("there is padding between sequences")
    steps = np.diff(segments, axis=1, prepend=0)
    if not np.isin(steps[used], (0, 1)).all() or not (segments[:, 0] == 1).all():
        raise CheckError("the sequences of a bin are not numbered from 1")
    begins = np.flatnonzero((steps > 0)[used])
    counted = np.arange(int(width.sum())) - np.repeat(begins, np.diff(begins, append=int(width.sum())))
    if restarts and not np.array_equal(positions[used], counted):
        raise CheckError("the positions of a sequence are not 0, 1, 2, ...")
    if (np.diff(positions[used])[np.diff(counted) == 1] != 1).any():
        raise CheckError("the positions of a sequence do not count")
    return used, begins


def digests(tokens: NDArray[Any], begins: NDArray[np.int64]) -> int:
    """Return a sum over sequences that lie one after another, in which their order does not matter, all else does."""
    position = np.arange(len(tokens)) - np.repeat(begins, np.diff(begins, append=len(tokens)))
    each = np.add.reduceat(tokens.astype(np.uint64) * WEIGHTS[position], begins)
    each = (each ^ (each >> np.uint64(32))) * MIX  # so that a token that has moved to another sequence shows
    return int((each ^ (each >> np.uint64(29))).sum(dtype=np.uint64))


def timed(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """Time one epoch, from asking for it to its end; check that its bins could hold all tokens."""
    handed_over = 0
    gc.collect()
    processor, start = processes.ProcessorTime(), time.perf_counter()
    for tokens, segments, positions in loader.epoch(number):
        handed_over += tokens.nbytes
        assert segments.nbytes == positions.nbytes == tokens.nbytes
        if time.perf_counter() - start > LONGEST:
            raise CheckError(f"all sequences took longer than {LONGEST:g} s")
    seconds = time.perf_counter() - start
    if handed_over < data.size:
        raise CheckError(f"{handed_over:,} bytes handed over, of {data.size:,}")
    return {"seconds": seconds, "cpu": processor.seconds(), "records": data.workload.records, "cut": False}
