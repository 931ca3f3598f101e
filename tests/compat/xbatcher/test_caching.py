"""Caches of batches: what was kept is given again, as it was; and only to who asks for the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")

import headrace as hr  # noqa: E402
from headrace.compat.xbatcher import BatchGenerator  # noqa: E402
from headrace.core.errors import ArgumentError, HeadraceWarning, KindError  # noqa: E402

PLACES: dict[str, Callable[[Path], Any]] = {
    "dict": lambda folder: {},
    "path": lambda folder: folder / "cache.zarr",
    "text": lambda folder: str(folder / "cache.zarr"),
    "zarr memory": lambda folder: zarr.storage.MemoryStore(),
    "zarr local": lambda folder: zarr.storage.LocalStore(folder / "cache.zarr"),
    "zarr format 3": lambda folder: zarr.open_group(folder / "cache.zarr", zarr_format=3, mode="w").store,
    "store on disk": lambda folder: hr.Store(folder),
    "store in memory": lambda folder: hr.Store(f"memory://{folder.name}"),
}
places = pytest.mark.parametrize("place", PLACES)


def cube() -> Any:
    shape = (4, 6, 8)
    return xr.Dataset(
        {
            "sst": (("time", "lat", "lon"), np.random.default_rng(0).random(shape, np.float32), {"unit": "K"}),
            "mask": (("time", "lat"), np.eye(4, 6) > 0),
        },
        {
            "time": np.arange("2000-01-01", "2000-01-05", dtype="datetime64[D]").astype("datetime64[ns]"),
            "lat": np.linspace(-1, 1, 6),
            "age": ("time", np.arange(4).astype("timedelta64[ns]")),
        },
        {"made": "here", "version": 3},
    )


class Counting:
    """A ``cache_preprocess`` that counts, which is no part of what it does."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, batch: Any) -> Any:
        self.calls.append(1)
        return batch

    def __getstate__(self) -> dict[str, Any]:
        return {"calls": []}


@places
@pytest.mark.parametrize("concat", [False, True])
@pytest.mark.parametrize("name", ["", "sst"])
def test_what_is_kept_comes_back_as_it_was(place: str, concat: bool, name: str, tmp_path: Path) -> None:
    ds = cube()[name] if name else cube()
    cache, calls = PLACES[place](tmp_path), Counting()
    arguments: dict[str, Any] = {"batch_dims": {"time": 2}, "concat_input_dims": concat}
    plain = BatchGenerator(ds, {"lon": 4, "lat": 3}, **arguments)
    kept = BatchGenerator(ds, {"lon": 4, "lat": 3}, **arguments, cache=cache, cache_preprocess=calls)
    for _ in range(2):
        for batch, expected in zip(kept, plain, strict=True):
            xr.testing.assert_identical(batch, expected)
            assert _dtypes(batch) == _dtypes(expected)
    assert len(calls.calls) == len(plain)
    again = BatchGenerator(ds, {"lon": 4, "lat": 3}, **arguments, cache=cache, cache_preprocess=calls)
    xr.testing.assert_identical(again[1], plain[1])
    assert len(calls.calls) == len(plain)


def _dtypes(batch: Any) -> dict[Any, Any]:
    return {name: batch[name].dtype for name in batch.coords} | {"": batch["sst"].dtype if "sst" in batch else 0}


def brighter(batch: Any) -> Any:
    return (batch + 1).assign_attrs(step="brighter")


@places
def test_what_the_function_makes_is_kept(place: str, tmp_path: Path) -> None:
    generator = BatchGenerator(cube()["sst"], {"lon": 4}, cache=PLACES[place](tmp_path), cache_preprocess=brighter)
    first, second = generator[1], generator[1]
    assert first.attrs["step"] == second.attrs["step"] == "brighter"
    xr.testing.assert_identical(first, second)


@pytest.mark.parametrize("place", ["dict", "path"])
def test_a_cache_of_other_data_or_arguments_is_refused(place: str, tmp_path: Path) -> None:
    cache, ds = PLACES[place](tmp_path), cube()
    BatchGenerator(ds, {"lon": 4}, cache=cache)[0]
    with pytest.raises(ArgumentError, match="made of other data: take another place"):
        BatchGenerator(ds + 1, {"lon": 4}, cache=cache)[0]
    with pytest.raises(
        ArgumentError, match=r'made of other arguments .*"input_dims": \[\["lon", 4\]\].* not .*"lon", 2'
    ):
        BatchGenerator(ds, {"lon": 2}, cache=cache)[0]
    changed = ds.copy(deep=True)
    changed["sst"][3, 5, 7] = 0
    with pytest.raises(ArgumentError, match="made of other data"):
        BatchGenerator(changed, {"lon": 4}, cache=cache)[0]


def test_a_store_keeps_batches_of_all_data_and_arguments_side_by_side(tmp_path: Path) -> None:
    store, ds = hr.Store(tmp_path), cube()
    for data in (ds, ds * 2):
        for size in (2, 4):
            for function in (None, brighter):
                one = BatchGenerator(data, {"lon": size}, cache=store, cache_preprocess=function)
                expected = BatchGenerator(data, {"lon": size})[0]
                xr.testing.assert_equal(one[0], expected if function is None else brighter(expected))
    assert len(store.versions("batches")) == 8


def test_another_function_makes_batches_anew_and_says_so() -> None:
    cache: dict[str, Any] = {}
    ds = cube()
    BatchGenerator(ds, {"lon": 4}, cache=cache, cache_preprocess=brighter)[0]
    generator = BatchGenerator(ds, {"lon": 4}, cache=cache)
    with pytest.warns(HeadraceWarning, match="holds batches of another cache_preprocess: they are made anew"):
        batch = generator[0]
    xr.testing.assert_identical(batch, BatchGenerator(ds, {"lon": 4})[0])
    xr.testing.assert_identical(generator[0], batch)


def test_a_batch_that_was_not_written_to_its_end_is_made_again() -> None:
    cache: dict[str, Any] = {}
    generator = BatchGenerator(cube(), {"lon": 4}, cache=cache)
    expected = generator[0]
    written = zarr.open_group(cache, path="0", mode="r+")
    written.attrs["headrace"] = {**written.attrs["headrace"], "whole": False}
    del cache[next(key for key in cache if key.startswith("0/sst/") and key[-1].isdigit())]
    xr.testing.assert_identical(generator[0], expected)
    xr.testing.assert_identical(generator[0], expected)


def test_a_group_that_something_else_wrote_is_refused(tmp_path: Path) -> None:
    cube().to_zarr(tmp_path / "cache.zarr", group="0", consolidated=False)
    with pytest.raises(ArgumentError, match="has a batch 0 that this cache did not write"):
        BatchGenerator(cube(), {"lon": 4}, cache=tmp_path / "cache.zarr")[0]


def test_what_is_no_cache_is_refused() -> None:
    with pytest.raises(KindError, match="cache must be a dict, the path of a Zarr group"):
        BatchGenerator(cube(), {"lon": 4}, cache=object())[0]


def test_a_batch_that_is_no_xarray_object_is_refused() -> None:
    with pytest.raises(KindError, match="a Dataset or a DataArray, got ndarray"):
        BatchGenerator(cube()["sst"], {"lon": 4}, cache={}, cache_preprocess=np.asarray)[0]


def test_a_store_refuses_what_it_would_change(tmp_path: Path) -> None:
    objects = xr.Dataset({"a": ("x", np.array([{}, {}], dtype=object))})
    with pytest.raises(KindError, match="variable 'a' holds Python objects"):
        BatchGenerator(objects, {"x": 1}, cache=hr.Store(tmp_path))[0]
    with open(tmp_path / "log", "w") as log:
        generator = BatchGenerator(
            cube(), {"lon": 4}, cache=hr.Store(tmp_path / "store"), cache_preprocess=lambda batch: (log, batch)[1]
        )
        with pytest.raises(ArgumentError, match="log"):
            generator[0]


def test_words_and_attributes_of_all_kinds_come_back_from_a_store(tmp_path: Path) -> None:
    attrs = {"n": np.float32(2), "list": [1, "a"], "array": np.arange(3), "none": None, "text": "é"}
    words = np.array(["a", "longer"], dtype=object)
    ds = xr.Dataset({"w": ("x", words, attrs), "u": ("x", np.array(["x", "yy"]))}, {"k": ("x", [1, 2])}, attrs)
    generator = BatchGenerator(ds, {"x": 2}, cache=hr.Store(tmp_path))
    for batch in (generator[0], generator[0]):
        xr.testing.assert_identical(batch, ds)
        assert batch["w"].dtype == object and batch["u"].dtype == ds["u"].dtype


@pytest.mark.parametrize("load", [True, False])
@pytest.mark.parametrize("place", ["dict", "path"])
def test_what_conventions_would_change_comes_back_as_it_was(place: str, load: bool, tmp_path: Path) -> None:
    pytest.importorskip("cftime")
    ds = xr.Dataset(
        {
            "days": ("x", [1, 2], {"units": "days"}),
            "since": ("x", [1.5, np.nan], {"units": "days since 2000-01-01", "valid_range": [0, 1]}),
            "scaled": ("x", np.array([1, 2], "i2"), {"scale_factor": 2.0}),
            "never": ("x", np.array(["NaT", "2000-01-01"], "M8[ns]")),
            "flag": ((), True, {"why": "so"}),
        },
        {
            "x": xr.date_range("2001-01-01", periods=2, calendar="noleap", use_cftime=True),
            "other": ("x", [1, 2], {"coordinates": "none"}),
        },
    )
    cache = PLACES[place](tmp_path)
    for _ in range(2):
        generator = BatchGenerator(ds, {"x": 2}, cache=cache, preload_batch=load)
        for batch in (generator[0], generator[0]):
            xr.testing.assert_identical(batch.load(), ds)


@pytest.mark.parametrize("place", ["dict", "path", "store on disk"])
@pytest.mark.parametrize("chunks", [None, {}], ids=["lazy", "dask"])
def test_lazy_data_is_known_again(place: str, chunks: Any, tmp_path: Path) -> None:
    cube().drop_vars("age").to_zarr(tmp_path / "cube.zarr", zarr_format=2, consolidated=True)
    cache, calls = PLACES[place](tmp_path), Counting()
    for load in (False, True, False):
        ds = xr.open_zarr(tmp_path / "cube.zarr", consolidated=True, chunks=chunks)
        generator = BatchGenerator(ds, {"lon": 4}, cache=cache, cache_preprocess=calls, preload_batch=load)
        expected = BatchGenerator(ds.load(), {"lon": 4})[1]
        for batch in (generator[1], generator[1]):
            xr.testing.assert_equal(batch.load(), expected)
    assert len(calls.calls) == 1


def test_several_threads_share_a_cache(tmp_path: Path) -> None:
    generator = BatchGenerator(cube(), {"lon": 4}, cache=tmp_path / "cache.zarr")
    expected = BatchGenerator(cube(), {"lon": 4})[1]
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(generator[1])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for batch in [*found, generator[1]]:
        xr.testing.assert_identical(batch, expected)
