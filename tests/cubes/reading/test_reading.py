"""Whatever a variable lies in, reading it gives what xarray's ``.values`` gives."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")
da = pytest.importorskip("dask.array")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from headrace.cubes.reading.adopt import adopt  # noqa: E402
from headrace.cubes.reading.arrays import AtHand  # noqa: E402
from headrace.cubes.reading.lazy import InChunks  # noqa: E402
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


@pytest.mark.filterwarnings("ignore:.*Zarr V3 specification")
@pytest.mark.parametrize("values", making.KINDS_OF_VALUES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_as_xarray_does(kind: str, values: str, tmp_path: Path) -> None:
    opened = written(kind, values, tmp_path)
    for chunks in EITHER:
        cube = opened(chunks)
        found = adopt(cube)
        same(found.variables["v"], cube["v"])
        assert dict(found.lengths) == dict(zip(making.DIMS, making.SHAPE))
        assert set(found.coords) == set(cube.coords)
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


keys = st.one_of(
    st.builds(slice, st.none() | st.integers(-4, 6), st.none() | st.integers(0, 9), st.sampled_from([1, 2, 3, -1, -2])),
    st.lists(st.integers(0, 4), min_size=1, max_size=6),
)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_selections_after_selections_of_any_chunks(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.integers(5, 9)) for _ in range(3))
    chunks = tuple(data.draw(st.integers(1, 9)) for _ in range(3))
    cube = making.dataset(data.draw(st.sampled_from(["float32", "packed"])), shape)
    store = zarr.storage.MemoryStore()
    making.to_zarr(cube, store, chunks, version=data.draw(st.sampled_from([2, 3])))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of xarray: that chunks separate those of the store
        asked = data.draw(st.sampled_from([None, {}, {"time": 2, "y": 3}]))
        found = xr.open_zarr(store, chunks=asked, consolidated=False)
    for _ in range(data.draw(st.integers(0, 2))):
        chosen = {dim: data.draw(keys) for dim in sorted(data.draw(st.sets(st.sampled_from(making.DIMS))))}
        within = {dim: [k % found.sizes[dim] for k in key] for dim, key in chosen.items() if isinstance(key, list)}
        found = found.isel({**chosen, **within})
        if data.draw(st.booleans()):
            found = found.transpose(*data.draw(st.permutations(making.DIMS)))
        if 0 in found.sizes.values():
            return
    same(adopt(found).variables["v"], found["v"])


def test_a_selection_by_points_is_read_through_xarray(tmp_path: Path) -> None:
    cube = written("v3", "packed", tmp_path)(None)
    points = cube.isel(time=xr.DataArray([0, 3, 10], dims="p"), y=xr.DataArray([1, 2, 2], dims="p"))
    same(adopt(points).variables["v"], points["v"])
    repeated = cube.isel(time=[2, 2, 2]).transpose("x", "y", "time")
    same(adopt(repeated).variables["v"], repeated["v"])
    single = cube.isel(time=[2]).transpose("x", "y", "time")
    same(adopt(single).variables["v"], single["v"])


CODECS = {
    "blosc": {"compressors": zarr.codecs.BloscCodec(cname="lz4", shuffle="bitshuffle")},
    "gzip and checksum": {"compressors": [zarr.codecs.GzipCodec(), zarr.codecs.Crc32cCodec()]},
    "none": {"compressors": None},
    "transposed": {"filters": [zarr.codecs.TransposeCodec(order=(2, 0, 1))]},
    "big-endian": {"serializer": zarr.codecs.BytesCodec(endian="big")},
    "sharded": {"shards": (6, 4, 5)},
}


@pytest.mark.parametrize("codec", list(CODECS))
@pytest.mark.parametrize("pipeline", ["zarr.core.codec_pipeline.BatchedCodecPipeline", "zarrs.ZarrsCodecPipeline"])
def test_codecs_of_version_3(codec: str, pipeline: str) -> None:
    if pipeline.startswith("zarrs."):
        pytest.importorskip("zarrs")
    for dtype in ("f4", "i2", "bool", "M8[s]"):
        if dtype == "M8[s]" and (pipeline.startswith("zarrs.") or making.OLD):
            continue
        array = zarr_array(dtype, **CODECS[codec])
        with zarr.config.set({"codec_pipeline.path": pipeline}):
            again = zarr.open_array(array.store, mode="r")
            same(adopt(again, making.DIMS).variables["data"], xr.DataArray(array[:], dims=making.DIMS))


def zarr_array(dtype: str, version: Any = 3, **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr: that a dtype is in no standard yet
        array = zarr.create_array(
            zarr.storage.MemoryStore(), shape=(7, 6, 5), chunks=(3, 4, 5), dtype=dtype, zarr_format=version, **settings
        )
    array[:5] = np.arange(150).reshape(5, 6, 5).astype(dtype)  # some chunks are not there
    return array


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<i2", ">i8", "bool", "<M8[s]", "<U3"])
def test_filters_and_orders_of_version_2(order: Any, dtype: str) -> None:
    numcodecs = pytest.importorskip("numcodecs")
    for filters in (None, [numcodecs.Shuffle(np.dtype(dtype).itemsize)]):
        if filters and dtype == "<U3" and making.OLD:
            continue  # which zarr 3.0 does not write
        for fill in (None, 0):
            if dtype in ("bool", "<U3", "<M8[s]") and fill is not None:
                continue
            array = zarr_array(dtype, 2, order=order, filters=filters, compressors=numcodecs.Zlib(), fill_value=fill)
            same(adopt(array, making.DIMS).variables["data"], xr.DataArray(array[:], dims=making.DIMS))


def test_missing_chunks_are_the_fill_value() -> None:
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=(5, 4), chunks=(2, 4), dtype="f4", fill_value=-7.5)
    array[2:4] = 1
    found = making.put_together(adopt(array, ("t", "x")).variables["data"])
    assert found.tolist() == [[-7.5] * 4, [-7.5] * 4, [1.0] * 4, [1.0] * 4, [-7.5] * 4]
    sharded = zarr.create_array(
        zarr.storage.MemoryStore(), shape=(8,), chunks=(2,), shards=(4,), dtype="i4", fill_value=3
    )
    sharded[2:4] = 1
    assert making.put_together(adopt(sharded, ("t",)).variables["data"]).tolist() == [3, 3, 1, 1, 3, 3, 3, 3]


def test_computed_dask_arrays_with_chunks_of_any_size() -> None:
    numbers = np.arange(130.0).reshape(13, 10)
    array = da.from_array(numbers, chunks=((1, 5, 0, 7), (4, 6))) * 2 - da.from_array(numbers, chunks=(5, 5)).mean(
        axis=0
    )
    variable = adopt(array, ("t", "x")).variables["data"]
    assert making.put_together(variable).tolist() == array.compute().tolist()
    assert all((np.diff(begins) > 0).all() for begins in variable.edges or ())
    scalar = adopt(xr.Dataset({"a": ("t", da.arange(4, chunks=2)), "b": ((), da.ones(()))}))
    assert making.put_together(scalar.variables["b"]) == 1.0


def test_dask_arrays_that_only_read_are_not_asked(tmp_path: Path) -> None:
    cube = written("v3", "packed", tmp_path)({"time": 8})
    assert type(adopt(cube).variables["v"]) is InChunks
    assert type(adopt(cube.isel(time=slice(1, 9))).variables["v"]) is not InChunks
    assert type(adopt(cube + 1).variables["v"]) is not InChunks


def test_mapped_files_stay_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", making.values("float32"))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    variable = adopt(mapped, making.DIMS).variables["data"]
    assert type(variable) is AtHand
    assert variable.whole() is mapped
    labelled = adopt(xr.Dataset({"v": (making.DIMS, mapped)})).variables["v"]
    assert np.shares_memory(labelled.whole(), mapped)


def test_variables_without_some_dimensions_and_of_other_orders(tmp_path: Path) -> None:
    cube = making.dataset()
    cube["mask"] = (("x", "y"), np.arange(35).reshape(5, 7) % 2 == 0)
    cube["day"] = ("time", np.arange(11, dtype="i2"))
    cube["one"] = ((), np.float64(3))
    cube = cube.assign_coords(area=(("y", "x"), np.ones((7, 5))), other=("elsewhere", [1, 2]))
    making.to_zarr(cube, str(tmp_path / "z"))
    for opened in (cube, xr.open_zarr(tmp_path / "z", chunks=None, consolidated=False)):
        found = adopt(opened)
        assert list(found.lengths) == ["time", "y", "x"]
        assert "other" not in found.coords
        for name in opened.data_vars:
            same(found.variables[str(name)], opened[name])
        same(found.coords["area"], opened["area"])
        assert list(adopt(opened, variables="mask").lengths) == ["x", "y"]


def test_calendars_of_cftime(tmp_path: Path) -> None:
    cftime = pytest.importorskip("cftime")
    times = xr.date_range("2000-02-28", periods=11, calendar="360_day", use_cftime=True)
    cube = making.dataset().assign_coords(time=times)
    making.to_zarr(cube, str(tmp_path / "z"))
    found = adopt(str(tmp_path / "z"))
    assert found.coords["time"].whole()[1] == cftime.Datetime360Day(2000, 2, 29)
    assert found.encoding["time"]["calendar"] == "360_day"
    same(found.variables["v"], cube["v"])
