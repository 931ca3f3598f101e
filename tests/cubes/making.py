"""Cubes of every kind that can be read, made in a folder of a test."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from numpy.typing import NDArray

DIMS = ("time", "y", "x")
SHAPE = (11, 7, 5)
CHUNKS = (4, 3, 5)

OLD = tuple(map(int, zarr.__version__.split(".")[:2])) < (3, 1)
"""Whether this zarr has no dtypes of its own: of format 3 it knows fewer, and does not write what it does not know."""


def values(dtype: str, shape: tuple[int, ...] = SHAPE) -> NDArray[Any]:
    """Return values of a dtype, all different where it has as many; of float32 some are missing."""
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    if dtype == "datetime64":
        dates: NDArray[Any] = np.datetime64("2001-03-04", "ns") + numbers.astype("m8[h]")
        return dates
    if dtype == "bool":
        thirds: NDArray[Any] = numbers % 3 == 0
        return thirds
    found: NDArray[Any] = (numbers * 7 % 251).astype(dtype)
    if dtype == "float32":
        found[numbers % 11 == 4] = np.nan
    return found


KINDS_OF_VALUES = ("float32", "packed", "datetime64", "big-endian", "bool", "uint8")


def dataset(kind: str = "float32", shape: tuple[int, ...] = SHAPE, dims: tuple[str, ...] = DIMS) -> xr.Dataset:
    """Return a Dataset of one variable ``v`` with labels, and what it is to be written with."""
    if kind == "packed":
        found = values("float32", shape).astype("f8") / 2 + 3
        encoding = {"dtype": "int16", "scale_factor": 0.5, "add_offset": 3.0, "_FillValue": -999}
    elif kind == "big-endian":
        found, encoding = values(">f4", shape), {"dtype": ">f4"}
    else:
        found, encoding = values(kind, shape), {}
    labels = {dim: np.arange(length) * 0.5 for dim, length in zip(dims, shape) if dim != "time"}
    made = xr.Dataset({"v": (dims, found)}, coords=labels, attrs={"title": "a cube"})
    if "time" in dims:
        made["time"] = np.datetime64("2000-01-01", "ns") + np.arange(shape[dims.index("time")]).astype("m8[D]")
    made["v"].encoding.update(encoding)
    return made


def to_zarr(
    cube: xr.Dataset,
    store: Any,
    chunks: tuple[int, ...] = CHUNKS,
    version: Any = 3,
    consolidated: bool = False,
    **encoding: Any,
) -> None:
    """Write a cube into a Zarr store."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr: that a dtype or consolidated metadata are in no standard yet
        if version == 3 and cube["v"].dtype.byteorder == ">":
            if OLD:
                pytest.skip("zarr 3.0 writes no big-endian arrays of format 3")
            cube = cube.copy()
            cube["v"].encoding.pop("dtype", None)
        cube.to_zarr(
            store,
            zarr_format=version,
            consolidated=consolidated,
            encoding={"v": {**cube["v"].encoding, "chunks": chunks, **encoding}},
        )


def to_netcdf(cube: xr.Dataset, path: Path, engine: Any, chunks: tuple[int, ...] | None = CHUNKS) -> None:
    """Write a cube into a NetCDF file: of version 4, or, by scipy, 3."""
    pytest.importorskip({"netcdf4": "netCDF4"}.get(engine, engine))
    if engine == "scipy":
        if cube["v"].dtype == "uint8":  # which NetCDF 3 has not
            cube = cube.astype("int16")
        cube.to_netcdf(path, engine="scipy", format="NETCDF3_64BIT")
        return
    encoding: Mapping[str, Any] = {"v": {**cube["v"].encoding, **({"chunksizes": chunks} if chunks else {})}}
    cube.to_netcdf(path, engine=engine, encoding=encoding)


def put_together(variable: Any) -> NDArray[Any]:
    """Return all of a variable, by whole() or chunk by chunk."""
    if variable.edges is None:
        whole: NDArray[Any] = variable.whole()
        return whole
    found = np.empty(variable.shape, variable.dtype)
    places = list(np.ndindex(*(len(begins) - 1 for begins in variable.edges)))
    for place, chunk in zip(places, variable.read(places), strict=True):
        box = tuple(slice(begins[k], begins[k + 1]) for begins, k in zip(variable.edges, place))
        assert chunk.shape == found[box].shape
        assert chunk.dtype == variable.dtype
        found[box] = chunk
    return found


def same(variable: Any, expected: xr.DataArray) -> None:
    """Make sure that a variable is what xarray says: dimensions, shape, values; and dtype but for the byte order."""
    assert variable.dims == expected.dims
    assert variable.shape == expected.shape
    assert variable.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
    if variable.edges is not None:
        for begins, length in zip(variable.edges, variable.shape, strict=True):
            assert begins[0] == 0
            assert begins[-1] == length
            assert (np.diff(begins) > 0).all()
    np.testing.assert_array_equal(put_together(variable), expected.values)
