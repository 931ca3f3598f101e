"""torch: datasets of both styles, and what a DataLoader is made over."""

from __future__ import annotations

from typing import Any

from headrace.core.errors import ArgumentError
from headrace.loaders.batches import as_record
from headrace.loaders.found import Found, is_a, length_of


def records_of(data: Any) -> Any:
    """Return the records of a dataset: a map-style one is read by index, an iterable-style one flows."""
    if is_a(data, "torch", "IterableDataset"):
        return Found(lambda: data, length_of(data))
    if type(data).__name__ == "TensorDataset" and is_a(data, "torch", "TensorDataset") and data.tensors:
        return data.tensors
    if length_of(data) is None:
        raise ArgumentError(
            f"a {type(data).__name__} has no length, which a map-style dataset needs to be read to its end: "
            "give it a __len__, or make it an IterableDataset"
        )
    return data


def batches_of(loader: Any) -> Found:
    """Return what a DataLoader gives, each batch a record of arrays; its sampler, workers and collate_fn are used."""
    return Found(lambda: map(as_record, loader), length_of(loader))
