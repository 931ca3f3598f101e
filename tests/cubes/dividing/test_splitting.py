"""Splits: no element in two parts, bands between them, shares, the same everywhere; by brute force over elements."""

from __future__ import annotations

import pickle
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError, KindError
from headrace.cubes.dividing.splitting import (
    BORDER,
    GUARD,
    NOWHERE,
    Along,
    Blocks,
    Division,
    Groups,
    Plan,
    Report,
    divided,
    draw,
    grow,
    require_some,
)
from headrace.cubes.geometry import Geometry

HALVES = {"train": 0.5, "val": 0.5}


@st.composite
def geometries(draw_: st.DrawFn, most: int = 14) -> Geometry:
    lengths = {dim: draw_(st.integers(2, most)) for dim in ["t", "y", "x"][: draw_(st.integers(1, 3))]}
    sizes, stride, dilation, offset, partial = {}, {}, {}, {}, {}
    for dim, length in lengths.items():
        sizes[dim] = draw_(st.integers(1, min(length, 4)))
        partial[dim] = draw_(st.sampled_from(["drop", "pad", "shift"]))
        steps = (length - 1) // max(sizes[dim] - 1, 1)
        dilation[dim] = draw_(st.integers(1, max(1, min(steps, 4))))
        stride[dim] = draw_(st.integers(1, 4))
        offset[dim] = draw_(st.integers(-3, 0)) if partial[dim] == "pad" and sizes[dim] > 3 else 0
    fill: Any = draw_(st.sampled_from([float("nan"), "reflect"]))
    geometry = Geometry.of(lengths, sizes, stride=stride, dilation=dilation, offset=offset, partial=partial, fill=fill)
    kind = draw_(st.sampled_from(["grid", "anywhere", "points"]))
    if kind == "anywhere" and all(axis.room >= 0 for axis in geometry.axes):
        return geometry.sample(draw_(st.integers(1, 60)), seed=1)
    if kind == "points":  # far past an end, too
        ends = [(1 - one.span, one.length - 1) if one.partial == "pad" else (0, one.room) for one in geometry.axes]
        count = draw_(st.integers(1, 30))
        begins = [draw_(st.lists(st.integers(*pair), min_size=count, max_size=count)) for pair in ends]
        return geometry.at(geometry.dims, np.array(begins).T)
    return geometry


@st.composite
def plans(draw_: st.DrawFn, geometry: Geometry) -> Plan:
    lengths = {axis.name: axis.length for axis in geometry.axes}
    dims = draw_(st.lists(st.sampled_from(geometry.dims), min_size=1, unique=True))
    kind = draw_(st.sampled_from(["blocks", "along", "groups"]))
    if kind == "along":
        return Along(dims[0])
    if kind == "blocks":
        return Blocks({dim: draw_(st.integers(1, lengths[dim])) for dim in dims})
    shape = tuple(lengths[dim] for dim in dims)
    count = int(np.prod(shape))
    labels = draw_(st.lists(st.sampled_from([0.0, 1.0, 2.0, np.nan]), min_size=count, max_size=count))
    return Groups("basin", tuple(dims), np.array(labels).reshape(shape))


def elements(geometry: Geometry, dims: tuple[str, ...]) -> list[set[tuple[int, ...]]]:
    """Return the elements of each patch, along some dimensions."""
    starts = geometry.starts(np.arange(len(geometry)))
    along = []
    for dim in dims:
        place = geometry.dims.index(dim)
        found = geometry.axes[place].positions(starts[:, place], geometry.fill == "reflect")
        along.append([sorted({*row} - {-1}) for row in found.tolist()])
    return [set(product(*(one[number] for one in along))) for number in range(len(starts))]


def whole(division: Division) -> NDArray[np.int16]:
    """Return the part of each element."""
    found = division.owner
    for place, ends in enumerate(division.edges):
        found = np.repeat(found, np.diff(ends), axis=place)
    return found


def banded(parts: NDArray[np.int16], guards: list[int]) -> set[tuple[int, ...]]:
    """Return the elements in a band, one line after the other."""
    found = set()
    for place, guard in enumerate(guards):
        for line in product(*(range(length) for at, length in enumerate(parts.shape) if at != place)):
            along = [(*line[:place], number, *line[place:]) for number in range(parts.shape[place])]
            known = [number for number, at in enumerate(along) if parts[at] >= 0]
            for one, other in pairwise(known):
                if parts[along[one]] != parts[along[other]]:
                    lacking = max(0, guard - (other - one - 1))
                    found |= {at for number, at in enumerate(along) if one - lacking // 2 < number <= one}
                    found |= {at for number, at in enumerate(along) if other <= number < other + lacking - lacking // 2}
    return found


def drawn(plan: Plan, geometry: Geometry, guard: dict[str, int], seed: int) -> Division | None:
    """Return a division, whatever it leaves of the parts; None where it is refused before it is looked at."""
    try:
        return divided(plan, geometry, np.arange(len(geometry)), HALVES, seed, guard)
    except ArgumentError:
        return None


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_patches_are_in_a_part_if_all_their_elements_are_and_none_is_in_a_band(data: st.DataObject) -> None:
    geometry = data.draw(geometries())
    plan = data.draw(plans(geometry))
    guard = {dim: data.draw(st.integers(0, 5)) for dim in plan.dims}
    division = drawn(plan, geometry, guard, data.draw(st.integers(0, 3)))
    if division is None:
        return
    parts = whole(division)
    guards = [division.guard.get(dim, 0) for dim in division.dims]
    bands = banded(parts, guards)
    expected = []
    patches = elements(geometry, division.dims)
    for patch in patches:
        there = {int(parts[at]) for at in patch}
        if not patch or -1 in there:
            expected.append(NOWHERE)
        elif len(there) > 1:
            expected.append(BORDER)
        else:
            expected.append(GUARD if patch & bands else there.pop())
    numbers = np.arange(len(geometry))
    states = division.states(geometry, numbers)
    assert states.tolist() == expected
    report = division.report(geometry, numbers)
    assert [*report.parts.values()] == [expected.count(0), expected.count(1)]
    assert (report.border, report.guard, report.nowhere) == tuple(map(expected.count, (BORDER, GUARD, NOWHERE)))
    assert report.total == len(geometry)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_no_element_is_in_two_parts_and_parts_are_as_far_apart_as_the_guard_says(data: st.DataObject) -> None:
    geometry = data.draw(geometries(most=10))
    plan = data.draw(plans(geometry))
    guard = {dim: data.draw(st.integers(0, 4)) for dim in plan.dims}
    division = drawn(plan, geometry, guard, seed=0)
    if division is None:
        return
    part = division.part(geometry, np.arange(len(geometry)))
    patches = elements(geometry, division.dims)
    train, val = (set().union(*(patch for patch, its in zip(patches, part.tolist()) if its == one)) for one in range(2))
    assert not train & val
    for place, dim in enumerate(division.dims):
        for at in train:
            for away in range(-division.guard.get(dim, 0), division.guard.get(dim, 0) + 1):
                assert (*at[:place], at[place] + away, *at[place + 1 :]) not in val


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_drawn_again_is_the_same_and_so_is_what_was_sent(data: st.DataObject) -> None:
    geometry = data.draw(geometries())
    plan = data.draw(plans(geometry))
    first, second = (drawn(plan, geometry, {}, seed=3) for _ in range(2))
    if first is None or second is None:
        assert first is second
        return
    numbers = np.arange(len(geometry))
    first.part(geometry, numbers)
    sent = pickle.loads(pickle.dumps(first))
    for other in (second, sent):
        assert (other.part(geometry, numbers) == first.part(geometry, numbers)).all()


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_elements_keep_their_part_when_the_cube_grows(data: st.DataObject) -> None:
    small = data.draw(geometries(most=8))
    plan = data.draw(plans(small))
    division = drawn(plan, small, {}, seed=0)
    if division is None:
        return
    more = {axis.name: axis.length + data.draw(st.integers(0, 6)) for axis in small.axes}
    grown = Geometry.of(more, dict.fromkeys(more, 1))
    if isinstance(plan, Groups):
        labels = np.full([more[dim] for dim in plan.dims], 7.0)
        labels[tuple(slice(length) for length in plan.labels.shape)] = plan.labels
        plan = Groups(plan.name, plan.dims, labels)
    after = grow(division, plan, grown, np.arange(len(grown)))
    before = whole(division)
    assert (whole(after)[tuple(slice(length) for length in before.shape)] == before).all()
    if not isinstance(plan, Groups):
        assert whole(after).min() >= 0
    again = grow(after, plan, grown, np.arange(len(grown)))
    assert (whole(again) == whole(after)).all()


def test_a_split_is_the_same_on_every_machine() -> None:
    geometry = Geometry.of({"time": 60, "lat": 40}, {"time": 4, "lat": 4}, stride={"lat": 2})
    numbers = np.arange(len(geometry))
    division = draw(Blocks({"time": 20, "lat": 10}), geometry, numbers, {"train": 0.7, "val": 0.3}, 5, {"time": 2})
    assert division.owner.tolist() == [[0, 0, 0, 0], [0, 1, 0, 1], [1, 1, 0, 0]]
    season = Groups("season", ("time",), np.arange(60) // 5 % 4)
    assert draw(season, geometry, numbers, HALVES, 5).owner[::5].tolist() == [0, 1, 1, 0] * 3


def test_shares_are_near_to_what_was_asked() -> None:
    geometry = Geometry.of({"time": 1000, "lat": 64}, {"time": 10, "lat": 8})
    numbers = np.arange(len(geometry))
    wanted = {"train": 0.8, "val": 0.1, "test": 0.1}
    report = draw(Blocks({"time": 50, "lat": 32}), geometry, numbers, wanted).report(geometry, numbers)
    assert [*report.parts.values()] == [640, 80, 80]
    assert report.dropped == 0
    report = draw(Along("time"), geometry, numbers, wanted, guard={"time": 10}).report(geometry, numbers)
    assert [*report.parts.values()] == [632, 72, 80]
    assert (report.border, report.guard) == (16, 0)


def test_shares_are_of_the_patches_that_there_are() -> None:
    geometry = Geometry.of({"time": 1000}, {"time": 10})
    numbers = np.arange(60, 80)
    division = draw(Along("time"), geometry, numbers, HALVES)
    assert [*division.report(geometry, numbers).parts.values()] == [10, 10]
    division = draw(Blocks({"time": 50}), geometry, numbers, HALVES)
    assert [*division.report(geometry, numbers).parts.values()] == [10, 10]


def test_a_border_costs_one_row_of_patches_where_the_band_is_no_wider() -> None:
    geometry = Geometry.of({"time": 1000}, {"time": 10})
    report = draw(Along("time"), geometry, np.arange(100), HALVES, guard={"time": 10}).report(geometry, np.arange(100))
    assert report.dropped == 1


def test_a_division_tells_the_part_of_other_patches() -> None:
    lengths = {"time": 100, "lat": 20}
    small = Geometry.of(lengths, {"time": 5, "lat": 5})
    division = draw(Blocks({"time": 25}), small, np.arange(len(small)), HALVES)
    large = Geometry.of(lengths, {"time": 25})
    assert sorted(division.part(large, np.arange(4)).tolist()) == [0, 0, 1, 1]
    assert (division.part(Geometry.of(lengths, {"time": 26}), np.arange(3)) == -1).sum() >= 1
    points = large.at(("time",), np.array([[0], [25], [50], [75]]))
    assert (division.part(points, np.arange(4)) == division.part(large, np.arange(4))).all()


def test_every_part_gets_a_block_where_there_are_enough() -> None:
    geometry = Geometry.of({"time": 50}, {"time": 10})
    report = draw(Blocks({"time": 10}), geometry, np.arange(5), {"train": 0.9, "val": 0.05, "test": 0.05}).report(
        geometry, np.arange(5)
    )
    assert [*report.parts.values()] == [3, 1, 1]


def test_groups_stay_whole_and_what_has_no_label_is_in_no_part() -> None:
    basins = np.array([["a", "a", "b"], ["c", "b", "b"]], object)
    basins[1, 0] = None
    geometry = Geometry.of({"time": 4, "y": 2, "x": 3}, {"time": 2, "y": 1, "x": 1})
    division = draw(Groups("basin", ("y", "x"), basins), geometry, np.arange(len(geometry)), HALVES)
    part = division.part(geometry, np.arange(len(geometry))).reshape(2, 2, 3)
    assert (part[0] == part[1]).all()
    assert part[0, 1, 0] == -1
    a, b = part[0, 0, 0], part[0, 0, 2]
    assert {a, b} == {0, 1}
    assert part[0].tolist() == [[a, a, b], [-1, b, b]]
    assert division.report(geometry, np.arange(12)).nowhere == 2


@pytest.mark.parametrize(
    "labels",
    [
        np.array([1, 1, 2, 2]),
        np.array(["a", "a", "b", "b"]),
        np.array(["2001", "2001", "2002", "2002"], "M8[Y]"),
        np.array([True, True, False, False]),
        np.array([1.5, 1.5, 2.5, 2.5], np.float32),
        np.array(["a", "a", 2, 2], object),
    ],
    ids=["int", "text", "date", "bool", "float", "object"],
)
def test_labels_may_be_of_any_kind(labels: NDArray[Any]) -> None:
    geometry = Geometry.of({"time": 4}, {"time": 1})
    part = draw(Groups("label", ("time",), labels), geometry, np.arange(4), HALVES).part(geometry, np.arange(4))
    assert part.tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])


def test_missing_labels_of_each_kind_are_no_group() -> None:
    for labels in (
        np.array(["2001", "NaT"], "M8[Y]"),
        np.array([1.0, np.nan]),
        np.array(["a", None], object),
        np.array(["a", float("nan")], object),
        np.ma.masked_equal([1, 9], 9),
    ):
        assert Groups("label", ("time",), labels).codes.tolist() == [0, -1]


def test_a_million_patches_are_looked_up_in_few_steps() -> None:
    geometry = Geometry.of({"time": 4000, "lat": 500, "lon": 500}, {"time": 10, "lat": 32, "lon": 32})
    points = geometry.sample(1_000_000, seed=0)
    numbers = np.arange(len(points))
    division = draw(Blocks({"time": 240, "lat": 64}), points, numbers, {"train": 0.8, "val": 0.2}, 0, {"time": 10})
    part = division.part(points, numbers)
    assert (np.bincount(part + 1)[1:] / len(part) > [0.3, 0.05]).all()


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no fractions": (Along("time"), {"fractions": {}}, "needs parts"),
    "a sum above 1": (Along("time"), {"fractions": {"train": 0.8, "val": 0.3}}, "sum to 1.1, not 1"),
    "a part of 0": (Along("time"), {"fractions": {"train": 1.0, "val": 0.0}}, "'val' must be above 0"),
    "a share of NaN": (Along("time"), {"fractions": {"train": float("nan")}}, "must be above 0"),
    "a share that is text": (Along("time"), {"fractions": {"train": "all"}}, "must be a fraction"),
    "an unknown dimension": (Along("tme"), {}, "no dimension 'tme'; there are 'time', 'lat'"),
    "blocks of an unknown one": (Blocks({"lon": 4}), {}, "by_blocks: there is no dimension 'lon'"),
    "blocks of nothing": (Blocks({"time": 0}), {}, "must be 1 or more, got 0"),
    "blocks of a half": (Blocks({"time": 2.5}), {}, "must be a whole number"),  # type: ignore[dict-item]
    "no blocks": (Blocks({}), {}, "names no dimension"),
    "blocks that are no mapping": (Blocks(4), {}, "must be a mapping"),  # type: ignore[arg-type]
    "one block": (Blocks({"time": 100}), {}, "1 block cannot be dealt out to 2 parts: take smaller blocks"),
    "one group": (Groups("g", ("time",), np.zeros(100)), {}, "1 group cannot be dealt out to 2 parts"),
    "a label for all": (Groups("g", (), np.array(1)), {}, "one value for the whole cube"),
    "labels that do not fit": (Groups("g", ("time",), np.zeros(99)), {}, r"shape \(100,\) .* got \(99,\)"),
    "a guard of -1": (Along("time"), {"guard": {"time": -1}}, "must be 0 or more, got -1"),
    "a guard elsewhere": (Along("time"), {"guard": {"lat": 1}}, "nothing is divided along 'lat'"),
    "a guard for all": (Along("time"), {"guard": 3}, "must be a mapping"),
    "a seed below 0": (Along("time"), {"seed": -1}, "non-negative"),
    "no patches": (Along("time"), {"numbers": np.arange(0)}, "no patches to divide"),
    "blocks too small": (
        Blocks({"time": 1}),
        {},
        "no patch lies in 'train', 'val': .*Blocks of 1 along 'time' have little room for patches that span 10: "
        "take larger blocks",
    ),
    "a guard too wide": (Blocks({"time": 50}), {"guard": {"time": 110}}, "a guard of 110.*take a smaller guard"),
    "parts too short": (Along("time"), {"fractions": {"a": 0.98, "b": 0.02}}, "no patch lies in 'b'"),
}


@pytest.mark.parametrize(("plan", "given_", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused_with_the_mend(plan: Any, given_: dict[str, Any], message: str) -> None:
    geometry = Geometry.of({"time": 100, "lat": 4}, {"time": 10})
    asked: dict[str, Any] = {"numbers": np.arange(10), "fractions": HALVES, **given_}
    with pytest.raises(ArgumentError, match=message):
        draw(plan, geometry, **asked)


def test_a_million_blocks_are_the_most() -> None:
    geometry = Geometry.of({"x": 3000, "y": 3000}, {"x": 1, "y": 1})
    with pytest.raises(ArgumentError, match="9,000,000 blocks"):
        draw(Blocks({"x": 1, "y": 1}), geometry, np.arange(10), HALVES)


def test_labels_of_more_elements_than_can_be_counted_are_refused() -> None:
    geometry = Geometry.of({"x": 20_000, "y": 20_000}, {"x": 1, "y": 1})
    labels = np.broadcast_to(np.int8(1), (20_000, 20_000))
    with pytest.raises(ArgumentError, match=r"400,000,000 labels, .*fewer dimensions"):
        draw(Groups("g", ("x", "y"), labels), geometry, np.arange(10), HALVES)


def test_patches_of_another_cube_are_refused() -> None:
    division = draw(Along("time"), Geometry.of({"time": 100}, {"time": 10}), np.arange(10), HALVES)
    with pytest.raises(ArgumentError, match="a cube with 90 elements along 'time', and what was divided has 100"):
        division.part(Geometry.of({"time": 90}, {"time": 10}), np.arange(9))


def test_a_cube_that_shrank_has_not_grown() -> None:
    division = draw(Along("time"), Geometry.of({"time": 100}, {"time": 10}), np.arange(10), HALVES)
    with pytest.raises(ArgumentError, match="90 elements, and had 100"):
        grow(division, Along("time"), Geometry.of({"time": 90}, {"time": 10}), np.arange(9))


def test_labels_that_cannot_be_compared_are_refused() -> None:
    labels = np.empty(2, object)
    labels[:] = [[1], [2]]
    with pytest.raises(KindError, match="cannot be grouped"):
        _ = Groups("g", ("time",), labels).names


def test_a_report_says_what_was_left_out() -> None:
    geometry = Geometry.of({"time": 100}, {"time": 10})
    division = draw(Along("time"), geometry, np.arange(10), HALVES, guard={"time": 20})
    report = division.report(geometry, np.arange(10))
    assert str(report) == (
        "8 of 10 patches lie in a part: train 4 (40.0%), val 4 (40.0%); left out: 2 touch a guard band"
    )
    require_some(division, geometry, Report({"train": 1, "val": 1}))
