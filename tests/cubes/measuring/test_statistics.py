"""Statistics beside NumPy's, of all patches put together; and what is scaled by them."""

from __future__ import annotations

import pickle
import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, ColumnError, KindError, SchemaError
from headrace.cubes.choosing.keeper import Held
from headrace.cubes.geometry import Geometry
from headrace.cubes.measuring.moments import Moments
from headrace.cubes.measuring.statistics import Statistics, kept_statistics, statistics
from headrace.cubes.source import PatchSource
from headrace.dataset import Dataset
from tests.cubes.drawn import DIMS, InChunks, cube, patch, sources, variable


def every(source: PatchSource) -> NDArray[np.int64]:
    return np.arange(len(source), dtype=np.int64)


def check(found: Statistics, name: str, at: tuple[int, ...], values: NDArray[Any]) -> None:
    """Compare what is known of one cell with its values."""
    values = values[~np.isnan(values)].astype(np.float64)
    assert found.count[name][at] == len(values)
    of: dict[str, Any] = {"mean": np.mean, "std": np.std, "min": np.min, "max": np.max}
    for what, function in of.items():
        expected = function(values) if len(values) else np.nan
        np.testing.assert_allclose(getattr(found, what)[name][at], expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=100)
@given(sources(), st.sets(st.sampled_from(DIMS)), st.booleans(), st.integers(0, 9))
def test_they_are_those_of_the_patches(source: PatchSource, dims: set[str], everything: bool, seed: int) -> None:
    numbers = np.random.default_rng(seed).permutation(len(source))[: max(1, len(source) // 2)]
    found = statistics(source, numbers, None if everything else sorted(dims))
    starts = source.geometry.starts(numbers)
    for name in ("a", "b"):
        own = source.dims[name]
        kept = () if everything else tuple(dim for dim in own if dim not in dims)
        assert found.dims[name] == kept and found.axes[name] == own
        cells: dict[tuple[int, ...], list[Any]] = {}
        for start, number in zip(starts, numbers, strict=True):
            values = patch(source, name, number, np.nan)
            for at in np.ndindex(values.shape):
                where = []
                for dim in kept:
                    axis = source.geometry.axis(dim)
                    begin = start[source.geometry.dims.index(dim) : source.geometry.dims.index(dim) + 1]
                    places = axis.positions(begin, source.geometry.fill == "reflect")[0]
                    where.append(int(places[at[own.index(dim)]]))
                cells.setdefault(tuple(where), []).append(values[at])
        lengths = dict(source.cube.lengths)
        assert found.mean[name].shape == tuple(lengths[dim] for dim in kept)
        for at in np.ndindex(found.mean[name].shape):
            check(found, name, at, np.array(cells.get(at, [])))


@settings(max_examples=60)
@given(st.data())
def test_pieces_are_merged_as_if_they_were_one(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    cells = data.draw(st.integers(1, 4))
    moments, seen = Moments.none(cells), [np.empty(0) for _ in range(cells)]
    for _ in range(data.draw(st.integers(0, 4))):
        rows = rng.normal(1e6, 1, (data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))))
        there = rng.random(rows.shape) < data.draw(st.sampled_from([0.0, 0.5, 1.0]))
        where = rng.integers(0, cells, len(rows))
        moments.add(where, Moments.of(rows, there))
        for row, known, cell in zip(rows, there, where, strict=True):
            seen[cell] = np.concatenate([seen[cell], row[known]])
    for cell, values in enumerate(seen):
        assert moments.count[cell] == len(values)
        if len(values):
            np.testing.assert_allclose(moments.mean[cell], values.mean(), rtol=1e-13)
            np.testing.assert_allclose(moments.std[cell], values.std(), rtol=1e-8, atol=1e-8)
            assert (moments.low[cell], moments.high[cell]) == (values.min(), values.max())


def test_small_spreads_far_from_zero() -> None:
    values = np.random.default_rng(0).normal(1e8, 1e-3, (64, 32))
    one = PatchSource(cube({"y": 64, "x": 32}, variable("v", "yx", values)), Geometry.of({"y": 64, "x": 32}, {"y": 4}))
    np.testing.assert_allclose(statistics(one, every(one)).std["v"], values.std(), rtol=1e-6)


LENGTHS = {"time": 8, "level": 3, "lat": 6}


@pytest.fixture
def source() -> PatchSource:
    rng = np.random.default_rng(1)
    air = rng.normal(10, 3, (8, 3, 6)).astype("f4") * np.array([1, 10, 100], "f4")[:, None]
    made = cube(
        LENGTHS,
        variable("air", ("time", "level", "lat"), air, (3, 2, 6)),
        variable("count", ("time", "lat"), rng.integers(0, 100, (8, 6), dtype="i2")),
        variable("land", ("lat",), np.arange(6) > 2),
        variable("flat", ("time", "lat"), np.full((8, 6), 7.0)),
        variable("none", ("time", "lat"), np.full((8, 6), np.nan, "f4")),
        variable("when", ("time",), np.arange(8).astype("M8[D]")),
    )
    return PatchSource(made, Geometry.of(LENGTHS, {"time": 4, "lat": 3}), coords="index")


def test_over_everything(source: PatchSource) -> None:
    known = statistics(source, every(source))
    air = source.cube.variables["air"]
    assert isinstance(air, InChunks)
    check(known, "air", (), air.array)
    check(known, "land", (), np.tile(np.arange(6) > 2, 2).astype(float))
    assert known.skipped == ("when",) and "when" not in known.mean
    assert known.std["flat"] == 0
    assert known.count["none"] == 0 and np.isnan(known.mean["none"]) and np.isnan(known.min["none"])
    assert known.mean["count"].dtype == np.float64 and known.count["count"].dtype == np.int64
    assert "no numbers: when" in repr(known) and "land: 12 values, mean 0.5" in repr(known)


def test_chunks_are_read_once(source: PatchSource) -> None:
    air = source.cube.variables["air"]
    assert isinstance(air, InChunks)
    statistics(source, every(source)[::-1])
    assert len(air.asked) == len(set(air.asked)) == 6


def test_by_level(source: PatchSource) -> None:
    known = statistics(source, every(source), ("time", "lat"), ["air"])
    air = source.cube.variables["air"].array  # type: ignore[attr-defined]
    assert known.dims == {"air": ("level",)} and known.cut == ()
    np.testing.assert_allclose(known.mean["air"], air.astype("f8").mean((0, 2)))
    batch = source.read(every(source))
    scaled = known.normalize(batch)
    assert isinstance(scaled, Batch) and scaled["air"].dtype == np.float32 and scaled["air"].shape == batch["air"].shape
    np.testing.assert_allclose(scaled["air"].mean((0, 1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(scaled["air"].std((0, 1, 3)), 1, rtol=1e-5)
    np.testing.assert_allclose(known.restore(scaled)["air"], batch["air"], rtol=1e-4, atol=1e-4)
    assert scaled["count"] is batch["count"]


def test_by_time_along_which_patches_are_cut(source: PatchSource) -> None:
    known = statistics(source, every(source), ("level", "lat"), ["air", "land"])
    air = source.cube.variables["air"].array  # type: ignore[attr-defined]
    assert known.dims == {"air": ("time",), "land": ()} and known.cut == ("time",)
    np.testing.assert_allclose(known.std["air"], air.astype("f8").std((1, 2)))
    batch = source.read(every(source))
    mean, std = (array[batch["time"]][:, :, None, None] for array in (known.mean["air"], known.std["air"]))
    np.testing.assert_allclose(known.normalize(batch)["air"], (batch["air"] - mean) / std, rtol=1e-4, atol=1e-5)
    record = batch[2]
    np.testing.assert_array_equal(known.normalize(record)["air"], known.normalize(batch)["air"][2])
    with pytest.raises(SchemaError, match=r"'time', along which patches are cut.*coords='index'"):
        known.normalize(batch.drop("time"))
    labels = batch.with_columns(time=batch["time"].astype("M8[D]"))
    with pytest.raises(SchemaError, match="numbers of elements of 'time', below 8"):
        known.normalize(labels)


def test_past_an_end_values_stay_as_they_are() -> None:
    made = cube({"x": 5}, variable("v", "x", np.array([1.0, 2, 3, 4, 9])))
    one = PatchSource(made, Geometry.of({"x": 5}, {"x": 3}, partial="pad", fill=-5.0), "index")
    assert statistics(one, every(one)).mean["v"] == pytest.approx(3.8)
    known = statistics(one, every(one), ())
    assert known.mean["v"].tolist() == [1, 2, 3, 4, 9] and known.count["v"].tolist() == [1] * 5
    assert known.normalize(one.read(every(one)))["v"].tolist() == [[0, 0, 0], [0, 0, -5]]


def test_what_does_not_vary_is_divided_by_one(source: PatchSource) -> None:
    known = statistics(source, every(source))
    scaled = known.normalize(source.read(every(source)))
    assert (scaled["flat"] == 0).all() and np.isnan(scaled["none"]).all()
    assert scaled["land"].dtype == np.float64 and set(np.unique(scaled["land"])) == {-1.0, 1.0}
    assert (known.restore(scaled)["flat"] == 7).all()


def test_some_variables(source: PatchSource) -> None:
    known, batch = statistics(source, every(source)), source.read(every(source))
    scaled = known.normalize(batch, only=["count"])
    assert scaled["air"] is batch["air"] and abs(scaled["count"].mean()) < 1e-9
    assert known.normalize(batch, only="count") == scaled
    with pytest.raises(ColumnError, match="Did you mean 'count'"):
        known.normalize(batch, only=["counts"])
    with pytest.raises(ColumnError, match="no column 'count'"):
        known.normalize(batch.drop("count"), only=["count"])


def test_as_a_map_of_a_dataset(source: PatchSource) -> None:
    known = statistics(source, every(source), ("time", "lat"))
    ds = Dataset(source)
    one = ds.map(known.normalize).batch(2).stream().list()
    other = ds.batch(2).map_batches(known.normalize).stream().list() if hasattr(ds, "map_batches") else one
    expected = known.normalize(source.read(every(source)))
    for batches in (one, other):
        np.testing.assert_array_equal(np.concatenate([batch["air"] for batch in batches]), expected["air"])
    assert ds.map(partial(known.normalize, only=["air"]))[0]["count"].dtype == np.int16
    again = pickle.loads(pickle.dumps(known.normalize))
    np.testing.assert_array_equal(again(source.read(every(source)))["air"], expected["air"])


def test_batches_of_batches(source: PatchSource) -> None:
    known, batch = statistics(source, every(source), ("time", "lat")), source.read(every(source))
    nested = {name: batch[name].reshape(2, 2, *batch[name].shape[1:]) for name in ("air", "count")}
    np.testing.assert_array_equal(
        known.normalize(nested)["air"].reshape(batch["air"].shape), known.normalize(batch)["air"]
    )


def test_there_and_back_as_json(source: PatchSource) -> None:
    for dims in (None, (), ("time",), ("lat", "level")):
        known = statistics(source, every(source), dims)
        again = Statistics.from_json(known.to_json())
        assert again == known and hash(again) == hash(known)
        for what in ("count", "mean", "std", "min", "max"):
            for name, array in getattr(known, what).items():
                np.testing.assert_array_equal(getattr(again, what)[name], array)
                assert getattr(again, what)[name].dtype == array.dtype
        assert (again.dims, again.axes, again.cut, again.skipped) == (known.dims, known.axes, known.cut, known.skipped)
    assert "NaN" not in known.to_json()
    assert known != statistics(source, every(source)[:2]) and known != 3


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 9}', '{"format": 1, "variables": {"a": {}}}'])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="statistics"):
        Statistics.from_json(text)


def test_infinite_values_come_back() -> None:
    one = PatchSource(cube({"x": 2}, variable("v", "x", np.array([1.0, np.inf]))), Geometry.of({"x": 2}, {"x": 1}))
    known = statistics(one, every(one))
    assert known.max["v"] == np.inf and known.mean["v"] == np.inf and np.isnan(known.std["v"])
    assert Statistics.from_json(known.to_json()) == known


def test_they_are_counted_once_where_something_keeps_them(source: PatchSource) -> None:
    air = source.cube.variables["air"]
    assert isinstance(air, InChunks)
    held = Held()
    first = kept_statistics(source, every(source), ("time",), ["air"], held)
    asked = len(air.asked)
    assert kept_statistics(source, every(source), ["time"], ["air"], held) == first
    assert len(air.asked) == asked and len(held._texts) == 1
    kept_statistics(source, every(source)[:2], ("time",), ["air"], held)
    kept_statistics(source, every(source), None, ["air"], held)
    kept_statistics(source, every(source), None, None, held)
    assert len(held._texts) == 4
    kept_statistics(source, every(source), ("time", "level", "lat"), None, held)
    assert len(held._texts) == 4  # over everything, in other words


def test_no_patches(source: PatchSource) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = statistics(source, np.array([], np.int64))
    assert known.count["air"] == 0 and np.isnan(known.std["air"])


def test_what_cannot_be_meant(source: PatchSource) -> None:
    with pytest.raises(KindError, match="'when' holds datetime64"):
        statistics(source, every(source), None, ["air", "when"])
    with pytest.raises(ColumnError, match="Did you mean 'air'"):
        statistics(source, every(source), None, ["airs"])
    with pytest.raises(ArgumentError, match="no dimension 'lats'"):
        statistics(source, every(source), ("lats",))
    known = statistics(source, every(source), ("time", "lat"))
    with pytest.raises(KindError, match="mapping of names"):
        known.normalize(np.zeros(3))
    with pytest.raises(SchemaError, match=r"'air' with axes time, level \(3\), lat; got shape \(4, 4, 2, 3\)"):
        known.normalize({"air": np.zeros((4, 4, 2, 3))})
    with pytest.raises(SchemaError, match="got shape"):
        known.normalize({"air": np.zeros(4)})
