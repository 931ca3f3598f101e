"""Which loader it is."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Set
from functools import partial
from typing import Any

from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, KindError
from headrace.loaders import dataflow, hugging_face, keras, tensorflow, torch
from headrace.loaders.found import Found, is_a, length_of


def records_of(data: Any, batches: bool = False) -> Any:
    """Return a loader's records: as :class:`Found`, or as something that ``Dataset(...)`` takes; all else as it is.

    ========================================  ===================================  ============================
    what                                      its records                          with ``batches``
    ========================================  ===================================  ============================
    ``tf.data.Dataset``                       its elements                         the same
    torch ``DataLoader``                      those of its dataset, in order       its batches, as arrays
    torch ``Dataset``, ``IterableDataset``    its items
    Keras ``PyDataset``, ``Sequence``         the rows of its batches              its batches, as arrays
    DataFlow (``reset_state``, ``__iter__``)  its data points, lists as tuples     the same
    Hugging Face ``Dataset``, iterable too    its rows
    a frame or a stream of Arrow              its rows
    ========================================  ===================================  ============================

    Args:
        data: Anything; nothing is read of it yet.
        batches: Whether the batches of a loader that makes some are its records.

    Raises:
        KindError: It is several datasets, or its records cannot be kept as they are; the message says how to go on.
        EndlessError: It has no end.
        ArgumentError: Its batches are asked for, and it makes none.

    >>> records_of([1, 2])
    [1, 2]
    """
    makes_batches = _batching(data, batches)
    if makes_batches is not None:
        return makes_batches
    if batches:
        raise ArgumentError(f"batches=True: a {type(data).__name__} makes no batches, so its records are what it holds")
    return _of_records(data)


def _batching(data: Any, batches: bool) -> Any:
    """Return the records of a loader that makes batches, or may make some; None for all others."""
    if is_a(data, "tensorflow", "DatasetV2", "DatasetV1"):
        return tensorflow.records_of(data)
    if is_a(data, "torch", "DataLoader"):
        return torch.batches_of(data) if batches else records_of(data.dataset)
    if any(is_a(data, package, "PyDataset", "Sequence") for package in ("keras", "tf_keras", "tensorflow")):
        return keras.records_of(data, batches)
    if dataflow.is_dataflow(data):
        return dataflow.records_of(data)
    return None


def _of_records(data: Any) -> Any:
    if is_a(data, "datasets", "DatasetDict", "IterableDatasetDict"):
        raise hugging_face.several(data)
    if is_a(data, "datasets", "Dataset"):
        return hugging_face.Rows(data)
    if is_a(data, "datasets", "IterableDataset"):
        return hugging_face.flowing(data)
    if is_a(data, "torch", "Dataset"):
        return torch.records_of(data)
    if is_a(data, "pyarrow", "RecordBatchReader"):
        return hugging_face.read_through(data)
    if hasattr(type(data), "__arrow_c_stream__") and not is_a(data, "pandas", "DataFrame", "Series"):
        return Batch.from_arrow(data)
    if isinstance(data, Iterable) and hasattr(data, "__len__") and not hasattr(data, "__getitem__"):
        if isinstance(data, Set):
            raise KindError(f"a {type(data).__name__} has no order: give sorted(...) of it")
        return Found(lambda: data, length_of(data))
    return data


def is_function(data: Any) -> bool:
    """Say whether something is to be called for what it returns."""
    return inspect.isroutine(data) or isinstance(data, partial)
