"""`Dataset.sample_from_datasets([from_tensor_slices(part) ...], weights).batch(n).prefetch(AUTOTUNE)`, read by
`as_numpy_iterator()`. The records lie in its memory. It runs in threads of its own.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from benchmarks.drawing import bounds
from benchmarks.worker import Batch
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        payload, labels = data.column("payload"), data.column("label")
        self.parts = [
            tf.data.Dataset.from_tensor_slices((payload[start:stop], labels[start:stop]))
            for start, stop in bounds(data.workload)
        ]

    def epoch(self, number: int) -> Iterator[Batch]:
        mixed = tf.data.Dataset.sample_from_datasets(
            self.parts, list(self.workload.weights), seed=number, stop_on_empty_dataset=True
        )
        found: Iterator[Any] = mixed.batch(self.workload.batch).prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
        return found
