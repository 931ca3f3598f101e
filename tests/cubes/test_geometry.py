"""Geometry: against windows that are enumerated one by one."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headrace.core.errors import ArgumentError, KindError
from headrace.cubes.axis import Axis
from headrace.cubes.geometry import FEW, Geometry
from headrace.cubes.places import Anywhere
from tests.cubes.oracle import begins, geometries

ANY = settings(max_examples=80, deadline=None)


@ANY
@given(geometries())
def test_windows_are_those_that_enumeration_gives(geometry: Geometry) -> None:
    where = begins(geometry)
    assert len(geometry) == len(where) == int(np.prod(geometry.shape))
    found = geometry.starts(np.arange(len(where)))
    assert found.dtype == np.int64
    assert found.shape == (len(where), len(geometry.dims))
    assert [tuple(row) for row in found.tolist()] == where


@ANY
@given(geometries(), st.data())
def test_windows_come_in_any_order_and_as_often_as_asked_for(geometry: Geometry, data: st.DataObject) -> None:
    assume(len(geometry))
    numbers = np.array(data.draw(st.lists(st.integers(0, len(geometry) - 1), max_size=8)), np.int64)
    numbers.flags.writeable = False
    where = begins(geometry)
    assert [tuple(row) for row in geometry.starts(numbers).tolist()] == [where[at] for at in numbers.tolist()]


@ANY
@given(geometries())
def test_every_window_has_an_element_and_all_lie_inside_but_for_those_filled_up(geometry: Geometry) -> None:
    found = geometry.starts(np.arange(len(geometry)))
    for place, axis in enumerate(geometry.axes):
        begin, end = found[:, place], found[:, place] + axis.span
        outside = ((begin < 0) | (end > axis.length)).any()
        assert not outside or axis.name in geometry.padded
        assert ((end > 0) & (begin < axis.length)).all()
        if axis.name in geometry.padded and geometry.places is None and len(geometry):
            assert outside  # what is said to be filled up is


@ANY
@given(geometries())
def test_filled_up_and_moved_windows_cover_the_end(geometry: Geometry) -> None:
    if geometry.places is not None or not len(geometry):
        return
    found = geometry.starts(np.arange(len(geometry)))
    for place, axis in enumerate(geometry.axes):
        if axis.partial != "drop" and axis.stride <= axis.span:
            assert (found[:, place] + axis.span).max() >= axis.length


@ANY
@given(geometries(), st.data())
def test_a_window_is_what_isel_takes(geometry: Geometry, data: st.DataObject) -> None:
    assume(len(geometry))
    number = data.draw(st.integers(-len(geometry), len(geometry) - 1))
    start = begins(geometry)[number]
    for place, axis in enumerate(geometry.axes):
        elements = [start[place] + at * axis.dilation for at in range(axis.size)]
        inside = [at for at in elements if 0 <= at < axis.length]
        assert list(range(axis.length))[geometry[number][axis.name]] == inside
    assert geometry[[number]] == [geometry[number]]
    assert geometry[:] == [geometry[at] for at in range(len(geometry))]
    assert geometry[-2:] == geometry[:][-2:]


@ANY
@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 3), st.integers(-20, 20))
def test_positions_outside_are_minus_one_or_mirrored(length: int, size: int, dilation: int, start: int) -> None:
    axis = Axis("x", length, size, 1, 0, dilation, "pad")
    elements = [start + at * dilation for at in range(size)]
    expected = [at if 0 <= at < length else -1 for at in elements]
    assert axis.positions(np.array([start])).tolist() == [expected]
    wide = np.pad(np.arange(length), 64, mode="reflect")
    assert axis.positions(np.array([start]), True).tolist() == [[int(wide[at + 64]) for at in elements]]


@ANY
@given(geometries())
def test_it_comes_back_from_json_and_from_pickles(geometry: Geometry) -> None:
    for again in (Geometry.from_json(geometry.to_json()), pickle.loads(pickle.dumps(geometry))):
        assert again == geometry
        assert hash(again) == hash(geometry)
        assert again.text == geometry.text
        assert again.to_json() == geometry.to_json()
        np.testing.assert_array_equal(again.starts(np.arange(len(again))), geometry.starts(np.arange(len(again))))


@pytest.mark.parametrize("fill", [np.float32(2.5), np.int8(3), np.float64("nan"), 7, float("inf"), "reflect"])
def test_any_number_can_fill_and_comes_back(fill: Any) -> None:
    geometry = Geometry.of({"x": 5}, {"x": 2}, partial="pad", fill=fill)
    again = Geometry.from_json(geometry.to_json())
    assert again == geometry
    assert again.fill == fill or fill != fill


@pytest.mark.parametrize("fill", ["mirror", None, [1], np.zeros(3)])
def test_what_cannot_fill_is_refused(fill: Any) -> None:
    with pytest.raises(ArgumentError, match="fill must be a number or 'reflect'"):
        Geometry.of({"x": 5}, {"x": 2}, partial="pad", fill=fill)


def test_another_geometry_is_another() -> None:
    first = Geometry.of({"x": 9, "y": 9}, {"x": 3, "y": 3})
    others = [
        Geometry.of({"x": 9, "y": 9}, {"x": 3, "y": 2}),
        Geometry.of({"x": 9, "y": 9}, {"x": 3, "y": 3}, overlap={"x": 1}),
        Geometry.of({"x": 9, "y": 9}, {"x": 3, "y": 3}, offset={"x": 1}),
        Geometry.of({"x": 9, "y": 9}, {"x": 3, "y": 3}, partial="pad"),
        Geometry.of({"x": 9, "y": 9}, {"x": 3, "y": 3}, fill=0),
        Geometry.of({"y": 9, "x": 9}, {"x": 3, "y": 3}),
        Geometry.of({"x": 9, "y": 9}, {"x": 3}, batch_dims="y"),
        first.sample(5, 0),
        first.sample(5, 1),
        first.at(("x",), np.array([[1]])),
        first.at(("x",), np.array([[2]])),
    ]
    assert len({first, *others}) == 1 + len(others)
    assert first == Geometry.of({"x": 9, "y": 9}, {"x": 3, "y": 3})
    assert first != 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "fill": 0, "axes": [{"name": 1}]}'])
def test_what_is_no_geometry_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="geometry"):
        Geometry.from_json(text)


def test_a_thousand_million_windows_take_no_memory() -> None:
    geometry = Geometry.of({"t": 10**6, "y": 10**4, "x": 10**4}, {"t": 10, "y": 32, "x": 32}, stride={"y": 1, "x": 1})
    assert len(geometry) == 10**5 * 9969 * 9969
    assert geometry.starts(np.array([len(geometry) - 1])).tolist() == [[10**6 - 10, 9968, 9968]]
    json.loads(geometry.to_json())


@ANY
@given(geometries())
def test_many_windows_and_few_are_the_same(geometry: Geometry) -> None:
    assume(len(geometry))
    numbers = np.arange(FEW + 1) % len(geometry)
    np.testing.assert_array_equal(geometry.starts(numbers), geometry.starts(np.arange(len(geometry)))[numbers])


# Windows that lie anywhere


def test_windows_anywhere_lie_within_and_evenly() -> None:
    geometry = Geometry.of({"t": 3, "y": 20, "x": 9}, {"y": 5, "x": 9}, batch_dims="t").sample(16_000, seed=1)
    assert len(geometry) == 16_000
    found = geometry.starts(np.arange(len(geometry)))
    assert set(found[:, 2].tolist()) == {0}
    for place, count in ((0, 3), (1, 16)):
        times = np.bincount(found[:, place], minlength=count)
        assert len(times) == count
        mean = 16_000 / count
        assert ((times - mean) ** 2 / mean).sum() < count + 5 * (2 * count) ** 0.5  # chi squared
    both = np.bincount(found[:, 0] * 16 + found[:, 1], minlength=48)  # dimensions do not depend on each other
    assert ((both - 16_000 / 48) ** 2 / (16_000 / 48)).sum() < 48 + 5 * 96**0.5


def test_windows_anywhere_are_the_same_whenever_they_are_asked_for() -> None:
    geometry = Geometry.of({"y": 200, "x": 90}, {"y": 5, "x": 9}).sample(1000, seed=3)
    found = geometry.starts(np.arange(1000))
    np.testing.assert_array_equal(geometry.starts(np.array([7, 3, 999])), found[[7, 3, 999]])
    np.testing.assert_array_equal(Geometry.from_json(geometry.to_json()).starts(np.arange(1000)), found)
    shorter = Geometry.of({"y": 200, "x": 90}, {"y": 5, "x": 9}).sample(10, seed=3)
    np.testing.assert_array_equal(shorter.starts(np.arange(10)), found[:10])  # more windows change none
    assert len(np.unique(found, axis=0)) > 900


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**70), st.integers(0, 5), st.integers(0, 2**33))
def test_draws_stay_within_any_bounds(seed: int, low: int, width: int) -> None:
    found = Anywhere(("x",), 1000, seed, (low,), (low + width,)).starts(np.arange(1000))
    assert low <= found.min() <= found.max() <= low + width


@pytest.mark.parametrize("seed", [-1, 0.5, None, True])
def test_what_is_no_seed_is_refused_at_once(seed: Any) -> None:
    with pytest.raises(ArgumentError, match="seed"):
        Geometry.of({"x": 9}, {"x": 2}).sample(3, seed)


# What cannot be meant


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sizes": {"x": 11}}, r"'x' has 10 elements, and a window of 11, .*: take a smaller size, or partial='pad'"),
        ({"sizes": {"x": 4}, "dilation": {"x": 4}}, "dilation 4 spans 13"),
        ({"sizes": {"x": 4}, "overlap": {"x": 4}}, "overlap of 'x' must be below its size, got 4 of 4"),
        ({"sizes": {"x": 4}, "overlap": {"x": 1}, "stride": {"x": 1}}, "give one of the two"),
        ({"sizes": {"z": 4}}, "sizes: there is no dimension 'z'; there are 'x', 'y'"),
        ({"sizes": {"x": 4}, "overlap": {"z": 4}}, "overlap: there is no dimension 'z'"),
        ({"sizes": {"x": 4}, "batch_dims": ["x"]}, "in sizes and in batch_dims"),
        ({"sizes": {"x": 4}, "offset": {"x": -1}}, "take an offset of 0 or more"),
        ({"sizes": {"x": 4}, "offset": {"x": 7}}, "'x' has 10 elements"),
        ({"sizes": {"x": 4}, "partial": "keep"}, "partial must be one of"),
        ({"sizes": {"x": 0}}, "size of 'x' must be 1 or more"),
        ({"sizes": {"x": 2.5}}, "size of 'x' must be a whole number"),
        ({"sizes": {"x": 2}, "stride": {"x": 0}}, "stride of 'x' must be 1 or more"),
    ],
)
def test_what_cannot_be_meant_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Geometry.of({"x": 10, "y": 3}, **given)


def test_a_dimension_without_elements_and_points_too_near_to_an_end_are_refused() -> None:
    with pytest.raises(ArgumentError, match="'x' has no elements"):
        Geometry.of({"x": 0}, {})
    geometry = Geometry.of({"x": 10}, {"x": 4})
    with pytest.raises(ArgumentError, match="1 of 2 points are too near to an end of 'x': number 1 would begin at 7"):
        geometry.at(("x",), np.array([[0], [7]]))
    with pytest.raises(ArgumentError, match="already"):
        geometry.sample(3, 0).sample(3, 0)


def test_numbers_that_are_none_are_refused() -> None:
    geometry = Geometry.of({"x": 10}, {"x": 4})
    for wrong in (2, -3, [0, 2]):
        with pytest.raises(IndexError, match="there are 2"):
            geometry[wrong]
    strange: Any
    for strange in (1.5, True, "x", np.array([0.5]), np.zeros((1, 1), int)):
        with pytest.raises(KindError, match="whole number"):
            geometry[strange]
    assert geometry[np.array([False, True])] == [geometry[1]]
