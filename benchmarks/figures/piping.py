"""A store written from a tf.data pipeline, beside only iterating that pipeline: record by record, and in batches.

The pipeline reads records, applies a function to each in TensorFlow's own threads, and prefetches, as its guide says.
Iterating means `as_numpy_iterator()`, since a store, too, needs what TensorFlow has made.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# TensorFlow is not in every environment, and has no types

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

import headrace as hr
from benchmarks.workloads import Data, chosen

ROUNDS = 2


def turned(record: Any) -> Any:
    return {"payload": tf.reverse(record["payload"], [1]), "label": record["label"]}


def pipeline(data: Data) -> Any:
    records = tf.data.Dataset.from_tensor_slices({"payload": data.column("payload"), "label": data.column("label")})
    return records.map(turned, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def seconds(do: Callable[[], object]) -> float:
    os.sync()
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def iterate(pipe: Any) -> None:
    for _ in pipe.as_numpy_iterator():
        pass


def write(pipe: Any, data: Data) -> None:
    with tempfile.TemporaryDirectory(dir=data.workload.folder, prefix="writing-") as folder:
        written = hr.Store(folder).submit(pipe, "records", "1.0")
        assert len(written) == int(pipe.cardinality())  # of a pipeline of batches, each is kept as it came


def figure(data: Data) -> dict[str, Any]:
    records = pipeline(data)
    found: dict[str, Any] = {}
    for name, pipe in (("records", records), ("batches", records.batch(data.workload.batch))):
        iterate(pipe.take(data.workload.batch))
        taken = [(seconds(lambda: iterate(pipe)), seconds(lambda: write(pipe, data))) for _ in range(ROUNDS)]  # noqa: B023
        found[name] = taken
    return found


if __name__ == "__main__":
    print(json.dumps(figure(Data(chosen("images", sys.argv[1])))))
