"""What xarray objects get by importing ``headrace.accessors``."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray")

import headrace as hr  # noqa: E402
from headrace import accessors  # noqa: E402
from headrace.compat import xbatcher  # noqa: E402


def cube(dtype: Any = np.float32) -> Any:
    data = np.arange(48).reshape(6, 8).astype(dtype)
    return xr.DataArray(data, {"lat": np.arange(6)}, ("lat", "lon"), name="sst")


@pytest.mark.parametrize("named", [False, True])
def test_patches_are_those_of_the_function(named: bool) -> None:
    data = cube().to_dataset() if named else cube()
    made = data.headrace.patches({"lat": 3}, overlap={"lat": 1}, coords="values")
    expected = hr.patches(data, {"lat": 3}, overlap={"lat": 1}, coords="values")
    assert len(made) == len(expected)
    for name in ("sst", "lat"):
        np.testing.assert_array_equal(made.batch(2)[0][name], expected.batch(2)[0][name])
    assert data.headrace.dims == ("lat", "lon")


def test_a_generator_is_xbatchers() -> None:
    made = cube().batch.generator({"lat": 3}, concat_input_dims=True)
    assert isinstance(made, xbatcher.BatchGenerator)
    xr.testing.assert_identical(made[0], xbatcher.BatchGenerator(cube(), {"lat": 3}, concat_input_dims=True)[0])


@pytest.mark.parametrize("first", ["headrace.accessors", "headrace.compat.xbatcher"])
def test_imported_in_any_order_and_again_nothing_is_warned_of(first: str) -> None:
    code = f"""
import importlib, {first}, headrace.accessors, headrace.compat.xbatcher.accessors as others, xarray as xr
before = xr.Dataset.batch, xr.DataArray.headrace
importlib.reload(others)
importlib.reload(headrace.accessors)
assert before == (xr.Dataset.batch, xr.DataArray.headrace)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_another_librarys_accessor_is_replaced_and_xarray_says_so() -> None:
    class Other:
        def __init__(self, data: Any) -> None:
            self.data = data

    with pytest.warns(xr.core.extensions.AccessorRegistrationWarning):
        xr.register_dataset_accessor("batch")(Other)
    with pytest.warns(xr.core.extensions.AccessorRegistrationWarning):
        importlib.reload(xbatcher.accessors)
    assert xr.Dataset.batch.__module__ == "headrace.compat.xbatcher.accessors"


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<i8", "?"])
def test_tensors_of_torch(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    for data in (cube(dtype), cube(dtype).to_dataset(), cube(dtype).chunk({"lon": 4})):
        made = data.torch.to_tensor()
        assert isinstance(made, torch.Tensor)
        np.testing.assert_array_equal(made.numpy(), cube(dtype).values)
        assert data.torch.to_named_tensor().names == data.headrace.dims
    data = cube(dtype)
    data.torch.to_tensor()[...] = 0  # a copy
    assert data.values.any()


@pytest.mark.torch
def test_a_tensor_is_of_one_variable() -> None:
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match="squeeze"):
        xr.Dataset({"a": ("x", [1]), "b": ("x", [2])}).torch.to_tensor()


@pytest.mark.frameworks
@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_tensors_of_tensorflow(dtype: str) -> None:
    tf = pytest.importorskip("tensorflow")
    for data in (cube(dtype), cube(dtype).to_dataset(), cube(dtype).chunk({"lon": 4})):
        assert tf.is_tensor(data.tf.to_tensor())
        np.testing.assert_array_equal(data.tf.to_tensor().numpy(), cube(dtype).values)


def test_the_module_names_what_it_has() -> None:
    assert all(hasattr(accessors, name) for name in accessors.__all__)
