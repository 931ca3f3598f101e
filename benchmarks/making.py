"""Make the records of a workload, once; they lie in ``benchmarks/.data``."""

from __future__ import annotations

import json
import math

import numpy as np

from benchmarks import patching
from benchmarks.checks import digest_of
from benchmarks.workloads import Data, Workload

MEAN_LENGTH, SPREAD = 500, 0.8  # of the ragged sequences: lognormal, in items
BLOCK = 4096  # records made at a time


def make(data: Data) -> None:
    """Make the records, unless they are there; the file that says that they are is written last."""
    workload = data.workload
    done = workload.folder / "data.json"
    if workload.cube:
        patching.make(data)
        return
    if done.exists() or workload.carried:
        return
    workload.folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20261120)
    if workload.ragged:
        _make_ragged(workload, rng)
    else:
        _make_dense(workload, rng)
    np.save(workload.folder / "label.npy", np.arange(workload.records))
    done.write_text(json.dumps({"digest": digest_of(data)}))


def _make_dense(workload: Workload, rng: np.random.Generator) -> None:
    assert workload.shape is not None
    rows = np.lib.format.open_memmap(
        workload.folder / "payload.npy", "w+", np.dtype(workload.dtype), (workload.records, *workload.shape)
    )
    for start in range(0, workload.records, BLOCK):
        block = rows[start : start + BLOCK]
        if workload.dtype == "uint8":
            block[:] = rng.integers(0, 256, block.shape, dtype=np.uint8)
        else:
            block[:] = rng.random(block.shape, dtype=np.float32)
    rows.flush()


def _make_ragged(workload: Workload, rng: np.random.Generator) -> None:
    mu = math.log(MEAN_LENGTH) - SPREAD**2 / 2
    if workload.packed:  # a sequence that fits into no bin is not made at all: its pieces would be other sequences
        many = np.maximum(rng.lognormal(mu, SPREAD, workload.records * 11 // 10), 1).astype(np.int64)
        lengths = many[many <= workload.longest][: workload.records]
    else:
        lengths = np.clip(rng.lognormal(mu, SPREAD, workload.records), 1, workload.longest).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    np.save(workload.folder / "offsets.npy", offsets)
    # never 0, so that what is padding can be told from what is not
    np.save(workload.folder / "values.npy", rng.integers(1, 32_000, int(offsets[-1]), dtype=np.int32))
