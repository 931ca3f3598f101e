"""Chunks that cannot be read are named: variable, chunk, and where it lies."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")

from headrace.core.errors import DamageError, DeniedError, NotFoundError, StoreError, UnreachableError  # noqa: E402
from headrace.cubes.reading.adopt import adopt  # noqa: E402
from tests.cubes import making  # noqa: E402


@pytest.fixture(params=["v2", "v3", "sharded"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A Zarr store, and the file of the chunk (1, 0, 0) or of the shard that holds it."""
    shards: dict[str, Any] = {"shards": (8, 6, 5)} if request.param == "sharded" else {}
    making.to_zarr(making.dataset(), str(tmp_path / "z"), version=2 if request.param == "v2" else 3, **shards)
    return tmp_path / "z", {"v2": "1.0.0", "v3": "c/1/0/0", "sharded": "c/0/0/0"}[request.param]


def read(cube: Any) -> list[Any]:
    found: list[Any] = adopt(cube).variables["v"].read([(0, 1, 0), (1, 0, 0), (2, 0, 0)])
    return found


@pytest.mark.parametrize("how", ["overwritten", "cut", "empty"])
def test_a_damaged_chunk_is_named(folder: tuple[Path, str], how: str) -> None:
    root, key = folder
    chunk = root / "v" / key
    content = chunk.read_bytes()
    chunk.write_bytes({"overwritten": b"\x17" * len(content), "cut": content[:-9], "empty": b""}[how])
    opened = xr.open_zarr(root, chunks=None, consolidated=False)
    for cube in (opened, str(root), xr.open_zarr(root, chunks={}, consolidated=False)):
        with pytest.raises(DamageError) as caught:
            read(cube)
        said = str(caught.value)
        assert "variable 'v', chunk (" in said
        assert f"'{key}' in file://{root}/v" in said
        assert "Write the chunk again" in said
    assert caught.value.__cause__ is not None


def test_a_missing_chunk_is_the_fill_value(folder: tuple[Path, str]) -> None:
    root, key = folder
    (root / "v" / key).unlink()
    fill = xr.open_zarr(root, chunks=None, consolidated=False)["v"].values[4, 0, 0]  # zarr's fill value, decoded
    np.testing.assert_array_equal(read(str(root))[1], np.full((4, 3, 5), fill, "f4"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_chunk_that_may_not_be_read(folder: tuple[Path, str]) -> None:
    root, key = folder
    (root / "v" / key).chmod(0)
    with pytest.raises(DeniedError, match=r"variable 'v', chunk \(.*Make sure that it may be read"):
        read(str(root))


def test_a_chunk_in_whose_place_is_no_file(tmp_path: Path) -> None:
    making.to_zarr(making.dataset(), str(tmp_path / "z"))
    chunk = tmp_path / "z" / "v" / "c" / "1" / "0" / "0"
    chunk.unlink()
    chunk.symlink_to(chunk)  # a circle
    with pytest.raises(StoreError, match=r"variable 'v', chunk \(1, 0, 0\), cannot be read from 'c/1/0/0'"):
        read(str(tmp_path / "z"))


class Failing(zarr.storage.WrapperStore):  # type: ignore[misc,name-defined]
    """A store that cannot be reached when a chunk is asked for."""

    error: type[Exception] = ConnectionResetError

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        if "v/c/1" in key:
            raise self.error("nobody answers")
        return await super().get(key, prototype, byte_range)


class Forbidding(Failing):
    error = PermissionError


def test_a_store_that_cannot_be_reached(tmp_path: Path) -> None:
    making.to_zarr(making.dataset(), str(tmp_path / "z"))
    store = Failing(zarr.storage.LocalStore(tmp_path / "z"))
    with pytest.raises(UnreachableError, match=r"variable 'v', chunk \(1, 0, 0\).*nobody answers"):
        read(store)
    with pytest.raises(DeniedError, match=r"variable 'v', chunk \(1, 0, 0\).*Make sure that it may be read"):
        read(Forbidding(zarr.storage.LocalStore(tmp_path / "z")))
    sharded = zarr.storage.MemoryStore()
    making.to_zarr(making.dataset(), sharded, (2, 3, 5), shards=(4, 6, 5))
    with pytest.raises(UnreachableError, match=r"variable 'v', chunk \(2, 0, 0\).*nobody answers"):
        adopt(Failing(sharded)).variables["v"].read([(2, 0, 0)])


def test_a_damaged_netcdf_file(tmp_path: Path) -> None:
    pytest.importorskip("h5netcdf")
    making.to_netcdf(making.dataset(), tmp_path / "a.nc", "h5netcdf")
    cube = xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf")
    variable = adopt(cube).variables["v"]
    cube.close()
    content = (tmp_path / "a.nc").read_bytes()
    variable = pickle.loads(pickle.dumps(variable))
    (tmp_path / "a.nc").write_bytes(content[:600])
    with pytest.raises(StoreError, match=r"variable 'v', chunk \(1, 0, 0\), cannot be read from .*a\.nc"):
        variable.read([(1, 0, 0)])


def test_a_dask_task_that_fails_is_named() -> None:
    da = pytest.importorskip("dask.array")

    def fail(block: Any, block_info: Any = None) -> Any:
        if block_info and block_info[0]["chunk-location"] == (2,):
            raise ValueError("no luck")
        return block

    array = da.map_blocks(fail, da.arange(9, chunks=2), dtype=int)
    with pytest.raises(StoreError, match=r"variable 'data', chunk \(2,\).*no luck"):
        adopt(array, ("t",)).variables["data"].read([(1,), (2,), (3,)])


def test_a_store_that_has_gone_is_no_store_without_chunks(folder: tuple[Path, str]) -> None:
    variable = adopt(str(folder[0])).variables["v"]
    folder[0].rename(folder[0].with_name("elsewhere"))
    with pytest.raises(NotFoundError, match=r"variable 'v': nothing lies at .* any more"):
        variable.read([(0, 1, 0), (1, 0, 0)])
    folder[0].with_name("elsewhere").rename(folder[0])
    assert len(variable.read([(0, 1, 0), (1, 0, 0)])) == 2
