"""Patches as a source: against the longest way to cut them, for any geometry and any cube."""

from __future__ import annotations

import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.columns import same
from headrace.core.errors import ArgumentError, KindError, StoreError
from headrace.core.schema import Schema
from headrace.cubes.cube import Cube
from headrace.cubes.gathering import gather as gathering
from headrace.cubes.geometry import Geometry
from headrace.cubes.source import PatchSource
from headrace.testing.sources import SourceTests
from tests.cubes.oracle import Held, begins, chunked, content, cubes, geometries, patch

ANY = settings(max_examples=80, deadline=None)


def everything(source: PatchSource) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.arange(len(source), dtype=np.int64)


def expected(source: PatchSource, name: str, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    variable, geometry = source.cube.variables[name], source.geometry
    assert isinstance(variable, Held)
    fill: Any = geometry.fill
    if fill != "reflect" and variable.dtype.kind == "M":
        fill = np.array("NaT", variable.dtype)[()]
    elif not set(variable.dims) & set(geometry.padded):
        fill = 0
    where = begins(geometry)
    rows = [patch(geometry, variable, where[at], fill) for at in numbers.tolist()]
    return np.stack(rows)


@ANY
@given(st.data())
def test_a_patch_is_what_indexing_gives(data: st.DataObject) -> None:
    geometry = data.draw(geometries())
    cube = data.draw(cubes(geometry))
    source = PatchSource(cube, geometry, cache_bytes=data.draw(st.sampled_from([0, 40, 1 << 20])))
    assert len(source) == len(begins(geometry))
    if not len(source):
        assert len(source.read(everything(source))) == 0
        return
    numbers = np.array(data.draw(st.lists(st.integers(0, len(source) - 1), min_size=1, max_size=9)), np.int64)
    few, shared = data.draw(st.sampled_from([(64, 4), (0, 1), (0, 99)]))
    for _ in range(2):  # from the cube, then from what is held
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(gathering, "FEW", few)
            patched.setattr(gathering, "SHARED", shared)
            batch = source.read(numbers)
        assert list(batch) == list(cube.variables)
        for name, column in batch.items():
            assert isinstance(column, np.ndarray)
            assert column.flags.c_contiguous and column.flags.writeable and column.base is None
            np.testing.assert_array_equal(column, expected(source, name, numbers))
    assert Schema.of(batch) == source.schema() or any(one.dtype == object for one in batch.values())
    assert {name: len(dims) + 1 for name, dims in source.dims.items()} == {n: c.ndim for n, c in batch.items()}


@ANY
@given(st.data())
def test_no_chunk_is_decoded_twice_in_a_read_and_all_come_in_one_call(data: st.DataObject) -> None:
    geometry = data.draw(geometries())
    cube = data.draw(cubes(geometry))
    bound = data.draw(st.sampled_from([0, 64, 1 << 20]))
    source = PatchSource(cube, geometry, cache_bytes=bound)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gathering, "FEW", data.draw(st.sampled_from([0, 10_000])))
        source.read(everything(source))
    for variable in cube.variables.values():
        assert isinstance(variable, Held)
        chunks = [chunk for call in variable.calls for chunk in call]
        assert len(set(chunks)) == len(chunks)
        assert len(variable.calls) <= 1 or bound < 1 << 20
    assert source.chunks.nbytes <= bound
    if bound == 1 << 20:
        source.read(everything(source))
        assert all(len(variable.calls) <= 1 for variable in cube.variables.values() if isinstance(variable, Held))


@ANY
@given(st.data())
def test_only_chunks_that_are_needed_are_read(data: st.DataObject) -> None:
    length, size = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 9))
    variable = chunked("a", ("x",), np.arange(length), (size,))
    axis = {"x": data.draw(st.integers(1, length))}
    geometry = Geometry.of({"x": length}, axis, dilation={"x": 1}, stride={"x": data.draw(st.integers(1, 9))})
    number = data.draw(st.integers(0, len(geometry) - 1))
    PatchSource(Cube({"a": variable}, {"x": length}), geometry).read(np.array([number]))
    here = geometry[number]["x"]
    assert sorted(variable.calls[0]) == [(at,) for at in range(here.start // size, (here.stop - 1) // size + 1)]


@ANY
@given(st.data())
def test_what_is_written_to_a_batch_stays_in_the_batch(data: st.DataObject) -> None:
    geometry = data.draw(geometries())
    cube = data.draw(cubes(geometry))
    source = PatchSource(cube, geometry)
    first = source.read(everything(source))
    kept = Batch({name: np.copy(column) for name, column in first.items()}, len(first))
    for column in first.values():
        column[...] = np.zeros((), column.dtype)
    assert same(source.read(everything(source)), kept)


def test_arrays_are_made_where_they_are_asked_for() -> None:
    source = example()
    made: list[Any] = []

    def new(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        made.append(np.full(shape, 7, np.uint8).astype(dtype))
        return made[-1]

    batch = source.read_into(everything(source), new)
    assert [id(column) for column in batch.values()] == [id(one) for one in made]
    assert same(batch, source.read(everything(source)))


def test_a_read_of_more_than_may_be_held_holds_no_more_at_once() -> None:
    given: list[weakref.ref[Any]] = []
    most = []

    def alive() -> int:
        return sum(one() is not None for one in given)

    class Chunk(np.ndarray[Any, Any]):
        pass

    class Watched(Held):
        def read(self, chunks: Any) -> Any:
            most.append(alive() + len(chunks))
            found = [chunk.view(Chunk) for chunk in super().read(chunks)]
            given.extend(map(weakref.ref, found))
            return found

    array = np.arange(4000.0)
    variable = Watched("a", ("x",), array, (np.arange(0, 4001, 100),))
    source = PatchSource(
        Cube({"a": variable}, {"x": 4000}), Geometry.of({"x": 4000}, {"x": 30}, stride={"x": 10}), cache_bytes=5 * 800
    )
    for count in (len(source), 50):
        numbers = np.random.default_rng(0).permutation(len(source))[:count]
        found = source.read(numbers)["a"]
        np.testing.assert_array_equal(found, [array[number * 10 : number * 10 + 30] for number in numbers.tolist()])
    assert max(most) <= 5
    assert alive() <= 5


def test_many_threads_read_at_once() -> None:
    source = example("values", in_chunks=True)
    expected = source.read(everything(source))
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(source)) for _ in range(100)]
    with ThreadPoolExecutor(8) as pool:
        for order, found in zip(orders, pool.map(source.read, orders), strict=True):
            assert same(found, expected.take(order))


# Coordinates


def example(
    coords: Any = "none", partial: str = "pad", fill: Any = float("nan"), in_chunks: bool = False
) -> PatchSource:
    """Return patches of a cube of three dimensions with coordinates of all kinds."""
    lengths = {"time": 6, "y": 5, "x": 4}
    temperature = content("float32", (6, 5, 4))
    height = content("float64", (4, 5))
    make = chunked if in_chunks else lambda name, dims, array, _: Held(name, dims, array)
    variables = {
        "temperature": make("temperature", ("time", "y", "x"), temperature, (4, 2, 3)),
        "height": make("height", ("x", "y"), height, (3, 3)),
    }
    coords_of = {
        "time": Held("time", ("time",), np.datetime64("2000-01-01", "ns") + np.arange(6).astype("m8[D]")),
        "y": Held("y", ("y",), np.arange(5)[::-1] * 10),
        "lat": make("lat", ("y", "x"), content("float64", (5, 4)), (2, 2)),
        "station": Held("station", ("x",), np.array(list("abcd"))),
        "season": Held("season", ("time",), np.array(["w", "w", "s", "s", "u", "u"], object)),
        "crs": Held("crs", (), np.array(0)),
    }
    geometry = Geometry.of(lengths, {"y": 3, "x": 3}, batch_dims=["time"], partial=partial, fill=fill)
    return PatchSource(Cube(variables, lengths, coords_of, "example"), geometry, coords)


@pytest.mark.parametrize("in_chunks", [False, True])
@pytest.mark.parametrize("fill", [float("nan"), "reflect", 0.0])
def test_labels_lie_beside_patches(in_chunks: bool, fill: Any) -> None:
    source = example("values", fill=fill, in_chunks=in_chunks)
    batch = source.read(everything(source))
    assert source.dims == {
        "temperature": ("y", "x"),
        "height": ("y", "x"),
        "time": (),
        "y": ("y",),
        "x": ("x",),
        "lat": ("y", "x"),
        "station": ("x",),
        "season": (),
    }
    assert batch["time"].tolist() == np.repeat(source.cube.coords["time"].whole(), 4).tolist()
    assert batch["time"].dtype == np.dtype("M8[ns]")
    np.testing.assert_array_equal(batch["y"][2], [10, 0, np.nan])  # no label past the end, whatever fills it up
    assert batch["x"][:2].tolist() == [[0, 1, 2], [3, -1, -1]]  # a dimension without coordinate has numbers
    np.testing.assert_array_equal(batch["lat"][3], [[16, np.nan, np.nan], [20, np.nan, np.nan], [np.nan] * 3])
    assert batch["station"][:2].tolist() == [["a", "b", "c"], ["d", "", ""]]
    assert batch["season"].tolist() == [season for season in "wwssuu" for _ in range(4)]
    assert Schema.of(batch) == source.schema()


def test_labels_keep_their_kind_where_nothing_is_filled_up() -> None:
    source = example("values", partial="shift")
    batch = source.read(everything(source))
    assert batch["y"].dtype == np.int64
    assert batch["y"][2].tolist() == [20, 10, 0]
    assert Schema.of(batch) == source.schema()


@ANY
@given(st.data())
def test_numbers_of_elements_lie_beside_patches(data: st.DataObject) -> None:
    geometry = data.draw(geometries())
    source = PatchSource(data.draw(cubes(geometry)), geometry, "index")
    batch = source.read(everything(source))
    for place, axis in enumerate(geometry.axes):
        rows = [[start[place] + at * axis.dilation for at in range(axis.size)] for start in begins(geometry)]
        wanted = [[at if 0 <= at < axis.length else -1 for at in row] for row in rows]
        assert batch[axis.name].tolist() == (wanted if axis.kept else [row[0] for row in wanted])
        assert batch[axis.name].dtype == np.int64


@pytest.mark.parametrize("coords", ["index", "values"])
def test_a_coordinate_with_the_name_of_a_variable_is_refused(coords: Any) -> None:
    cube = Cube({"x": Held("x", ("x",), np.arange(4.0))}, {"x": 4})
    geometry = Geometry.of({"x": 4}, {"x": 2})
    assert len(PatchSource(cube, geometry)) == 2
    with pytest.raises(ArgumentError, match=r"column 'x'.*rename"):
        PatchSource(cube, geometry, coords)


# What cannot be


@pytest.mark.parametrize("dtype", ["int8", "uint32", "bool"])
def test_nan_is_refused_where_a_variable_cannot_hold_it_and_patches_are_filled_up(dtype: str) -> None:
    cube = Cube({"mask": Held("mask", ("x",), content(dtype, (5,)))}, {"x": 5})
    with pytest.raises(ArgumentError, match=rf"'mask'.*{dtype} cannot hold nan.*fill=0, fill='reflect'"):
        PatchSource(cube, Geometry.of({"x": 5}, {"x": 2}, partial="pad"))
    for geometry in (
        Geometry.of({"x": 5}, {"x": 2}, partial="pad", fill=0),
        Geometry.of({"x": 5}, {"x": 2}, partial="pad", fill="reflect"),
        Geometry.of({"x": 5}, {"x": 2}, partial="shift"),
        Geometry.of({"x": 5}, {"x": 5}, partial="pad"),  # nothing is filled up: it fits
    ):
        assert PatchSource(cube, geometry).read(np.array([0]))["mask"].dtype == dtype


@pytest.mark.parametrize(("dtype", "fill"), [("uint8", 256), ("uint8", -1), ("int8", 0.5), ("bool", 2), ("<U3", 0)])
def test_a_fill_that_a_variable_cannot_hold_is_refused(dtype: str, fill: Any) -> None:
    cube = Cube({"a": Held("a", ("x",), np.zeros(5, dtype))}, {"x": 5})
    with pytest.raises(ArgumentError, match=f"'a'.*cannot hold {fill}"):
        PatchSource(cube, Geometry.of({"x": 5}, {"x": 2}, partial="pad", fill=fill))


def test_variables_without_the_dimension_that_is_filled_up_may_be_of_any_kind() -> None:
    cube = Cube({"a": Held("a", ("x",), np.arange(4)), "b": Held("b", ("y",), np.arange(3.0))}, {"y": 3, "x": 4})
    source = PatchSource(cube, Geometry.of(cube.lengths, {"y": 2, "x": 2}, partial="pad"))
    np.testing.assert_array_equal(source.read(np.array([3]))["b"], [[2, np.nan]])


def test_what_is_no_cube_and_what_does_not_fit_is_refused() -> None:
    cube = Cube({"a": Held("a", ("x",), np.arange(4))}, {"x": 4})
    with pytest.raises(KindError, match="Cube, got ndarray"):
        PatchSource(np.zeros(3), Geometry.of({"x": 4}, {"x": 2}))  # type: ignore[arg-type]
    with pytest.raises(KindError, match="Geometry, got dict"):
        PatchSource(cube, {"x": 2})  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="of a cube of"):
        PatchSource(cube, Geometry.of({"x": 5}, {"x": 2}))
    with pytest.raises(ArgumentError, match=r"'a' has dimensions .*and the geometry is of"):
        PatchSource(Cube(cube.variables, {"x": 5}), Geometry.of({"x": 5}, {"x": 2}))
    with pytest.raises(ArgumentError, match="no variables"):
        PatchSource(Cube({}, {"x": 4}), Geometry.of({"x": 4}, {"x": 2}))
    with pytest.raises(ArgumentError, match="coords must be one of"):
        PatchSource(cube, Geometry.of({"x": 4}, {"x": 2}), "labels")  # type: ignore[arg-type]


def test_a_chunk_that_cannot_be_read_is_told_and_tried_again() -> None:
    variable = chunked("a", ("x",), np.arange(8), (2,), broken=frozenset({(1,)}))
    source = PatchSource(Cube({"a": variable}, {"x": 8}), Geometry.of({"x": 8}, {"x": 2}))
    for _ in range(2):
        with pytest.raises(StoreError, match=r"'a': chunk \(1,\)"):
            source.read(np.arange(4))
    assert source.read(np.array([0, 2]))["a"].tolist() == [[0, 1], [4, 5]]
    variable.broken = frozenset()
    assert source.read(np.array([1]))["a"].tolist() == [[2, 3]]


def test_a_chunk_that_is_not_what_was_said_is_refused() -> None:
    class Wrong(Held):
        def read(self, chunks: Any) -> Any:
            return [chunk[:1] for chunk in super().read(chunks)]

    variable = Wrong("a", ("x",), np.arange(8), (np.array([0, 4, 8]),))
    source = PatchSource(Cube({"a": variable}, {"x": 8}), Geometry.of({"x": 8}, {"x": 2}))
    with pytest.raises(StoreError, match=r"'a': chunk \(0,\) was read as int64 of shape \(1,\).*\(4,\)"):
        source.read(np.array([0]))


def test_a_patch_without_any_value_is_served() -> None:
    source = PatchSource(Cube({"a": Held("a", ("x",), np.full(6, np.nan))}, {"x": 6}), Geometry.of({"x": 6}, {"x": 3}))
    assert np.isnan(source.read(np.array([0, 1]))["a"]).all()


def test_its_identity_is_that_of_cube_geometry_and_columns() -> None:
    cube = Cube({"a": Held("a", ("x",), np.arange(6.0))}, {"x": 6}, identity="one")
    other = Cube(cube.variables, cube.lengths, identity="two")
    geometry, wide = Geometry.of({"x": 6}, {"x": 2}), Geometry.of({"x": 6}, {"x": 3})
    made = [
        PatchSource(cube, geometry),
        PatchSource(other, geometry),
        PatchSource(cube, wide),
        PatchSource(cube, geometry, "index"),
    ]
    texts = [source.fingerprint() for source in made]
    assert len(set(texts)) == 4
    assert texts == [pickle.loads(pickle.dumps(source)).fingerprint() for source in made]


# The laws of sources


class TestAtHand(SourceTests):
    @pytest.fixture
    def source(self) -> PatchSource:
        return example()


class TestInChunks(SourceTests):
    @pytest.fixture
    def source(self) -> PatchSource:
        return example(in_chunks=True)


class TestWithNumbers(SourceTests):
    @pytest.fixture
    def source(self) -> PatchSource:
        return example("index", in_chunks=True)


class TestWithLabels(SourceTests):
    @pytest.fixture
    def source(self) -> PatchSource:
        return example("values", partial="shift")


class TestWithLabelsInChunks(SourceTests):
    @pytest.fixture
    def source(self) -> PatchSource:
        return example("values", fill="reflect", in_chunks=True)
