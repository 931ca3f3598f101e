"""Random patches of a part: all of them lie in it, each place is as likely as any other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import ArgumentError
from headrace.cubes.dividing.region import sample_in
from headrace.cubes.dividing.splitting import Along, Blocks, Division, Groups, Plan, divided, draw
from headrace.cubes.geometry import Geometry

HALVES = {"train": 0.5, "val": 0.5}


def everywhere(geometry: Geometry) -> Geometry:
    """Return all windows of the same kind that lie within the cube."""
    lengths = {axis.name: axis.length for axis in geometry.axes}
    sizes = {axis.name: axis.size for axis in geometry.axes if axis.kept}
    steps = {axis.name: axis.dilation for axis in geometry.axes}
    only = [axis.name for axis in geometry.axes if not axis.kept]
    return Geometry.of(lengths, sizes, stride=dict.fromkeys(lengths, 1), dilation=steps, batch_dims=only)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_windows_lie_in_the_part_and_each_that_does_comes_as_often(data: st.DataObject) -> None:
    lengths = {"t": data.draw(st.integers(2, 12)), "y": data.draw(st.integers(2, 8)), "x": 3}
    sizes = {"t": data.draw(st.integers(1, min(4, lengths["t"]))), "y": data.draw(st.integers(1, 3))}
    sizes["y"] = min(sizes["y"], lengths["y"])
    step = data.draw(st.integers(1, max(1, (lengths["t"] - 1) // max(sizes["t"] - 1, 1))))
    partial: Any = data.draw(st.sampled_from(["drop", "pad", "shift"]))
    geometry = Geometry.of(lengths, sizes, dilation={"t": min(step, 3)}, partial=partial)
    labels = np.arange(lengths["y"] * lengths["t"]).reshape(lengths["y"], -1) // 5
    plans: list[Plan] = [Blocks({"t": 4, "y": 3}), Along("t"), Groups("g", ("y", "t"), labels)]
    plan = data.draw(st.sampled_from(plans))
    try:
        division = divided(plan, geometry, np.arange(len(geometry)), HALVES, guard={"t": data.draw(st.integers(0, 2))})
    except ArgumentError:
        return
    windows = everywhere(geometry)
    inside = windows.starts(np.arange(len(windows)))[division.part(windows, np.arange(len(windows))) == 1]
    if not len(inside):
        with pytest.raises(ArgumentError, match="lies in part 'val': take smaller patches"):
            sample_in(division, "val", geometry, 5, seed=0)
        return
    count = 40 * len(inside)
    found = sample_in(division, "val", geometry, count, seed=1)
    assert len(found) == count
    assert (division.part(found, np.arange(count)) == 1).all()
    _, times = np.unique(found.starts(np.arange(count)), axis=0, return_counts=True)
    assert len(times) <= len(inside)
    assert times.max() < 40 + 8 * np.sqrt(40)
    assert len(inside) - len(times) <= 0.05 * len(inside) + 1


def by_time() -> tuple[Geometry, Division]:
    geometry = Geometry.of({"time": 100, "lat": 20}, {"time": 10, "lat": 5})
    return geometry, draw(Along("time"), geometry, np.arange(len(geometry)), {"train": 0.7, "val": 0.3})


def test_windows_of_one_seed_are_the_same_and_more_begin_with_fewer() -> None:
    geometry, division = by_time()
    few, more, other = (sample_in(division, "val", geometry, n, seed) for n, seed in ((5, 0), (50, 0), (50, 1)))
    assert (few.starts(np.arange(5)) == more.starts(np.arange(5))).all()
    assert (other.starts(np.arange(50)) != more.starts(np.arange(50))).any()
    assert few.starts(np.arange(5)).tolist() == [[88, 5], [75, 2], [72, 12], [80, 9], [89, 8]]


def test_a_part_with_room_for_one_window_in_a_million_is_found() -> None:
    geometry = Geometry.of({"t": 1000, "y": 1000}, {"t": 100, "y": 100})
    labels = np.zeros((1000, 1000), np.int8)
    labels[300:400, 500:600] = 1
    division = draw(Groups("g", ("t", "y"), labels), geometry, np.arange(len(geometry)), {"a": 0.99, "b": 0.01})
    found = sample_in(division, "b", geometry, 3, seed=0)
    assert found.starts(np.arange(3)).tolist() == [[300, 500]] * 3


def test_dimensions_that_only_number_patches_are_drawn_too() -> None:
    geometry = Geometry.of({"time": 100, "lat": 20}, {"lat": 5}, batch_dims=["time"])
    division = draw(Along("time"), geometry, np.arange(len(geometry)), HALVES)
    starts = sample_in(division, "val", geometry, 500, seed=0).starts(np.arange(500))
    assert starts[:, 0].min() == 50
    assert starts[:, 0].max() == 99
    assert {*starts[:, 1].tolist()} == {*range(16)}


def test_no_windows_are_none() -> None:
    geometry, division = by_time()
    assert len(sample_in(division, "train", geometry, 0, seed=0)) == 0


def test_what_cannot_be_drawn_is_refused() -> None:
    geometry, division = by_time()
    with pytest.raises(ArgumentError, match="no part 'test'; there are 'train', 'val'"):
        sample_in(division, "test", geometry, 5, seed=0)
    with pytest.raises(ArgumentError, match="at places of their own"):
        sample_in(division, "val", geometry.sample(5, 0), 5, seed=0)
    with pytest.raises(ArgumentError, match="no window that spans time=40 lies in part 'val'"):
        sample_in(division, "val", Geometry.of({"time": 100, "lat": 20}, {"time": 40}), 5, seed=0)
    with pytest.raises(ArgumentError, match="n must be 0 or more"):
        sample_in(division, "val", geometry, -1, seed=0)
