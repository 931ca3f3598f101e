"""Batches as datasets of PyTorch, also through a DataLoader with workers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray")
torch = pytest.importorskip("torch")

from headrace.compat.xbatcher import BatchGenerator  # noqa: E402
from headrace.compat.xbatcher.loaders.torch import IterableDataset, MapDataset, to_tensor  # noqa: E402

pytestmark = pytest.mark.torch


def generators(lazy: bool = False, **more: Any) -> tuple[BatchGenerator, BatchGenerator]:
    data = xr.DataArray(np.arange(60, dtype=np.float32).reshape(12, 5), dims=("time", "x"))
    if lazy:
        data = data.chunk({"time": 2})
    targets = data.isel(x=0) * 2
    return BatchGenerator(data, {"time": 3}, **more), BatchGenerator(targets, {"time": 3}, **more)


def expected() -> list[np.ndarray[Any, Any]]:
    return list(np.arange(60, dtype=np.float32).reshape(4, 3, 5))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", [MapDataset, IterableDataset])
def test_a_loader_gives_each_batch_once(kind: Any, workers: int) -> None:
    loader = torch.utils.data.DataLoader(kind(*generators()), batch_size=None, num_workers=workers)
    for _ in range(2):
        found = sorted(((x.numpy(), y.numpy()) for x, y in loader), key=lambda pair: float(pair[0][0, 0]))
        assert len(found) == 4
        for (x, y), inputs in zip(found, expected(), strict=True):
            np.testing.assert_array_equal(x, inputs)
            np.testing.assert_array_equal(y, inputs[:, 0] * 2)


def test_a_loader_with_workers_reads_a_cache(tmp_path: Any) -> None:
    x, y = generators(cache=None)
    x.cache, y.cache = tmp_path / "x.zarr", tmp_path / "y.zarr"
    x[0]
    loader = torch.utils.data.DataLoader(MapDataset(x, y), batch_size=None, num_workers=2)
    for _ in range(2):
        for (inputs, _), wanted in zip(loader, expected(), strict=True):
            np.testing.assert_array_equal(inputs.numpy(), wanted)


@pytest.mark.parametrize("lazy", [False, True])
def test_batches_by_number(lazy: bool) -> None:
    x, y = generators(lazy, preload_batch=not lazy)
    dataset = MapDataset(x, y, transform=lambda batch: to_tensor(batch + 1), target_transform=lambda b: to_tensor(-b))
    inputs, targets = dataset[1]
    np.testing.assert_array_equal(inputs.numpy(), expected()[1] + 1)
    np.testing.assert_array_equal(targets.numpy(), expected()[1][:, 0] * -2)
    assert torch.equal(dataset[torch.tensor([1])][0], inputs) and torch.equal(dataset[torch.tensor(1)][0], inputs)
    assert len(dataset) == 4
    assert isinstance(MapDataset(x)[0], torch.Tensor)


def test_several_numbers_and_other_results_are_refused() -> None:
    x, y = generators()
    with pytest.raises(NotImplementedError, match="one batch at a time, got 2 numbers"):
        MapDataset(x, y)[torch.tensor([0, 1])]
    with pytest.raises(AssertionError, match="a transform returns a tensor, got ndarray"):
        MapDataset(x, transform=lambda batch: batch.values)[0]


def test_a_tensor_of_a_dataset_is_that_of_its_variable() -> None:
    x, _ = generators()
    assert torch.equal(to_tensor(x[0].to_dataset(name="a")), to_tensor(x[0]))
    assert torch.equal(to_tensor(x[0].values), to_tensor(x[0]))
