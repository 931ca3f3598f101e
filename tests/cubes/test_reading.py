"""Whatever a variable lies in, reading it gives what xarray's ``.values`` gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")
da = pytest.importorskip("dask.array")

from headrace.cubes.adopt import adopt  # noqa: E402
from tests.cubes import making  # noqa: E402
from tests.cubes.making import same  # noqa: E402

NETCDF = ("netcdf4", "h5netcdf", "scipy")
ZARR = ("v2", "v3", "sharded", "consolidated", "zip", "memory", "fsspec", "obstore", "obstore memory")
EITHER: tuple[Any, ...] = (None, {})  # without dask, and with it
KINDS = ("numpy", *ZARR, *NETCDF)


def written(kind: str, values: str, folder: Path) -> Any:
    """Write a cube, and return what opens it lazily with or without dask."""
    cube = making.dataset(values)
    if kind == "numpy":
        return lambda chunks: cube if chunks is None else cube.chunk({"time": 3, "y": 5})
    if kind in NETCDF:
        making.to_netcdf(cube, folder / "cube.nc", kind)
        return lambda chunks: xr.open_dataset(folder / "cube.nc", engine=kind, chunks=chunks)
    store = store_of(kind, folder)
    shards = {"shards": (8, 6, 5)} if kind == "sharded" else {}
    making.to_zarr(cube, store, version=2 if kind == "v2" else 3, consolidated=kind == "consolidated", **shards)
    if kind == "zip":
        store.close()
        store = zarr.storage.ZipStore(folder / "cube.zip", mode="r")
    return lambda chunks: xr.open_zarr(store, chunks=chunks, consolidated=kind == "consolidated")


def store_of(kind: str, folder: Path) -> Any:
    if kind == "zip":
        return zarr.storage.ZipStore(folder / "cube.zip", mode="w")
    if kind == "memory":
        return zarr.storage.MemoryStore()
    if kind == "fsspec":
        return zarr.storage.FsspecStore.from_url(f"memory://{folder.name}/cube.zarr")
    if kind.startswith("obstore"):
        obstore = pytest.importorskip("obstore.store")
        inner = obstore.MemoryStore() if kind.endswith("memory") else obstore.LocalStore(folder)
        return zarr.storage.ObjectStore(inner)
    return str(folder / "cube.zarr")


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("values", making.KINDS_OF_VALUES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_as_xarray_does(kind: str, values: str, tmp_path: Path) -> None:
    opened = written(kind, values, tmp_path)
    for chunks in EITHER:
        cube = opened(chunks)
        found = adopt(cube)
        same(found.variables["v"], cube["v"])
        assert dict(found.lengths) == dict(zip(making.DIMS, making.SHAPE))
        assert list(found.coords) == list(cube.coords)
        for name, coord in cube.coords.items():
            np.testing.assert_array_equal(found.coords[name].whole(), coord.values)
        for sliced in selections(cube):
            same(adopt(sliced).variables["v"], sliced["v"])
        cube.close()


def selections(cube: Any) -> Iterator[Any]:
    yield cube.isel(time=slice(3, None))
    yield cube.isel(time=slice(1, 10, 3), x=2)
    yield cube.isel(time=slice(None, None, -2))
    yield cube.isel(time=[5, 1, 9], y=[0, 6])
    yield cube.transpose("x", "time", "y")
    yield cube.transpose("x", "time", "y").isel(y=slice(1, 5), time=slice(2, 9))


@pytest.mark.parametrize("kind", ["v2", "v3", "sharded", "netcdf4", "h5netcdf"])
def test_chunks_are_those_of_the_storage(kind: str, tmp_path: Path) -> None:
    opened = written(kind, "float32", tmp_path)
    for chunks in EITHER:
        edges = adopt(opened(chunks)).variables["v"].edges
        assert edges is not None
        if not (chunks is not None and kind == "sharded"):
            assert [begins.tolist() for begins in edges] == [[0, 4, 8, 11], [0, 3, 6, 7], [0, 5]]
    sliced = adopt(opened(None).isel(time=slice(3, None)).transpose("y", "x", "time")).variables["v"].edges
    assert sliced is not None
    assert [begins.tolist() for begins in sliced] == [[0, 3, 6, 7], [0, 5], [0, 1, 5, 8]]
