"""The identity of a cube changes when its content does, and is the same wherever and however often it is opened."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")
da = pytest.importorskip("dask.array")

from headrace.cubes.once import Once  # noqa: E402
from headrace.cubes.reading import identity  # noqa: E402
from headrace.cubes.reading.adopt import adopt  # noqa: E402
from tests.cubes import making  # noqa: E402


def later(folder: Path) -> None:
    """Let time pass for the files below a folder."""
    for path in (folder, *folder.rglob("*")):
        about = path.stat()
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns - 10**9))


@pytest.mark.parametrize("kind", ["v2", "v3", "netcdf4", "h5netcdf", "scipy"])
def test_files_known_again_in_another_process(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("cube.zarr" if kind in ("v2", "v3") else "cube.nc")

    def write(cube: Any) -> None:
        if path.suffix == ".nc":
            path.unlink(missing_ok=True)
            making.to_netcdf(cube, path, kind)
        else:
            making.to_zarr(cube, str(path), version=int(kind[1]))
            later(tmp_path)

    cube = making.dataset("packed")
    write(cube)
    known = adopt(path).identity
    assert adopt(str(path)).identity == known
    code = "import sys; from headrace.cubes.reading.adopt import adopt; print(adopt(sys.argv[1]).identity)"
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout.strip() == known
    settings: dict[str, Any] = {"engine": "zarr", "consolidated": False} if path.suffix == ".zarr" else {}
    opened = xr.open_dataset(path, chunks=None, **settings)
    assert adopt(opened).identity == known
    assert adopt(opened.isel(time=slice(1, None))).identity != known
    opened.close()
    if path.suffix == ".nc":
        os.utime(path, ns=(0, 0))
    else:
        zarr.open_group(path)["v"][0, 0, 0] = 7
    assert adopt(path).identity != known


def test_dask_on_files_changes_with_them(tmp_path: Path) -> None:
    making.to_zarr(making.dataset(), str(tmp_path / "z"))
    later(tmp_path)
    cube = xr.open_zarr(tmp_path / "z", consolidated=False)
    known = [adopt(cube).identity, adopt(cube * 2).identity]
    again = xr.open_zarr(tmp_path / "z", consolidated=False)
    assert [adopt(again).identity, adopt(again * 2).identity] == known
    zarr.open_group(tmp_path / "z")["v"][0, 0, 0] = 7
    assert not {adopt(cube).identity, adopt(cube * 2).identity} & set(known)


def test_what_lies_in_memory_counts_by_its_content() -> None:
    numbers = making.values("uint8")
    known = adopt(numbers, making.DIMS).identity
    assert adopt(numbers.copy(), making.DIMS).identity == known
    assert adopt(numbers, ("t", "y", "x")).identity != known
    changed = numbers.copy()
    changed[3, 2, 1] += 1
    assert adopt(changed, making.DIMS).identity != known
    stores = [zarr.storage.MemoryStore(), zarr.storage.MemoryStore(), zarr.storage.MemoryStore()]
    for store, values in zip(stores, (numbers, numbers, changed)):
        zarr.create_array(store, data=values, chunks=making.CHUNKS)
    first, same, other = (adopt(zarr.open_array(store, mode="r"), making.DIMS).identity for store in stores)
    assert first == same
    assert first != other
    lazy = [adopt(da.from_array(array) + 1, making.DIMS).identity for array in (numbers, numbers.copy(), changed)]
    assert lazy[0] == lazy[1]
    assert lazy[0] != lazy[2]


def test_coordinates_count_and_attributes_do_not() -> None:
    cube = making.dataset()
    known = adopt(cube).identity
    assert adopt(cube.assign_attrs(title="another")).identity == known
    assert adopt(cube.assign_coords(x=np.arange(5.0))).identity != known
    assert adopt(cube.rename(v="w")).identity != known


def test_far_stores_say_when_they_changed() -> None:
    obstore = pytest.importorskip("obstore.store")
    inner = obstore.MemoryStore()
    making.to_zarr(making.dataset(), zarr.storage.ObjectStore(inner))
    known = adopt(inner).identity
    assert adopt(zarr.storage.ObjectStore(inner, read_only=True)).identity == known
    zarr.open_group(zarr.storage.ObjectStore(inner))["v"][0, 0, 0] = 7
    assert adopt(inner).identity != known


def test_many_files_cost_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in range(30):
        (tmp_path / f"{name}").write_bytes(b"x")
    monkeypatch.setattr(identity, "FILES", 10)
    known = identity.of_folder(tmp_path)
    assert identity.of_folder(tmp_path) == known
    (tmp_path / "31").write_bytes(b"x")
    assert identity.of_folder(tmp_path) != known


def test_it_is_of_the_time_at_which_it_is_first_asked_for(tmp_path: Path) -> None:
    making.to_zarr(making.dataset(), str(tmp_path / "z"))
    later(tmp_path)
    for opened in (tmp_path / "z", xr.open_zarr(tmp_path / "z", consolidated=False) * 2):
        early, asked = adopt(opened), adopt(opened)
        known = asked.identity
        group = zarr.open_group(tmp_path / "z")
        group["v"][0, 0, 0] = 9 - group["v"][0, 0, 0]
        assert asked.identity == known == pickle.loads(pickle.dumps(asked)).identity
        sent = pickle.loads(pickle.dumps(early)).identity
        assert sent == early.identity == adopt(opened).identity != known
        assert early.narrowed(["v"]).identity == sent
        later(tmp_path)


def test_threads_that_ask_at_once_are_told_the_same() -> None:
    made: list[int] = []

    def make() -> str:
        made.append(len(made))
        gate.wait(10)
        return f"text {threading.get_ident()}"

    gate, told = threading.Barrier(4), Once(make)
    with ThreadPoolExecutor(4) as pool:
        texts = {found.result(10) for found in [pool.submit(told) for _ in range(4)]}
    assert texts == {told()}
    assert len(made) == 4


def test_what_fails_is_tried_again() -> None:
    found = iter(["", "a text"])
    told = Once(lambda: next(found) or pytest.fail("not yet"))
    with pytest.raises(pytest.fail.Exception):
        told()
    assert told() == told() == "a text"
