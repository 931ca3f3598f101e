"""torch datasets and DataLoaders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.loaders.find import records_of
from tests.loaders.trip import check_all, check_trip

torch: Any = pytest.importorskip("torch")
data: Any = pytest.importorskip("torch.utils.data")

pytestmark = pytest.mark.torch

IMAGES = torch.arange(10 * 6, dtype=torch.float32).reshape(10, 2, 3)
NAMES = list("abcdefghij")


def record(number: int) -> Any:
    """Return what a dataset of torch usually holds: tensors, numbers, text, arrays, nested."""
    return {
        "image": IMAGES[number],
        "half": IMAGES[number].bfloat16(),
        "label": number % 3,
        "more": (np.full(3, number, np.float16), NAMES[number]),
    }


SCHEMA = "{image: torch.float32[2, 3], half: torch.bfloat16[2, 3], label: int64, more: (float16[3], string)}"


class MapStyle(data.Dataset):  # type: ignore[misc]
    def __len__(self) -> int:
        return 10

    def __getitem__(self, number: int) -> Any:
        return record(number)


class Flowing(data.IterableDataset):  # type: ignore[misc]
    def __iter__(self) -> Iterator[Any]:
        return map(record, range(10))


def refuse(batch: Any) -> Any:
    raise AssertionError("the records of a DataLoader are not collated")


LOADERS = {
    "a map-style dataset": MapStyle,
    "an iterable-style dataset": Flowing,
    "a DataLoader": lambda: data.DataLoader(MapStyle(), batch_size=4, shuffle=True, collate_fn=refuse),
    "a DataLoader of what flows": lambda: data.DataLoader(Flowing(), batch_size=4),
    "a DataLoader with workers": lambda: data.DataLoader(MapStyle(), num_workers=2, sampler=[3, 1]),
}


@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS)
def test_records_of_the_dataset_are_kept(tmp_path: Path, make: Any) -> None:
    check_trip(tmp_path, make, list(map(record, range(10))), SCHEMA)


def test_columns_of_tensors_are_taken_as_they_are(tmp_path: Path) -> None:
    tensors = data.TensorDataset(IMAGES, torch.arange(10))
    assert records_of(data.DataLoader(tensors)) is tensors.tensors
    check_trip(tmp_path, lambda: tensors, list(tensors), "(torch.float32[2, 3], torch.int64)")
    chosen = data.Subset(tensors, [5, 3, 4])
    check_all(hr.Store(tmp_path / "s").submit(data.DataLoader(chosen), "data", "1"), list(chosen))


def test_batches_are_records_of_arrays_where_they_are_asked_for(tmp_path: Path) -> None:
    tensors = data.TensorDataset(IMAGES, torch.arange(10))
    loader = data.DataLoader(tensors, batch_size=4, sampler=range(9, -1, -1))
    wanted = [(images.numpy(), labels.numpy()) for images, labels in loader]
    ds = check_trip(tmp_path, lambda: loader, wanted, "(float32[?, 2, 3], int64[?])", batches=True)
    assert [labels.tolist() for _, labels in ds] == [[9, 8, 7, 6], [5, 4, 3, 2], [1, 0]]


def test_batches_of_dicts_and_of_what_flows(tmp_path: Path) -> None:
    class Few(data.IterableDataset):  # type: ignore[misc]
        def __iter__(self) -> Iterator[Any]:
            return iter({"x": IMAGES[number], "in": {"y": number}} for number in range(8))

    loader = data.DataLoader(Few(), batch_size=4)
    ds = hr.Store(tmp_path / "s").submit(loader, "data", "1", batches=True)
    assert str(ds.schema) == "{x: float32[4, 2, 3], in: {y: int64[4]}}"
    assert ds[1]["in"]["y"].tolist() == [4, 5, 6, 7]


def test_what_cannot_be_kept_is_named(tmp_path: Path) -> None:
    class Unending(data.Dataset):  # type: ignore[misc]
        def __getitem__(self, number: int) -> Any:
            return number

    store = hr.Store(tmp_path / "s")
    with pytest.raises(hr.ArgumentError, match="Unending has no length"):
        store.submit(Unending(), "data", "1")
    with pytest.raises(hr.ArgumentError, match="a MapStyle makes no batches"):
        store.submit(MapStyle(), "data", "1", batches=True)
    with pytest.raises(hr.RecordError, match="failed to give record 0") as caught:
        store.submit(Unended(), "data", "1")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert store.ids() == []


class Unended(data.Dataset):  # type: ignore[misc]
    def __len__(self) -> int:
        return 3

    def __getitem__(self, number: int) -> Any:
        return 1 / 0


def test_tensors_of_different_lengths_are_kept_where_they_may_be_pickled(tmp_path: Path) -> None:
    rows = [torch.arange(length) for length in (1, 2, 3)]
    with pytest.raises(hr.SchemaError, match=r"record 1: .*expected torch.int64\[1\], got torch.int64\[2\]"):
        hr.Store(tmp_path / "s").submit(iter(rows), "data", "1")
    ds = hr.Store(tmp_path / "p", allow_pickle=True).submit(iter(rows), "data", "1")
    check_all(ds, rows)
