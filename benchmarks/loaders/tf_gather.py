"""TensorFlow's own gather, by hand: a dataset of batch numbers, mapped to `tf.gather` of the columns at that part of
`tf.random.shuffle(range)` (ragged: and `to_tensor`), then `prefetch(AUTOTUNE)`. The records lie in its memory. It runs
in threads of its own.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        self.labels = tf.constant(data.column("label"))
        self.order = tf.Variable(tf.range(data.workload.records, dtype=tf.int64))
        if data.workload.ragged:
            self.payload = tf.RaggedTensor.from_row_splits(data.column("values"), data.column("offsets"))
        else:
            self.payload = tf.constant(data.column("payload"))
        self.batches = tf.data.Dataset.range(data.workload.batches).map(self.gather).prefetch(tf.data.AUTOTUNE)

    def gather(self, number: Any) -> Any:
        start = number * self.workload.batch
        index = self.order[start : start + self.workload.batch]
        payload = tf.gather(self.payload, index)
        return payload.to_tensor() if self.workload.ragged else payload, tf.gather(self.labels, index)

    def epoch(self, number: int) -> Iterator[Batch]:
        tf.random.set_seed(number)
        self.order.assign(tf.random.shuffle(tf.range(self.workload.records, dtype=tf.int64)))
        found: Iterator[Any] = self.batches.as_numpy_iterator()
        return found
