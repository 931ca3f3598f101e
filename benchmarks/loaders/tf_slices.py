"""`Dataset.from_tensor_slices(columns).shuffle(records).batch(n).prefetch(AUTOTUNE).as_numpy_iterator()`, with a buffer
of all records for a true shuffle; a `RaggedTensor` for the sequences, `to_tensor` after `batch` (twice as fast as
`padded_batch`). The records lie in its memory. It runs in threads of its own.
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
        if data.workload.ragged:
            payload = tf.RaggedTensor.from_row_splits(data.column("values"), data.column("offsets"))
        else:
            payload = data.column("payload")
        self.records = tf.data.Dataset.from_tensor_slices((payload, data.column("label")))

    def epoch(self, number: int) -> Iterator[Batch]:
        batches = self.records.shuffle(self.workload.records, seed=number).batch(self.workload.batch)
        if self.workload.ragged:
            batches = batches.map(to_dense)
        found: Iterator[Any] = batches.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
        return found


def to_dense(payload: Any, labels: Any) -> Any:
    return payload.to_tensor(), labels
