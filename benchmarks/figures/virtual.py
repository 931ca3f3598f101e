"""Resume in the middle of a billion virtual records: from ``load_state_dict`` to the batch that comes next."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np

import headrace as hr

RECORDS, BATCH = 10**9, 256


def state_of_step(step: int, first: Any, second: Any) -> Any:
    """Return the state after ``step`` batches, from those after one and two: every number in it grows evenly.

    Nobody wants to wait for the five hundred million records before the middle; the batch that comes is compared with
    the one that ``batches[step]`` gives.
    """
    if isinstance(first, dict):
        return {name: state_of_step(step, first[name], second[name]) for name in first}
    if isinstance(first, list):
        return [state_of_step(step, *pair) for pair in zip(first, second, strict=True)]
    if isinstance(first, int) and not isinstance(first, bool):
        return first + (second - first) * (step - 1)
    return first


def figure() -> dict[str, Any]:
    batches = hr.Dataset(range(RECORDS)).shuffle(seed=0).batch(BATCH)
    iterator, half = iter(batches.stream()), len(batches) // 2
    states = []
    for _ in range(2):
        next(iterator)
        states.append(iterator.state_dict())
    state = state_of_step(half, *states)
    resumed = iter(batches.stream())
    start = time.perf_counter()
    resumed.load_state_dict(state)
    batch = next(resumed)
    took = time.perf_counter() - start
    np.testing.assert_array_equal(batch, batches[half])
    return {"seconds": took, "bytes": len(json.dumps(state))}


if __name__ == "__main__":
    print(json.dumps(figure()))
