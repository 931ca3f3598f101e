"""Variables are read in threads, and in processes that they are sent to."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")
pytest.importorskip("dask")

from headrace.cubes.reading.adopt import adopt  # noqa: E402
from tests.cubes import making  # noqa: E402

KINDS = ("v2", "v3", "sharded", "zip", "dask", "computed", "netcdf4", "h5netcdf", "scipy")


def cube_of(kind: str, folder: Path) -> Any:
    cube = making.dataset("packed")
    if kind in ("netcdf4", "h5netcdf", "scipy"):
        making.to_netcdf(cube, folder / "a.nc", kind)
        return xr.open_dataset(folder / "a.nc", engine=kind, chunks=None)
    store: Any = zarr.storage.ZipStore(folder / "z.zip", mode="w") if kind == "zip" else str(folder / "z")
    shards: dict[str, Any] = {"shards": (8, 6, 5)} if kind == "sharded" else {}
    making.to_zarr(cube, store, version=2 if kind == "v2" else 3, **shards)
    if kind == "zip":
        store.close()
        store = zarr.storage.ZipStore(folder / "z.zip", mode="r")
    opened = xr.open_zarr(store, chunks={} if kind in ("dask", "computed") else None, consolidated=False)
    return opened * 1 if kind == "computed" else opened


def read(sent: bytes) -> Any:
    return making.put_together(pickle.loads(sent))


@pytest.mark.parametrize("kind", KINDS)
def test_many_threads_read_at_once(kind: str, tmp_path: Path) -> None:
    cube = cube_of(kind, tmp_path)
    variable = adopt(cube).variables["v"]
    with ThreadPoolExecutor(6) as pool:
        for found in pool.map(making.put_together, [variable] * 24):
            np.testing.assert_array_equal(found, cube["v"].values)
    cube.close()


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_processes_read_what_they_are_sent(start: str, tmp_path: Path) -> None:
    sent, expected = [], []
    for kind in KINDS:
        (tmp_path / kind).mkdir()
        cube = cube_of(kind, tmp_path / kind)
        variable = adopt(cube).variables["v"]
        making.put_together(variable)  # with zarr's event loop alive, and what it keeps for the next time
        sent.append(cloudpickle.dumps(variable))
        expected.append(cube["v"].values)
        cube.close()
    if start == "fork":
        sent, expected = sent[:6], expected[:6]  # HDF5 is not to be forked once it is loaded
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(start)) as pool:
        for found, wanted in zip(pool.map(read, sent), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
