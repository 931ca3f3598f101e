"""The face of patches, used as somebody would who has a cube and a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray")

import headrace as hr  # noqa: E402
from headrace.core.errors import (  # noqa: E402
    ArgumentError,
    ColumnError,
    KindError,
    OrderError,
)
from headrace.patching import numbers_of, source_of  # noqa: E402


@pytest.fixture
def cube() -> Any:
    rng = np.random.default_rng(0)
    sst = rng.normal(15, 5, (60, 24, 32)).astype(np.float32)
    sst[:, :6, :8] = np.nan  # land
    return xr.Dataset(
        {"sst": (("time", "lat", "lon"), sst), "depth": (("lat", "lon"), rng.random((24, 32)))},
        {
            "time": np.arange("2001-01-01", "2001-03-02", dtype="M8[D]").astype("M8[ns]"),
            "lat": np.linspace(60, 30, 24),
            "lon": np.linspace(0, 31, 32),
            "season": ("time", np.repeat(["winter", "spring"], 30)),
        },
        attrs={"title": "a sea"},
    )


@pytest.fixture
def stored(cube: Any, tmp_path: Path) -> Any:
    path = tmp_path / "sea.zarr"
    cube.drop_vars("season").to_zarr(
        path, encoding={"sst": {"chunks": (10, 8, 8)}, "depth": {"chunks": (8, 8)}}, consolidated=False
    )
    return xr.open_zarr(path, consolidated=False)


SIZES = {"time": 5, "lat": 8, "lon": 8}


def same(left: Any, right: Any) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k], equal_nan=True) for k in left.keys())


def test_a_patch_is_what_isel_gives(cube: Any, stored: Any) -> None:
    for data in (cube, stored, stored.chunk({"time": 7})):
        patches = hr.patches(data, SIZES, overlap={"lat": 4})
        assert len(patches) == 12 * 5 * 4
        for number in (0, 7, len(patches) - 1, -1):
            there = cube.isel(patches.geometry[number])
            got = patches[number]
            assert set(got) == {"sst", "depth"}
            assert np.array_equal(got["sst"], there["sst"].values, equal_nan=True)
            assert np.array_equal(got["depth"], there["depth"].values)


def test_the_whole_journey_of_the_issue(stored: Any, tmp_path: Path) -> None:
    patches = hr.patches(stored, {"time": 5, "lat": 4, "lon": 4}, overlap={"lat": 2, "lon": 2})
    artifact = tmp_path / "split.json"
    asked: dict[str, Any] = {
        "by_blocks": {"time": 20, "lat": 12},
        "train": 0.7,
        "val": 0.3,
        "guard": {"time": 5},
        "seed": 0,
        "artifact": artifact,
    }
    train, val = patches.split(**asked)
    again = patches.split(**asked)
    assert np.array_equal(train.numbers(), again.train.numbers())
    with pytest.raises(hr.StateError, match="its seed is 0, not 1"):
        patches.split(**{**asked, "seed": 1})
    wet = train.where(hr.valid_fraction("sst") > 0.9)
    assert 0 < len(wet) < len(train)
    shuffled = wet.block_shuffle(memory="2 GB", seed=0)
    seen = list(shuffled.batch(16).stream(workers=2))
    assert seen[0]["sst"].shape == (16, 5, 4, 4)
    assert sum(len(batch["sst"]) for batch in seen) == len(wet)
    assert all((np.isfinite(batch["sst"]).mean((1, 2, 3)) > 0.9).all() for batch in seen)
    elements = [set(), set()]  # type: ignore[var-annotated]
    for part, found in zip((train, val), elements, strict=True):
        for number in part.numbers():
            where = part.geometry[int(number)]
            found.add((where["time"].start, where["lat"].start, where["lat"].stop))
    assert not elements[0] & elements[1]


@pytest.mark.torch
def test_batches_go_to_torch_by_name(stored: Any) -> None:
    torch = pytest.importorskip("torch")
    batch = hr.patches(stored, SIZES).shuffle(seed=0).batch(16).stream().torch().first()
    assert isinstance(batch["sst"], torch.Tensor)
    assert tuple(batch["sst"].shape) == (16, 5, 8, 8)
    labelled = hr.patches(stored, SIZES, as_xarray=True).batch(4).stream().torch().first()
    assert isinstance(labelled["depth"], torch.Tensor)


def test_a_batch_as_xarray_has_samples_first(stored: Any, cube: Any) -> None:
    patches = hr.patches(stored, SIZES, as_xarray=True).shuffle(seed=1)
    batch = patches.batch(4)[0]
    assert dict(batch.sizes) == {"sample": 4, "time": 5, "lat": 8, "lon": 8}
    assert batch.attrs == {"title": "a sea"}
    for place, number in enumerate(patches.numbers()[:4]):
        there = cube.isel(patches.geometry[int(number)])
        assert np.array_equal(batch["sst"][place], there["sst"], equal_nan=True)
        assert np.array_equal(batch["time_label"][place], there["time"])
    one = hr.patches(stored["depth"], {"lat": 8, "lon": 8}, as_xarray=True).batch(1)[0]
    assert isinstance(one, xr.DataArray)
    assert one.dims == ("sample", "lat", "lon")
    alone = next(iter(hr.patches(stored, SIZES, as_xarray=True).batch(4).stream(workers=1)))
    assert alone.identical(hr.patches(stored, SIZES, as_xarray=True).batch(4)[0])


def test_writing_to_a_batch_changes_nothing_else(cube: Any, stored: Any) -> None:
    for data in (cube, stored):
        patches = hr.patches(data, SIZES)
        before = patches.batch(4)[0]["depth"].copy()
        patches.batch(4)[0]["depth"][...] = -1
        assert np.array_equal(patches.batch(4)[0]["depth"], before)


def test_labels_come_on_request(cube: Any) -> None:
    patches = hr.patches(cube, SIZES, batch_dims=(), coords="values")
    assert patches[3]["time"].dtype.kind == "M"
    assert np.array_equal(patches[3]["lon"], cube["lon"].values[24:32])
    assert hr.patches(cube, SIZES, coords="index")[1]["lon"].tolist() == list(range(8, 16))
    assert patches.dims["sst"] == ("time", "lat", "lon")


def test_patches_around_points_of_interest(cube: Any) -> None:
    stations = {"lat": [45.3, 50.0], "lon": [10.2, 20.0]}
    around = hr.patches(cube, SIZES, centers=stations)
    assert len(around) == 2 * 12
    first = around.geometry[0]
    assert cube["lat"].values[first["lat"]][4] == pytest.approx(45.3, abs=0.7)
    assert cube["lon"].values[first["lon"]][4] == pytest.approx(10.0)
    with pytest.raises(ArgumentError, match=r"outside 'lat'.*number 1 is 90"):
        hr.patches(cube, SIZES, centers={"lat": [45.0, 90.0], "lon": [1.0, 2.0]})
    with pytest.raises(ArgumentError, match="near to an end of 'lat'"):
        hr.patches(cube, SIZES, centers={"lat": [59.9], "lon": [10.0]})
    assert len(hr.patches(cube, SIZES, centers={"lat": [59.9], "lon": [10.0]}, partial="shift")) == 12
    days = hr.patches(cube, SIZES, centers={"time": np.array(["2001-01-10"], "M8[D]")})
    assert days.geometry[0]["time"] == slice(7, 12)


def test_random_patches_lie_anywhere_in_the_cube_or_in_their_part(cube: Any) -> None:
    patches = hr.patches(cube, SIZES)
    drawn = patches.sample(200, seed=0)
    assert len(drawn) == 200
    assert len({where["lon"].start % 8 for where in drawn.geometry[:]}) == 8
    assert same(drawn[17], hr.patches(cube, SIZES).sample(200, seed=0)[17])
    train, val = patches.split(by="time", train=0.5, val=0.5, guard={"time": 4})
    inside = val.sample(100, seed=3)
    assert (
        min(where["time"].start for where in inside.geometry[:])
        >= max(train.geometry[int(number)]["time"].stop for number in train.numbers()) + 4 - 2
    )
    with pytest.raises(OrderError, match="before that"):
        train.where(hr.valid_fraction("sst") > 0.5).sample(10, seed=0)
    some = train.where(hr.valid_fraction("sst") > 0.5).sample(10, seed=0, anywhere=False)
    assert len(some) == 10


def test_splits_by_labels_keep_groups_whole(cube: Any) -> None:
    train, val = hr.patches(cube, SIZES).split(by="season", train=0.5, val=0.5)
    for part in (train, val):
        seasons = {s for n in part.numbers() for s in cube["season"].values[part.geometry[int(n)]["time"]]}
        assert len(seasons) == 1
    plain = hr.patches(cube, SIZES).split(train=0.8, val=0.2, seed=0)
    assert sum(map(len, plain)) == 144
    with pytest.raises(ArgumentError, match="guard is for a division"):
        hr.patches(cube, SIZES).split(train=0.8, val=0.2, guard={"time": 3})


def test_words_of_another_kind_are_refused_by_name(cube: Any) -> None:
    patches: Any = hr.patches(cube, SIZES)
    halves = {"train": 0.5, "val": 0.5}
    for name, wrong in (
        ("sizes must be a mapping", lambda: hr.patches(cube, None)),  # type: ignore[arg-type]
        ("batch_dims must be the name", lambda: hr.patches(cube, SIZES, batch_dims=5)),  # type: ignore[arg-type]
        ("centers must be a mapping", lambda: hr.patches(cube, SIZES, centers=[1])),  # type: ignore[arg-type]
        ("by_blocks must be a mapping", lambda: patches.split(by_blocks=5, **halves)),
        ("by must be the name", lambda: patches.split(by=["time", "lat"], **halves)),
        ("store must be a headrace.Store", lambda: patches.statistics(store="tables")),
        ("store must be a headrace.Store", lambda: patches.where(hr.center_valid("sst"), store=5)),
        ("artifact must be the path", lambda: patches.split(by="time", artifact=5, **halves)),
    ):
        with pytest.raises(KindError, match=name):
            wrong()
    with pytest.raises(ColumnError, match=r"no column 'tim'.*'time', 'lat', 'lon', 'season'"):
        patches.split(by="tim", **halves)
    sides = patches.map(lambda one: {**one, "side": one["depth"].mean() > 0.5}).split(by="side", **halves)
    assert len(sides["train"]) + len(sides["val"]) == len(patches)


def test_names_that_would_be_there_twice_are_refused_where_patches_are_made(cube: Any) -> None:
    values = np.zeros((6, 10))
    wrong = (
        xr.Dataset({"v": (("sample", "x"), values)}),
        xr.Dataset({"v": (("t", "x"), values), "sample": ("t", values[:, 0])}),
        xr.Dataset({"v": (("t", "x"), values), "t_label": ("t", values[:, 0])}),
        xr.Dataset({"v": (("t", "x"), values)}, {"t_label": ("t", values[:, 0])}),
        xr.Dataset({"v": (("t", "t_label"), values)}, {"t": np.arange(6)}),
    )
    for data in wrong:
        with pytest.raises(ArgumentError, match=r"as_xarray=True: two things would be called '(sample|t_label)'"):
            hr.patches(data, {next(iter(data["v"].dims)): 3}, as_xarray=True)
        hr.patches(data, {next(iter(data["v"].dims)): 3})


def test_batches_as_xarray_stay_so_when_they_are_scaled(cube: Any) -> None:
    kinds: tuple[tuple[Any, Any], ...] = ((cube, None), (cube["sst"], None), (cube, "index"))
    for data, coords in kinds:
        plain = hr.patches(data, SIZES, coords=coords)
        named = hr.patches(data, SIZES, as_xarray=True, coords=coords)
        for dims in (None, ("time",)) if coords else (None,):
            known = plain.statistics(dims=dims)
            expected = plain.batch(3).map(known.normalize)[0]["sst"]
            batch = named.batch(3)[0]
            scaled = named.batch(3).map(known.normalize)[0]
            assert type(scaled) is type(batch) and scaled.coords.identical(batch.coords)
            got = scaled if data is not cube else scaled["sst"]
            assert got.dims == ("sample", "time", "lat", "lon")
            assert np.array_equal(got.values, expected, equal_nan=True)
            xr.testing.assert_allclose(known.restore(scaled), batch, rtol=1e-5)


def test_a_dry_run_asks_a_condition_about_a_few_patches(stored: Any) -> None:
    patches = hr.patches(stored, SIZES)
    for condition in (
        hr.valid_fraction("sst") > 0.5,
        hr.center_valid("sst"),
        lambda batch: batch["depth"].max((1, 2)) > 0,
    ):
        chosen = patches.where(condition)
        tried = chosen.shuffle(seed=0).batch(4).stream().dry_run()
        assert not tried.problems, tried
        assert "?" in repr(chosen)  # the pass over all patches has not run
        assert "headrace.cubes" not in str(chosen.explain())
    (problem,) = patches.where(lambda batch: batch["ssst"] > 0).dry_run().problems
    assert "no column 'ssst'" in str(problem)


def test_where_takes_conditions_and_functions_and_sinks_below_orders(cube: Any) -> None:
    patches = hr.patches(cube, SIZES)
    wet = patches.where(hr.valid_fraction("sst") == 1)
    late = patches.where((hr.at_center("time") >= np.datetime64("2001-02-01")) & hr.center_valid("sst"))
    warm = patches.where(lambda batch: np.nanmean(batch["sst"], (1, 2, 3)) > 15)
    north = patches.where(hr.at_center("lat") > 45)
    assert 0 < len(late) < len(patches)
    assert 0 < len(warm) < len(patches)
    assert 0 < len(north) < len(patches)
    assert sorted(patches.shuffle(0).where(hr.valid_fraction("sst") == 1).numbers()) == wet.numbers().tolist()
    assert "where(valid_fraction('sst') == 1)" in repr(wet)
    with pytest.raises(ColumnError, match="Did you mean 'sst'"):
        patches.where(hr.valid_fraction("sts") > 0.5)
    with pytest.raises(ArgumentError, match=r"write it before batch\(\)"):
        patches.batch(4).where(hr.center_valid("sst"))
    with pytest.raises(ArgumentError, match=r"write it before batch\(\)"):
        patches.batch(4).split(by="time", a=0.5, b=0.5)
    with pytest.raises(KindError, match="compare it"):
        patches.where(hr.valid_fraction("sst"))
    assert list(wet.stream(workers=1).batch(8))


def test_tables_are_kept_in_a_store(stored: Any, tmp_path: Path) -> None:
    store = hr.Store(tmp_path / "store")
    first = hr.patches(stored, SIZES).where(hr.valid_fraction("sst") > 0.5, store=store)
    count = len(first)
    other = hr.patches(stored, {"time": 6, "lat": 4, "lon": 4}).where(hr.valid_fraction("sst") > 0.5, store=store)
    assert len(other) > 0
    assert len(store.versions("tables")) == 1
    assert len(hr.patches(stored, SIZES).where(hr.valid_fraction("sst") > 0.5)) == count


def test_statistics_normalise_what_the_model_sees(cube: Any, tmp_path: Path) -> None:
    patches = hr.patches(cube, SIZES)
    train, _ = patches.split(by="time", train=0.5, val=0.5)
    statistics = train.statistics(store=hr.Store(tmp_path / "store"))
    scaled = train.map(statistics.normalize).batch(len(train))[0]["sst"]
    assert np.nanmean(scaled) == pytest.approx(0, abs=1e-4)
    assert np.nanstd(scaled) == pytest.approx(1, abs=1e-4)
    with pytest.raises(OrderError, match="before map"):
        train.map(statistics.normalize).statistics()


def test_what_belongs_together_stays_together(cube: Any, tmp_path: Path) -> None:
    sides = []
    for name, chunks in (("x", (10, 8, 8)), ("y", (30, 24, 16))):
        cube[["sst"]].drop_vars("season").to_zarr(
            tmp_path / name, encoding={"sst": {"chunks": chunks}}, consolidated=False
        )
        sides.append(hr.patches(xr.open_zarr(tmp_path / name, consolidated=False), SIZES))
    for x, y in hr.zip(*sides).block_shuffle(memory="1 MB", lanes=2):
        assert np.array_equal(x["sst"], y["sst"], equal_nan=True)
    shuffled = [side.block_shuffle(memory="1 MB", lanes=2) for side in sides]
    with pytest.raises(OrderError, match=r"zip\(\.\.\.\) first, then block_shuffle"):
        hr.zip(*shuffled)
    assert len(hr.zip(shuffled[0], sides[1].block_shuffle(memory="1 MB", lanes=2, seed=1))) == 144
    assert len(hr.zip(shuffled[0], sides[0].map(len).block_shuffle(memory="1 MB", lanes=2))) == 144
    nothing = hr.patches(cube, SIZES).where(hr.at_center("lat") > 90)
    with pytest.raises(ArgumentError, match="nothing to measure"):
        nothing.statistics()


def test_patches_are_cached_as_any_dataset_is(cube: Any, stored: Any, tmp_path: Path) -> None:
    store = hr.Store(tmp_path / "store")
    for data in (cube, stored):
        patches = hr.patches(data, SIZES).map(lambda patch: {"mean": np.nanmean(patch["sst"])})
        cached = patches.cache(store)
        assert np.allclose(cached.collect()["mean"], patches.collect()["mean"], equal_nan=True)
        assert np.allclose(patches.cache(store).collect()["mean"], patches.collect()["mean"], equal_nan=True)
    assert len(store.versions("cache")) == 2
    chosen = hr.patches(stored, SIZES).where(hr.valid_fraction("sst") > 0.5).cache(store)
    assert len(chosen.batch(8)[0]["sst"]) == 8


def test_a_run_resumes_in_the_middle_of_a_block_shuffle(stored: Any) -> None:
    stream = hr.patches(stored, SIZES).block_shuffle(memory="400 kB", seed=0, lanes=2).batch(4).stream(epochs=2)
    whole = [batch["sst"] for batch in stream]
    running = iter(stream)
    for _ in range(17):
        next(running)
    other = iter(hr.patches(stored, SIZES).block_shuffle(memory="400 kB", seed=0, lanes=2).batch(4).stream(epochs=2))
    other.load_state_dict(running.state_dict())
    rest = [batch["sst"] for batch in other]
    assert len(rest) == len(whole) - 17
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(rest, whole[17:], strict=True))


def test_a_billion_patches_cost_nothing_to_make() -> None:
    class Vast:
        name, dims, shape = "x", ("a", "b", "c"), (10_000, 10_000, 2_000)
        dtype = np.dtype("float32")

    geometry = hr.Geometry.of({"a": 10_000, "b": 10_000, "c": 2_000}, {"a": 10, "b": 10, "c": 2}, stride={"b": 5})
    assert len(geometry) == 1000 * 1999 * 1000
    assert geometry[-1]["a"] == slice(9990, 10_000)


def test_what_patches_were_asked_of_is_told(cube: Any) -> None:
    assert source_of(hr.patches(cube, SIZES).shuffle(0).batch(4)).geometry.sizes == SIZES
    assert numbers_of(hr.patches(cube, SIZES)[::-1].batch(4), np.arange(2)).tolist() == [143, 142]
    with pytest.raises(KindError, match=r"hr\.patches"):
        source_of(hr.Dataset(range(3)))


BAD: list[tuple[dict[str, Any], str]] = [
    ({"sizes": {"time": 61}}, "'time' has 60 elements"),
    ({"sizes": {"time": 5}, "overlap": {"time": 5}}, "overlap of 'time' must be below its size"),
    ({"sizes": {"tiem": 5}}, "no dimension 'tiem'"),
    ({"sizes": {"time": 5}, "overlap": {"depth": 1}}, "no dimension 'depth'"),
    ({"sizes": {"time": 0}}, "must be 1 or more"),
    ({"sizes": {"time": 2.5}}, "whole number"),
    ({"sizes": {"time": 5}, "batch_dims": ("time",)}, "in sizes and in batch_dims"),
    ({"sizes": {"time": 5}, "partial": "wrap"}, "partial must be one of"),
    ({"sizes": {"time": 5}, "variables": ["sts"]}, "sts"),
    ({"sizes": {"time": 5}, "centers": {}}, "names no dimension"),
    ({"sizes": {"time": 5}, "chunk_cache": "much"}, "chunk_cache"),
    ({"sizes": [5, 8, 8]}, "sizes must be a mapping"),
]


@pytest.mark.parametrize(("given", "says"), BAD, ids=[says for _, says in BAD])
def test_bad_input_is_told_by_name(cube: Any, given: dict[str, Any], says: str) -> None:
    with pytest.raises(hr.HeadraceError, match=says):
        hr.patches(cube, **given)


def test_skipped_patches_are_listed_with_the_chunk_that_failed(tmp_path: Path) -> None:
    field = xr.Dataset({"x": (("t",), np.arange(100.0))})
    field.to_zarr(tmp_path / "x.zarr", encoding={"x": {"chunks": (10,)}}, consolidated=False)
    (tmp_path / "x.zarr" / "x" / "c" / "3").write_bytes(b"torn")
    stream = hr.patches(tmp_path / "x.zarr", {"t": 5}).batch(4).stream(on_error="skip")
    assert sum(len(batch["x"]) for batch in stream) == 18
    assert [failure.record for failure in stream.errors] == [6, 7]
    assert all("chunk (3,)" in str(failure) for failure in stream.errors)
