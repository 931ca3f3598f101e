"""Patches stitched are the cube they were cut from, whatever the geometry, the order, the batches and the store."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.cubes.geometry import Geometry
from headrace.cubes.source import PatchSource

pytest.importorskip("xarray")
pytest.importorskip("zarr")

from headrace.cubes.stitching.assemble import Stitching, Wish
from headrace.cubes.stitching.blend import BLENDINGS
from headrace.cubes.stitching.predictions import Selection
from headrace.cubes.stitching.sink import Memory, Zarr
from tests.cubes import drawn
from tests.cubes.stitching import blends

ANY = settings(max_examples=60, deadline=None)
SOME = settings(max_examples=25, deadline=None)


def batches(draw: st.DataObject, rows: int) -> list[slice]:
    ends = sorted({0, rows, *draw.draw(st.lists(st.integers(0, rows), max_size=4))})
    return [slice(first, last) for first, last in pairwise(ends)]


def covered(geometry: Geometry, dims: list[str]) -> NDArray[np.bool_]:
    """Return which elements a window has, over some dimensions."""
    places = [geometry.dims.index(dim) for dim in dims]
    made = np.zeros([geometry.axes[place].length for place in places], bool)
    for number in range(len(geometry)):
        for at, _ in blends.elements(geometry, number):
            made[tuple(at[place] for place in places)] = True
    return made


@ANY
@given(drawn.sources(), st.sampled_from(BLENDINGS), st.data())
def test_patches_stitched_are_the_cube(source: PatchSource, blend: str, data: st.DataObject) -> None:
    geometry = source.geometry
    numbers = np.array(data.draw(st.permutations(range(len(geometry)))), np.int64)
    cuts = batches(data, len(numbers))
    made = Stitching(source.cube, geometry, numbers, Wish(Selection.of(None), blend), Memory()).run(
        source.read(numbers[part]) for part in cuts
    )
    for name, variable in source.cube.variables.items():
        dims = [dim for dim in geometry.dims if dim in variable.dims]
        array = variable.array  # type: ignore[attr-defined]
        array = array.transpose([variable.dims.index(dim) for dim in dims])
        there = covered(geometry, dims)
        assert list(made[name].dims) == dims
        assert made[name].dtype == array.dtype
        tolerance = 0.0 if blend in ("crop", "first", "last") else 1e-6 if array.dtype == np.float32 else 1e-13
        np.testing.assert_allclose(made[name].values, np.where(there, array, np.nan), rtol=tolerance, atol=0)


@ANY
@given(drawn.geometries(), st.sampled_from(BLENDINGS), st.data())
def test_any_predictions_are_blended_as_the_longest_way_blends_them(
    geometry: Geometry, blend: str, data: st.DataObject
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    numbers = rng.permutation(len(geometry))[: data.draw(st.integers(1, len(geometry)))]
    predictions = rng.normal(size=(len(numbers), *geometry.sizes.values())).astype("f4")
    predictions[rng.random(predictions.shape) < data.draw(st.sampled_from([0.0, 0.2, 1.0]))] = np.nan
    expected = blends.stitched(geometry, numbers, predictions, blend)
    cube = drawn.cube({axis.name: axis.length for axis in geometry.axes})
    wish = Wish(Selection.of(None), blend, coverage=True)
    made = Stitching(cube, geometry, numbers, wish, Memory()).run([predictions])
    assert made["prediction"].dtype == np.float32
    np.testing.assert_allclose(made["prediction"], expected, rtol=1e-5, atol=1e-6)
    assert ((made["coverage"].values == 0) == np.isnan(expected)).all()


@SOME
@given(drawn.geometries(), st.sampled_from(BLENDINGS), st.data())
def test_a_store_holds_what_memory_would(geometry: Geometry, blend: str, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    numbers = rng.permutation(len(geometry))[: data.draw(st.integers(1, len(geometry)))]
    predictions = rng.normal(size=(len(numbers), 2, *geometry.sizes.values())).astype("f4")
    predictions[rng.random(predictions.shape) < data.draw(st.sampled_from([0.0, 0.2]))] = np.nan
    cube = drawn.cube({axis.name: axis.length for axis in geometry.axes})
    memory = data.draw(st.sampled_from([1, 300, 10**9]))
    wish = Wish(Selection.of(None), blend, ("channel", *geometry.sizes), coverage=True, memory=memory)
    chunks = {dim: data.draw(st.integers(1, 9)) for dim in data.draw(st.sets(st.sampled_from(geometry.dims)))}
    with tempfile.TemporaryDirectory() as folder:
        sink = Zarr(Path(folder) / "map.zarr", chunks=chunks)
        made: Any = Stitching(cube, geometry, numbers, wish, sink).run(
            predictions[part] for part in batches(data, len(numbers))
        )
        wanted: Any = Stitching(cube, geometry, numbers, wish, Memory()).run(predictions)
        assert made.equals(wanted)
        assert [path.name for path in Path(folder).iterdir()] == ["map.zarr"]
