"""Shapes of predictions and dimensions of the output: what fits, what it becomes, what is refused and how."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from headrace.core.errors import ArgumentError, HeadraceError, KindError, SchemaError
from headrace.cubes.geometry import Geometry
from headrace.cubes.stitching.labels import at_positions, labels_of
from headrace.cubes.stitching.layout import Layout
from tests.cubes import drawn

LENGTHS = {"time": 12, "lat": 16, "lon": 20}
GRID = Geometry.of(LENGTHS, {"time": 4, "lat": 8, "lon": 8}, overlap={"lat": 4, "lon": 4})
ONLY = Geometry.of(LENGTHS, {"lat": 8, "lon": 8}, batch_dims="time")


@pytest.mark.parametrize(
    ("geometry", "shape", "words", "dims", "output"),
    [
        (GRID, (4, 8, 8), {}, ("time", "lat", "lon"), (12, 16, 20)),
        (GRID, (), {}, ("time", "lat", "lon"), (3, 3, 4)),
        (GRID, (5, 4, 8, 8), {"dims": ("c", "time", "lat", "lon")}, ("c", "time", "lat", "lon"), (5, 12, 16, 20)),
        (GRID, (8, 8, 5), {"dims": ("lat", "lon", "c")}, ("time", "lat", "lon", "c"), (3, 16, 20, 5)),
        (GRID, (5,), {"dims": ("c",)}, ("c", "time", "lat", "lon"), (5, 3, 3, 4)),
        (GRID, (8, 4), {"dims": ("lat", "time")}, ("lat", "time", "lon"), (16, 12, 4)),
        (GRID, (2, 16, 8), {"scale": {"time": 0.5, "lat": 2}}, ("time", "lat", "lon"), (6, 32, 20)),
        (GRID, (4, 12, 8), {"scale": {"lat": 1.5}}, ("time", "lat", "lon"), (12, 24, 20)),
        (ONLY, (8, 8), {}, ("time", "lat", "lon"), (12, 16, 20)),
        (ONLY, (3, 8, 8), {"dims": ("c", "lat", "lon")}, ("c", "time", "lat", "lon"), (3, 12, 16, 20)),
        (ONLY, (), {}, ("time", "lat", "lon"), (12, 2, 2)),
        (ONLY, (8, 8), {"own": ("lat", "lon")}, ("lat", "lon"), (16, 20)),
        (ONLY, (), {"own": ("time",)}, ("time",), (12,)),
    ],
)
def test_the_output_has_the_dimensions_that_a_shape_means(
    geometry: Geometry, shape: tuple[int, ...], words: dict[str, Any], dims: tuple[str, ...], output: tuple[int, ...]
) -> None:
    layout = Layout.of(geometry, shape, **words)
    assert (layout.dims, layout.shape) == (dims, output)
    begins = layout.begins(np.arange(len(geometry)))
    assert (begins >= 0).all()
    assert (begins + [along.span for along in layout.alongs] <= output).all()


@pytest.mark.parametrize(
    ("shape", "words", "kind", "message"),
    [
        ((4, 8), {}, SchemaError, r"shape \(4, 8\) after the sample axis.*dims=\('channel', 'time', 'lat', 'lon'\)"),
        ((4, 16, 8), {}, SchemaError, r"16 elements along 'lat', expected 8.*scale=\{\"lat\": 2\}"),
        ((4, 16, 8), {"scale": {"lat": 3}}, SchemaError, "expected 24, since a patch has 8 at scale 3"),
        ((4, 8, 8), {"scale": {"height": 2}}, ArgumentError, "no dimension 'height'; they have 'time', 'lat', 'lon'"),
        ((), {"scale": {"lat": 2}}, ArgumentError, "have no dimension 'lat'; they have none"),
        ((4, 8, 8), {"scale": 2}, KindError, "a mapping from dimension to number, got 2"),
        ((4, 8, 8), {"scale": {"lat": "two"}}, KindError, "scale of 'lat' must be a number, got 'two'"),
        ((4, 8, 8), {"scale": {"lat": 0}}, ArgumentError, "above 0"),
        (
            (4, 1, 8),
            {"scale": {"lat": 0.125}},
            ArgumentError,
            "a window of 'lat' begins at 4, which is 0.5 at scale 1/8",
        ),
        ((4, 8, 8), {"dims": ("lat", "lat", "lon")}, ArgumentError, "named twice"),
        ((4, 8, 8), {"dims": ("lat", "lon")}, SchemaError, "dims names 2: 'lat', 'lon'"),
        ((4, 8, 8), {"dims": "lat"}, KindError, "names of the axes"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_mend(
    shape: tuple[int, ...], words: dict[str, Any], kind: type[HeadraceError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        Layout.of(GRID, shape, **words)


def test_what_only_some_geometries_refuse() -> None:
    with pytest.raises(ArgumentError, match="'time' only numbers the patches"):
        Layout.of(ONLY, (2, 8, 8), ("time", "lat", "lon"))
    with pytest.raises(ArgumentError, match=r"'x' has 9 elements, which makes 4\.5"):
        Layout.of(Geometry.of({"x": 9}, {"x": 4}), (2,), scale={"x": 0.5})
    with pytest.raises(ArgumentError, match="dilated"):
        Layout.of(Geometry.of({"x": 9}, {"x": 4}, dilation={"x": 2}), (8,), scale={"x": 2})
    with pytest.raises(ArgumentError, match=r"they must have all of 'lat', 'lon', or none"):
        Layout.of(GRID.sample(3, 0).at(("lat", "lon"), np.zeros((3, 2), np.int64)), (4, 8), ("time", "lat"))


def test_a_third_as_a_float_is_a_third() -> None:
    layout = Layout.of(Geometry.of({"x": 9}, {"x": 3}), (1,), scale={"x": 1 / 3})
    assert layout.alongs[0].scale == Fraction(1, 3)
    assert layout.begins(np.arange(3)).ravel().tolist() == [0, 1, 2]


def test_the_last_window_of_each_is_where_it_was_moved_to() -> None:
    geometry = Geometry.of({"x": 10}, {"x": 4}, partial="shift")
    assert Layout.of(geometry, ()).begins(np.arange(3)).ravel().tolist() == [0, 1, 2]


DAYS = np.arange("2000-01-01", "2000-01-13", dtype="M8[D]").astype("M8[ns]")


def cube() -> Any:
    texts = np.array([f"x{number}" for number in range(20)])
    coords = [
        drawn.variable("time", ("time",), DAYS),
        drawn.variable("lat", ("lat",), np.linspace(60, 45, 16, dtype="f4"), (5,)),
        drawn.variable("lon", ("lon",), texts),
        drawn.variable("area", ("lat", "lon"), np.arange(320.0).reshape(16, 20), (4, 7)),
        drawn.variable("datum", (), np.array("mean sea level")),
    ]
    return drawn.cube(LENGTHS, coords=coords)


def test_labels_are_the_cubes_where_the_elements_are() -> None:
    found = labels_of(cube(), Layout.of(ONLY, (8, 8)))
    assert {name: dims for name, (dims, _) in found.items()} == {
        "time": ("time",),
        "lat": ("lat",),
        "lon": ("lon",),
        "area": ("lat", "lon"),
        "datum": (),
    }
    assert found["area"][1].tolist() == np.arange(320.0).reshape(16, 20).tolist()


def test_labels_of_windows_lie_in_their_middle() -> None:
    found = labels_of(cube(), Layout.of(GRID, ()))
    assert found["time"][1].tolist() == (DAYS[[1, 5, 9]] + np.timedelta64(12, "h")).tolist()
    assert found["lat"][1].tolist() == [56.5, 52.5, 48.5]
    assert found["lat"][1].dtype == np.float32
    assert "lon" not in found and "area" not in found  # there is nothing between two texts
    odd = Geometry.of(LENGTHS, {"time": 3, "lat": 5, "lon": 5})
    assert labels_of(cube(), Layout.of(odd, ()))["lon"][1].tolist() == ["x2", "x7", "x12", "x17"]


def test_labels_of_finer_and_coarser_elements_lie_in_their_middle() -> None:
    found = labels_of(cube(), Layout.of(GRID, (2, 16, 8), scale={"time": 0.5, "lat": 2}))
    assert found["time"][1].tolist() == (DAYS[::2] + np.timedelta64(12, "h")).tolist()
    assert found["lat"][1][:4].tolist() == [60.25, 59.75, 59.25, 58.75]
    assert found["lat"][1][-1] == 44.75
    assert "area" not in found


def test_windows_at_places_have_their_middles_along_one_dimension() -> None:
    geometry = GRID.at(("lat", "lon"), np.array([[0, 3], [8, 12]]))
    layout = Layout.of(geometry, ())
    assert (layout.dims, layout.shape) == (("place", "time"), (2, 3))
    assert layout.begins(np.arange(6)).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    found = labels_of(cube(), layout)
    assert found["lat"][0] == ("place",)
    assert found["lat"][1].tolist() == [56.5, 48.5]


def test_labels_between_others() -> None:
    assert at_positions(np.array([0, 10, 30]), np.array([-0.5, 0.5, 1.5, 2.5])).tolist() == [-5, 5, 20, 40]  # type: ignore[union-attr]
    assert at_positions(np.array([3]), np.array([0.5])) is None
    assert at_positions(np.array([3]), np.array([0.0])).tolist() == [3]  # type: ignore[union-attr]
    assert at_positions(np.array([True, False]), np.array([0.5])) is None
