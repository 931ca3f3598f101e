"""Batches as a dataset that Keras trains on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray")
tf = pytest.importorskip("tensorflow")

from headrace.compat.xbatcher import BatchGenerator  # noqa: E402
from headrace.compat.xbatcher.loaders.keras import CustomTFDataset  # noqa: E402

pytestmark = pytest.mark.frameworks


def generators(named: bool = False) -> tuple[BatchGenerator, BatchGenerator]:
    x = xr.DataArray(np.random.default_rng(0).random((40, 3), np.float32), dims=("time", "feature"), name="x")
    y = (x * xr.DataArray([1.0, -2.0, 3.0], dims="feature")).sum("feature").astype(np.float32).rename("y")
    data: tuple[Any, Any] = (x.to_dataset(), y.to_dataset()) if named else (x, y)
    return BatchGenerator(data[0], {"time": 8}), BatchGenerator(data[1], {"time": 8})


@pytest.mark.parametrize("named", [False, True])
def test_batches_are_tensors(named: bool) -> None:
    dataset = CustomTFDataset(*generators(named), transform=lambda x: x + 1, target_transform=lambda y: -y)
    x, y = dataset[2]
    assert len(dataset) == 5 and tf.is_tensor(x) and tf.is_tensor(y)
    wanted_x, wanted_y = (generator[2] for generator in generators())
    np.testing.assert_allclose(x.numpy(), wanted_x + 1)
    np.testing.assert_allclose(y.numpy(), -wanted_y)


def test_a_model_learns_from_them() -> None:
    keras = tf.keras
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    history = model.fit(CustomTFDataset(*generators()), epochs=30, verbose=0).history["loss"]
    assert history[-1] < history[0] / 10
