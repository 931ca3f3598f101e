"""What can be adopted as a cube, and what is refused, in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")

from headrace.core.errors import (  # noqa: E402
    ArgumentError,
    ColumnError,
    HeadraceError,
    KindError,
    NotFoundError,
    StoreError,
)
from headrace.cubes.reading.adopt import adopt  # noqa: E402
from tests.cubes import making  # noqa: E402
from tests.cubes.making import same  # noqa: E402


def test_arrays_need_names_of_dimensions() -> None:
    found = adopt(np.zeros((2, 3)), ("y", "x"))
    assert dict(found.lengths) == {"y": 2, "x": 3}
    assert list(found.variables) == ["data"]
    assert found.coords == {}
    with pytest.raises(ArgumentError, match=r"give dims=\(\.\.\.\), one name for each"):
        adopt(np.zeros((2, 3)))
    with pytest.raises(ArgumentError, match=r"dims names 1 dimensions, and the array has 2: \(2, 3\)"):
        adopt(np.zeros((2, 3)), ("x",))
    with pytest.raises(ArgumentError, match="names a dimension twice: 'x', 'x'"):
        adopt(np.zeros((2, 3)), ("x", "x"))
    with pytest.raises(KindError, match="names of dimensions are text, got 1"):
        adopt(np.zeros((2, 3)), ("x", 1))  # type: ignore[arg-type]


def test_data_arrays_by_their_name() -> None:
    cube = making.dataset()["v"]
    assert list(adopt(cube).variables) == ["v"]
    assert list(adopt(cube.rename(None)).variables) == ["data"]
    with pytest.raises(ArgumentError, match="called 'x' as one of its coordinates"):
        adopt(cube["x"])


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ([[1.0, 2.0]], "a list is no cube; give a Dataset or DataArray .* numpy.asarray"),
        (3, "a int is no cube"),
        (None, "a NoneType is no cube"),
        ({"a": np.zeros(3)}, "a dict is no cube"),
        (np.ma.masked_array(np.zeros(3), [True, False, False]), "would lose its mask"),
    ],
    ids=["list", "number", "None", "mapping", "masked"],
)
def test_what_is_no_cube(data: Any, match: str) -> None:
    with pytest.raises(KindError, match=match):
        adopt(data, ("x",) if isinstance(data, np.ndarray) else None)


def test_frames_and_datasets_of_records() -> None:
    pd = pytest.importorskip("pandas")
    import headrace as hr

    with pytest.raises(KindError, match=r"DataFrame is no cube.*to_xarray\(\)"):
        adopt(pd.DataFrame({"a": [1]}))
    with pytest.raises(KindError, match=r"a Dataset is no cube.*has records already"):
        adopt(hr.Dataset(a=np.zeros(3)))
    with pytest.raises(ArgumentError, match="dims are for arrays without names"):
        adopt(making.dataset(), ("x",))


def test_cubes_without_anything() -> None:
    with pytest.raises(ArgumentError, match="no data variables"):
        adopt(making.dataset().drop_vars("v"))
    with pytest.raises(ArgumentError, match="no elements along 'time'"):
        adopt(making.dataset().isel(time=slice(0)))
    with pytest.raises(ArgumentError, match="'a': none has a dimension"):
        adopt(xr.Dataset({"a": 3.0}))
    with pytest.raises(ArgumentError, match="variables names none"):
        adopt(making.dataset(), variables=[])
    with pytest.raises(ColumnError, match="no column 'w'; there are 'v'"):
        adopt(making.dataset(), variables=["w"])


def test_objects_are_refused_unless_left_out() -> None:
    cube = making.dataset()
    cube["who"] = ("time", np.array(["a", None] * 5 + ["b"], object))
    with pytest.raises(KindError, match=r"'who' has dtype object.*variables=\['v'\]"):
        adopt(cube)
    assert list(adopt(cube, variables="v").variables) == ["v"]


def test_names_that_are_no_text() -> None:
    with pytest.raises(KindError, match="are text, got 3"):
        adopt(xr.Dataset({3: ("x", np.zeros(2))}))
    with pytest.raises(KindError, match="are text, got 4"):
        adopt(xr.Dataset({"a": ((4,), np.zeros(2))}))


@pytest.mark.parametrize("version", [2, 3])
def test_paths_groups_and_arrays_of_zarr(version: Any, tmp_path: Path) -> None:
    cube = making.dataset("packed")
    making.to_zarr(cube, str(tmp_path / "z"), version=version)
    group = zarr.open_group(tmp_path / "z", mode="r")
    for data in (str(tmp_path / "z"), tmp_path / "z", group, group.store, f"file://{tmp_path}/z"):
        found = adopt(data)
        same(found.variables["v"], cube["v"].astype(found.variables["v"].dtype))
        assert list(found.coords) == sorted(map(str, cube.coords))
        assert found.attrs == {"title": "a cube"}
    stored = adopt(group["v"]).variables["v"]
    assert stored.dtype == np.int16
    assert stored.dims == making.DIMS
    assert adopt(tmp_path / "z" / "v").variables["data"].dtype == np.int16
    with pytest.raises(ArgumentError, match=r"give dims=\(\.\.\.\)"):
        adopt(zarr.create_array(zarr.storage.MemoryStore(), shape=(3,), dtype="f4"))


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf", "scipy"])
def test_paths_of_netcdf(engine: str, tmp_path: Path) -> None:
    cube = making.dataset("packed")
    for name in ("a.nc", "without an ending"):
        making.to_netcdf(cube, tmp_path / name, engine)
        same(adopt(tmp_path / name).variables["v"], xr.open_dataset(tmp_path / "a.nc", engine=engine)["v"])


def test_paths_where_nothing_lies(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "none.nc", f"memory://{tmp_path.name}/none.zarr"):
        with pytest.raises(NotFoundError, match="there is no Zarr store or NetCDF file"):
            adopt(path)
    (tmp_path / "text.nc").write_text("nothing of the kind")
    with pytest.raises(StoreError, match=r"text\.nc cannot be opened"):
        adopt(tmp_path / "text.nc")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError):
        adopt(tmp_path / "folder")
    group = zarr.create_group(tmp_path / "unnamed")
    group.create_array("a", shape=(3,), dtype="f4")
    with pytest.raises(StoreError, match="unnamed cannot be opened"):
        adopt(tmp_path / "unnamed")


def test_what_it_keeps(tmp_path: Path) -> None:
    cube = making.dataset()
    cube["v"].attrs["units"] = "K"
    making.to_zarr(cube, str(tmp_path / "z"))
    found = adopt(tmp_path / "z")
    assert found.variable_attrs["v"] == {"units": "K"}
    assert found.encoding["time"]["calendar"] == "proleptic_gregorian"


def test_arrays_of_numpy_need_no_other_library() -> None:
    hide = "import sys; sys.modules.update(dict.fromkeys(['xarray', 'zarr', 'dask', 'pandas']))"
    code = f"""{hide}
import numpy as np
from headrace.cubes.reading.adopt import adopt
from headrace.core.errors import MissingExtraError
assert adopt(np.zeros((2, 3)), ("y", "x")).variables["data"].whole().shape == (2, 3)
try:
    adopt("a.zarr")
except MissingExtraError as error:
    assert 'pip install "headrace[xarray]"' in str(error), error
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_errors_are_those_of_the_library() -> None:
    with pytest.raises(HeadraceError):
        adopt(xr.Dataset())


def test_a_group_that_holds_groups_alone_names_them(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "g.zarr", mode="w").create_group("deep")
    with pytest.raises(ArgumentError, match=r"only groups \('deep'\)"):
        adopt(tmp_path / "g.zarr")
