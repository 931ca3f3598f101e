"""Conditions on patches beside the patches themselves, cut one by one."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.errors import ColumnError, KindError, RecordError, SchemaError
from headrace.cubes.choosing.conditions import (
    Condition,
    as_condition,
    at_center,
    center_valid,
    patch_mean,
    valid_fraction,
)
from headrace.cubes.choosing.counting import counts_by_reading, counts_by_table, means_by_reading, means_by_table
from headrace.cubes.choosing.keeper import Held
from headrace.cubes.geometry import Geometry
from headrace.cubes.source import PatchSource
from tests.cubes.drawn import InChunks, cube, patch, sources, variable


def every(source: PatchSource) -> NDArray[np.int64]:
    return np.arange(len(source), dtype=np.int64)


def by_hand(source: PatchSource, name: str, of: Callable[..., float]) -> list[float]:
    return [of(patch(source, name, number, np.nan)) for number in range(len(source))]


def mean(values: NDArray[Any]) -> float:
    return float(np.nanmean(values.astype(float))) if np.isfinite(values).any() else float("nan")


@settings(max_examples=100)
@given(sources(), st.integers(0, 9))
def test_the_share_that_is_there_and_the_mean(source: PatchSource, seed: int) -> None:
    numbers = np.random.default_rng(seed).permutation(len(source))
    for name in ("a", "b"):
        expected = np.array(by_hand(source, name, lambda values: float(np.isfinite(values).mean())))
        found, _ = valid_fraction(name).values(source, numbers, Held())
        assert found.tolist() == expected[numbers].tolist()
        expected = np.array(by_hand(source, name, mean))
        found, _ = patch_mean(name).values(source, numbers, Held())
        np.testing.assert_allclose(found, expected[numbers], rtol=1e-9, atol=1e-9)


@settings(max_examples=60)
@given(sources(fill=float("nan"), dilated=False))
def test_tables_say_what_the_patches_do(source: PatchSource) -> None:
    for name in ("a", "b"):
        one = source.cube.variables[name]
        if not one.dims:
            continue
        looked_up = counts_by_table(source, one, every(source), Held())
        assert looked_up is not None
        assert looked_up.tolist() == counts_by_reading(source, one, every(source)).tolist()
        averaged = means_by_table(source, one, every(source), Held())
        assert averaged is not None
        np.testing.assert_allclose(averaged, means_by_reading(source, one, every(source)), rtol=1e-6, atol=1e-6)


@settings(max_examples=60)
@given(sources())
def test_the_middle(source: PatchSource) -> None:
    for name in ("a", "b"):
        axes = [axis for axis in source.geometry.axes if axis.kept and axis.name in source.cube.variables[name].dims]
        middle = tuple(axis.size // 2 for axis in axes)
        values = np.array(by_hand(source, name, lambda values, at=middle: float(values[at])))
        assert center_valid(name).keep(source, every(source)).tolist() == np.isfinite(values).tolist()
        assert (at_center(name) > 0).keep(source, every(source)).tolist() == (values > 0).tolist()


@settings(max_examples=60)
@given(sources(), st.floats(0, 1), st.floats(0, 1))
def test_conditions_are_put_together(source: PatchSource, low: float, high: float) -> None:
    a = valid_fraction("a").values(source, every(source), Held())[0]
    b = valid_fraction("b").values(source, every(source), Held())[0]
    made = ((valid_fraction("a") > low) & ~(valid_fraction("b") >= high)) | (valid_fraction("a") == 0)
    assert made.keep(source, every(source)).tolist() == (((a > low) & ~(b >= high)) | (a == 0)).tolist()
    assert (valid_fraction("a") < valid_fraction("b")).keep(source, every(source)).tolist() == (a < b).tolist()
    said = as_condition(lambda batch: np.isfinite(batch["a"]).reshape(len(batch["a"]), -1).mean(1) > low)
    if source.geometry.fill == "reflect" or not source.geometry.pads:
        assert said.keep(source, every(source)).tolist() == (a > low).tolist()


LENGTHS = {"time": 12, "lat": 8, "lon": 8}


@pytest.fixture
def source() -> PatchSource:
    sst = np.arange(12 * 8 * 8, dtype="f4").reshape(12, 8, 8)
    sst[:, :4, :4] = np.nan
    flags = np.tile(np.arange(8) > 3, (8, 1))
    made = cube(
        LENGTHS,
        variable("sst", ("time", "lat", "lon"), sst, (5, 4, 4)),
        variable("land", ("lat", "lon"), flags),
        variable("when", ("time",), np.arange("2001-01-01", "2001-01-13", dtype="M8[D]").astype("M8[ns]")),
        coords=[
            variable("time", ("time",), np.arange("2001-01-01", "2001-01-13", dtype="M8[D]").astype("M8[ns]")),
            variable("lat", ("lat",), np.linspace(70, 0, 8)),
            variable("area", ("lon", "lat"), np.arange(64.0).reshape(8, 8)),
            variable("name", ("lon",), np.array(list("abcdefgh"))),
        ],
    )
    return PatchSource(made, Geometry.of(LENGTHS, {"time": 6, "lat": 4, "lon": 4}))


def kept(source: PatchSource, condition: Any) -> list[int]:
    return np.flatnonzero(as_condition(condition).keep(source, every(source))).tolist()


def test_by_what_they_hold(source: PatchSource) -> None:
    assert kept(source, valid_fraction("sst") > 0.9) == [1, 2, 3, 5, 6, 7]
    assert kept(source, ~center_valid("sst")) == [0, 4]
    assert kept(source, patch_mean("sst") > 500) == [5, 6, 7]
    assert kept(source, patch_mean("sst") != 0) == list(range(8))  # NaN, too, as it is with NaN
    assert kept(source, patch_mean("land") == 1) == [1, 3, 5, 7]
    assert kept(source, lambda batch: batch["sst"][:, 0, 0, 0] > 300) == [5, 6, 7]


def test_by_where_they_lie(source: PatchSource) -> None:
    later = at_center("time") >= np.datetime64("2001-01-07")
    assert kept(source, later) == [4, 5, 6, 7]
    assert kept(source, at_center("time") >= "2001-01-07") == [4, 5, 6, 7]
    assert kept(source, at_center("when") < "2001-01-07") == [0, 1, 2, 3]
    assert kept(source, at_center("lat") > 40) == [0, 1, 4, 5]
    assert kept(source, at_center("lon") == 6) == [1, 3, 5, 7]  # no labels: the number of the element
    assert kept(source, at_center("area") == 6 * 8 + 2) == [1, 5]
    assert kept(source, at_center("name") == "g") == [1, 3, 5, 7]
    assert kept(source, valid_fraction("when") == 1) == list(range(8))


def test_the_right_one_is_asked_where_the_left_one_leaves_it_open(source: PatchSource) -> None:
    asked: list[int] = []

    def noted(batch: Any) -> Any:
        asked.append(len(batch["sst"]))
        return np.ones(len(batch["sst"]), bool)

    assert kept(source, (valid_fraction("sst") > 0.9) & noted) == [1, 2, 3, 5, 6, 7]
    assert sum(asked) == 6
    assert kept(source, (valid_fraction("sst") > 0.9) | noted) == list(range(8))
    assert sum(asked) == 8


def test_one_table_does_for_all_that_ask_for_it(source: PatchSource) -> None:
    sst = source.cube.variables["sst"]
    assert isinstance(sst, InChunks)
    held = Held()
    for condition in (valid_fraction("sst") > 0.9, (valid_fraction("sst") < 0.1) | (valid_fraction("sst") > 0.5)):
        condition.keep(source, every(source), held)
    other = PatchSource(source.cube, Geometry.of(LENGTHS, {"time": 2, "lat": 3, "lon": 5}))
    (valid_fraction("sst") > 0.5).keep(other, every(other), held)
    assert len(sst.asked) == len(set(sst.asked)) == 12
    (patch_mean("sst") > 0).keep(source, every(source), held)
    assert len(sst.asked) == 24


def test_without_an_identity_nothing_outlives_the_call(source: PatchSource) -> None:
    held = Held()
    nameless = PatchSource(cube(LENGTHS, source.cube.variables["sst"], identity=""), source.geometry)  # type: ignore[arg-type]
    (valid_fraction("sst") > 0.5).keep(nameless, every(nameless), held)
    assert not held._arrays


def test_a_few_patches_are_read_themselves(source: PatchSource) -> None:
    sst = source.cube.variables["sst"]
    assert isinstance(sst, InChunks)
    small = PatchSource(source.cube, Geometry.of(LENGTHS, {"time": 1, "lat": 2, "lon": 2}))
    assert (valid_fraction("sst") == 1).keep(small, np.array([15, 0])).tolist() == [True, False]
    assert set(sst.asked) == {(0, 0, 0), (0, 1, 1)}


def test_without_room_for_a_table_patches_are_read(source: PatchSource) -> None:
    keeper = Held(100)
    assert (valid_fraction("sst") > 0.9).keep(source, every(source), keeper).tolist() == [
        *([False, True, True, True] * 2)
    ]
    assert np.flatnonzero((patch_mean("sst") > 500).keep(source, every(source), keeper)).tolist() == [5, 6, 7]


def test_infinite_values_do_not_spoil_their_neighbours() -> None:
    values = np.ones((4, 4))
    values[0, 0], values[1, 3], values[1, 2], values[2, :2] = np.inf, np.inf, -np.inf, np.nan
    one = PatchSource(
        cube({"y": 4, "x": 4}, variable("v", "yx", values)), Geometry.of({"y": 4, "x": 4}, {"y": 2, "x": 2})
    )
    found, _ = patch_mean("v").values(one, every(one), Held())
    np.testing.assert_equal(found, [np.inf, np.nan, 1, 1])
    assert valid_fraction("v").values(one, every(one), Held())[0].tolist() == [1, 1, 0.5, 1]


def test_whole_numbers_need_no_table() -> None:
    flat = variable("v", "x", np.arange(6, dtype="i4"), (2,))
    assert isinstance(flat, InChunks)
    one = PatchSource(cube({"x": 6}, flat), Geometry.of({"x": 6}, {"x": 4}, partial="pad", fill=0))
    assert valid_fraction("v").values(one, every(one), Held())[0].tolist() == [1, 0.5]
    assert not flat.asked
    assert patch_mean("v").values(one, every(one), Held())[0].tolist() == [1.5, 4.5]


def test_a_fill_value_does_not_count() -> None:
    values = np.array([1.0, 2, np.nan, 4, 5, 6])
    made = cube({"x": 6}, variable("v", "x", values))
    for geometry in (
        Geometry.of({"x": 6}, {"x": 4}, partial="pad", fill=0.0),
        Geometry.of({"x": 6}, {"x": 2}, dilation={"x": 3}, stride={"x": 4}, partial="pad", fill=0.0),
    ):
        one = PatchSource(made, geometry)
        expected = [np.isfinite(patch(one, "v", number, np.nan)).mean() for number in range(len(one))]
        assert valid_fraction("v").values(one, every(one), Held())[0].tolist() == expected
    one = PatchSource(made, Geometry.of({"x": 6}, {"x": 4}, partial="pad", fill="reflect"))
    assert valid_fraction("v").values(one, every(one), Held())[0].tolist() == [0.75, 1]


def test_a_middle_past_an_end_is_not_there() -> None:
    labels = variable("x", "x", np.arange(4))
    made = cube({"x": 4}, variable("v", "x", np.zeros(4)), coords=[labels])
    one = PatchSource(made, Geometry.of({"x": 4}, {"x": 4}, stride={"x": 1}, offset={"x": -3}, partial="pad"))
    assert kept(one, center_valid("v")) == [1, 2, 3] and len(one) == 4
    assert kept(one, at_center("x") < 9) == [1, 2, 3]
    assert kept(one, at_center("x") != 1) == [0, 1, 3]


def test_dates_of_other_calendars() -> None:
    cftime = pytest.importorskip("cftime")
    days = np.array([cftime.Datetime360Day(2000, 2, day) for day in (28, 29, 30)], object)
    made = cube({"time": 3}, variable("v", ("time",), np.zeros(3)), coords=[variable("time", ("time",), days)])
    one = PatchSource(made, Geometry.of({"time": 3}, {"time": 1}))
    assert kept(one, at_center("time") >= cftime.Datetime360Day(2000, 2, 29)) == [1, 2]


def test_dates_that_are_not_there() -> None:
    days = np.array(["2001-01-01", "NaT", "2001-01-03", "NaT"], "M8[ns]")
    one = PatchSource(
        cube({"x": 4}, variable("when", "x", days, (3,))), Geometry.of({"x": 4}, {"x": 2}, stride={"x": 1})
    )
    assert valid_fraction("when").values(one, every(one), Held())[0].tolist() == [0.5, 0.5, 0.5]
    assert center_valid("when").keep(one, every(one)).tolist() == [False, True, False]
    assert (at_center("when") > "2001").keep(one, every(one)).tolist() == [False, True, False]


def test_what_is_held_does_not_travel(source: PatchSource) -> None:
    held = Held(1 << 20)
    (valid_fraction("sst") > 0.5).keep(source, every(source), held)
    again = pickle.loads(pickle.dumps(held))
    assert held._arrays and not again._arrays and again.most_bytes == 1 << 20


# Words


def test_they_are_shown_as_they_are_written() -> None:
    condition = (valid_fraction("sst") > 0.9) & ~center_valid("land") | (
        at_center("time") >= np.datetime64("2001-01-01")
    )
    text = (
        "((valid_fraction('sst') > 0.9) & ~center_valid('land')) | (at_center('time') >= np.datetime64('2001-01-01'))"
    )
    assert repr(condition) == text
    assert repr(~(patch_mean("a") < patch_mean("b"))) == "~(patch_mean('a') < patch_mean('b'))"
    assert repr(~(center_valid("a") | len)) == "~(center_valid('a') | len)"
    assert repr(0.5 < valid_fraction("a")) == "valid_fraction('a') > 0.5"


def test_an_identity_tells_functions_apart() -> None:
    one, other = as_condition(lambda batch: batch["a"] > 1), as_condition(lambda batch: batch["a"] > 2)
    assert repr(one) == repr(other) and one.identity() != other.identity()
    assert (one & center_valid("a")).identity() != (other & center_valid("a")).identity()
    assert (~one | one).identity() != (~other | one).identity()
    assert (valid_fraction("a") > 1).identity() == "valid_fraction('a') > 1"


def test_they_travel() -> None:
    condition = (valid_fraction("sst") > 0.9) & ~center_valid("land") | (
        at_center("time") >= np.datetime64("2001-01-01")
    )
    assert repr(pickle.loads(pickle.dumps(condition))) == repr(condition)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: (valid_fraction("a") > 0.5) and center_valid("a"),
        lambda: center_valid("a") or center_valid("b"),
        lambda: not center_valid("a"),
        lambda: 0.2 < valid_fraction("a") < 0.5,
        lambda: bool(valid_fraction("a")),
        lambda: as_condition(valid_fraction("a")),
        lambda: as_condition("sst > 1"),
        lambda: center_valid("a") & 1,
        lambda: valid_fraction("a") > [1, 2],
        lambda: valid_fraction("a") > center_valid("a"),
    ],
    ids=["and", "or", "not", "chained", "bool", "quantity", "text", "number", "list", "condition"],
)
def test_what_cannot_be_meant(wrong: Callable[[], object]) -> None:
    with pytest.raises(KindError):
        wrong()


def test_and_says_what_to_write() -> None:
    with pytest.raises(KindError, match=r"a & b"):
        assert center_valid("a") and center_valid("b")


@pytest.mark.parametrize(
    "condition", [valid_fraction("sts") > 0, patch_mean("sts") > 0, center_valid("sts"), at_center("sts") > 0], ids=repr
)
def test_unknown_names(source: PatchSource, condition: Condition) -> None:
    with pytest.raises(ColumnError, match=r"no column 'sts'.*Did you mean 'sst'"):
        condition.keep(source, every(source))


def test_values_of_other_kinds(source: PatchSource) -> None:
    with pytest.raises(KindError, match="datetime64"):
        (patch_mean("when") > 1).keep(source, every(source))
    with pytest.raises(KindError, match=r"at_center\('name'\) < 3"):
        (at_center("name") < 3).keep(source, every(source))
    with pytest.raises(KindError, match="yesterday"):
        (at_center("time") < "yesterday").keep(source, every(source))


def test_functions_that_fail(source: PatchSource) -> None:
    with pytest.raises(RecordError, match=r"where\(lambda\) failed on patches such as 0: ColumnError"):
        as_condition(lambda batch: batch["nothing"]).keep(source, every(source))
    with pytest.raises(SchemaError, match=r"booleans of shape \(8,\), got float32"):
        as_condition(lambda batch: batch["sst"]).keep(source, every(source))


def test_no_patches_at_all(source: PatchSource) -> None:
    unknown = valid_fraction("sts") > 0
    for condition in ((center_valid("sst") & unknown), (center_valid("sst") | unknown), ~unknown):
        with pytest.raises(ColumnError):
            condition.keep(source, np.array([], np.int64))
    for condition in (valid_fraction("sst") > 0, center_valid("sst"), at_center("time") > "2001", as_condition(len)):
        assert condition.keep(source, np.array([], np.int64)).shape == (0,)
