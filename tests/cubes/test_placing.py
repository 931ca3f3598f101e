"""Which patches lie together: against what they really touch, and how often chunks are read in a block shuffle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.address import At
from headrace.core.errors import ArgumentError, OrderError
from headrace.core.source import Indices
from headrace.cubes.cube import Cube
from headrace.cubes.geometry import Geometry
from headrace.cubes.placing import Boxes, boxes
from headrace.cubes.source import PatchSource
from headrace.dataset import Dataset, concat, zip


@dataclass(frozen=True, eq=False)
class Chunked:
    """An array that is read in chunks, and counts how often each is."""

    name: str
    dims: tuple[str, ...]
    array: NDArray[Any]
    cuts: tuple[int, ...]
    read_: Counter[tuple[int, ...]] = field(default_factory=Counter)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def edges(self) -> tuple[Indices, ...]:
        return tuple(np.array([*range(0, size, cut), size]) for size, cut in builtin_zip(self.array.shape, self.cuts))

    def whole(self) -> NDArray[Any]:
        raise AssertionError("it is read in chunks")

    def read(self, chunks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        found = []
        for chunk in chunks:
            self.read_[chunk] += 1
            ends = builtin_zip(self.edges, chunk)
            found.append(self.array[tuple(slice(edge[place], edge[place + 1]) for edge, place in ends)].copy())
        return found


builtin_zip = __builtins__["zip"] if isinstance(__builtins__, dict) else __builtins__.zip


def cube_of(*variables: Chunked) -> Cube:
    lengths: dict[str, int] = {}
    for variable in variables:
        lengths.update(builtin_zip(variable.dims, variable.shape))
    return Cube({variable.name: variable for variable in variables}, lengths, identity="a test")


def numbered(shape: tuple[int, ...], cuts: tuple[int, ...], name: str = "x") -> Chunked:
    dims = ("time", "lat", "lon")[-len(shape) :]
    return Chunked(name, dims, np.arange(np.prod(shape), dtype=np.float32).reshape(shape), cuts)


@st.composite
def placed(draw: st.DrawFn) -> tuple[Cube, Geometry, int]:
    shape = tuple(draw(st.lists(st.integers(4, 12), min_size=2, max_size=3)))
    dims = ("time", "lat", "lon")[-len(shape) :]
    cube = cube_of(numbered(shape, tuple(draw(st.integers(1, size)) for size in shape)))
    sizes = {dim: draw(st.integers(1, size)) for dim, size in builtin_zip(dims, shape)}
    geometry = Geometry.of(
        cube.lengths,
        sizes,
        stride={dim: draw(st.integers(1, 5)) for dim in dims},
        partial=draw(st.sampled_from(["drop", "pad", "shift"])),
        fill=0,
    )
    kind = draw(st.sampled_from(["grid", "grid", "anywhere"]))
    geometry = geometry if kind == "grid" else geometry.sample(20, seed=3)
    return cube, geometry, draw(st.sampled_from([1 << 30, 4000, 1000]))


def chunks_under(cube: Cube, geometry: Geometry, numbers: Indices) -> set[tuple[int, ...]]:
    """Return the chunks that patches touch, element by element."""
    (variable,) = cube.variables.values()
    found: set[tuple[int, ...]] = set()
    for start in geometry.starts(numbers).tolist():
        sides = []
        for axis, begin, edges in builtin_zip(geometry.axes, start, variable.edges or ()):
            elements = axis.positions(np.array([begin]))[0]
            sides.append(np.unique(edges.searchsorted(elements[elements >= 0], "right") - 1).tolist())
        found.update(product(*sides))
    return found


@settings(max_examples=100, deadline=None)
@given(placed())
def test_a_box_counts_the_chunks_that_its_patches_touch(given: tuple[Cube, Geometry, int]) -> None:
    cube, geometry, memory = given
    found = boxes(cube, geometry, memory, lanes=2)
    assert found is not None
    numbers = np.arange(len(geometry))
    of = found.of(numbers)
    plain = Boxes.of_chunks(geometry, found.variables, found.edges)
    (variable,) = cube.variables.values()
    for box in np.unique(of).tolist():
        touched = chunks_under(cube, geometry, numbers[of == box])
        nbytes = sum(
            np.prod([edges[p + 1] - edges[p] for edges, p in builtin_zip(variable.edges or (), chunk)])
            for chunk in touched
        )
        assert nbytes * 4 <= plain.nbytes[box], "a box is taken for smaller than it is"
    assert found.distinct <= cube.variables["x"].dtype.itemsize * np.prod(variable.shape)
    tiled = found.tiled()
    if tiled is not None:
        assert tiled.length == len(geometry)
        laid = of[tiled(At(numbers)).positions]
        assert len(np.unique(laid)) == 1 + (np.diff(laid) != 0).sum(), "a box's patches do not lie in a row"
        assert (np.diff(tiled(At(numbers)).positions)[np.diff(laid) == 0] > 0).all()


def patches_of(cube: Cube, sizes: dict[str, int], cache_bytes: int = 1, **how: Any) -> Dataset:
    return Dataset(PatchSource(cube, Geometry.of(cube.lengths, sizes, **how), cache_bytes=cache_bytes))


def test_each_chunk_is_read_once_where_patches_keep_within_chunks() -> None:
    variable = numbered((40, 16, 16), (10, 8, 8))
    ds = patches_of(cube_of(variable), {"time": 5, "lat": 4, "lon": 4})
    shuffled = ds.block_shuffle(memory="40 kB", seed=0, lanes=4)
    seen = [batch["x"] for batch in shuffled.batch(8).stream()]
    assert sorted(float(patch.min()) for batch in seen for patch in batch) == sorted(
        float(patch["x"].min()) for patch in ds
    )
    assert set(variable.read_.values()) <= {1, 2}, "once by the plain order above, once by the shuffle"
    report = shuffled.shuffle_report()
    assert report.read_amplification == pytest.approx(1.0, abs=0.01)
    assert report.distinct == variable.array.nbytes


def test_overlap_costs_little_where_boxes_have_room_to_grow() -> None:
    variable = numbered((200, 32, 32), (10, 16, 16))
    cube = cube_of(variable)
    ds = patches_of(cube, {"time": 5, "lat": 8, "lon": 8}, overlap={"lat": 4, "lon": 4})
    shuffled = ds.block_shuffle(memory="400 kB", seed=0, lanes=4)
    for _ in shuffled.batch(16).stream():
        pass
    assert sum(variable.read_.values()) <= 1.2 * len(variable.read_)
    report = shuffled.shuffle_report()
    assert 1.0 <= report.read_amplification <= 1.2
    assert report.quality.independence is not None


def test_what_other_orders_fetch_is_told_as_it_is() -> None:
    variable = numbered((200, 32, 32), (10, 16, 16))
    ds = patches_of(cube_of(variable), {"time": 5, "lat": 8, "lon": 8}, 100_000, overlap={"lat": 4, "lon": 4})
    for order in (ds, ds.shuffle(seed=0)):
        variable.read_.clear()
        fresh = patches_of(cube_of(variable), {"time": 5, "lat": 8, "lon": 8}, 100_000, overlap={"lat": 4, "lon": 4})
        for _ in (fresh if order is ds else fresh.shuffle(seed=0)).batch(32).stream():
            pass
        told = order.shuffle_report(memory=100_000).read_amplification
        assert told == pytest.approx(sum(variable.read_.values()) / 80, rel=0.35)


def test_the_order_goes_on_after_maps_and_choices_and_is_the_same_in_other_processes() -> None:
    variable = numbered((20, 16, 16), (10, 8, 8))
    ds = patches_of(cube_of(variable), {"time": 5, "lat": 4, "lon": 4})
    chosen = ds[np.arange(0, len(ds), 3)].map(lambda patch: patch["x"].max())
    shuffled = chosen.block_shuffle(memory="12 kB", seed=1, lanes=1)
    assert sorted(shuffled) == sorted(chosen)
    assert list(shuffled) != list(chosen)
    alone = list(shuffled.stream())
    assert alone == list(shuffled.stream(workers=2))
    half = iter(shuffled.stream())
    taken = [next(half) for _ in range(7)]
    resumed = iter(shuffled.stream())
    resumed.load_state_dict(half.state_dict())
    assert taken + list(resumed) == alone


def test_several_cubes_and_sides_of_a_zip_are_arranged_too() -> None:
    left, right = numbered((20, 8, 8), (5, 8, 8)), numbered((20, 8, 8), (10, 4, 4))
    a = patches_of(cube_of(left), {"time": 5, "lat": 4, "lon": 4})
    b = patches_of(cube_of(right), {"time": 5, "lat": 4, "lon": 4})
    both = concat([a, b]).block_shuffle(memory="10 kB", lanes=1)
    assert sorted(float(patch["x"].max()) for patch in both) == sorted(2 * [float(patch["x"].max()) for patch in a])
    again, sizes = numbered((20, 8, 8), (5, 8, 8)), {"time": 5, "lat": 4, "lon": 4}
    pairs = zip(patches_of(cube_of(again), sizes), patches_of(cube_of(right), sizes)).block_shuffle(
        memory="20 kB", lanes=1
    )
    for x, y in pairs:
        assert np.array_equal(x["x"], y["x"])
    assert set(again.read_.values()) == {1}


def test_memory_that_holds_no_two_chunks_is_refused_with_what_it_takes() -> None:
    ds = patches_of(cube_of(numbered((20, 16, 16), (10, 8, 8))), {"time": 5, "lat": 4, "lon": 4})
    with pytest.raises(ArgumentError, match=r"memory="):
        ds.block_shuffle(memory="3 kB", lanes=2)


def test_an_order_that_moves_cannot_be_arranged() -> None:
    ds = patches_of(cube_of(numbered((20, 16, 16), (10, 8, 8))), {"time": 5, "lat": 4, "lon": 4})
    with pytest.raises(OrderError, match="leave out one of the two"):
        ds.shuffle(seed=0).block_shuffle()


def test_a_billion_patches_are_shuffled_by_blocks_without_a_list_of_them() -> None:
    @dataclass(frozen=True, eq=False)
    class Vast(Chunked):
        @property
        def shape(self) -> tuple[int, ...]:
            return (100_000, 1000, 1000)

        @property
        def edges(self) -> tuple[Indices, ...]:
            return tuple(np.array([*range(0, size, 250), size]) for size in self.shape)

    cube = cube_of(Vast("x", ("time", "lat", "lon"), np.empty(0, np.float32), ()))
    shuffled = patches_of(cube, {"time": 10, "lat": 10, "lon": 10}, stride={"time": 5, "lat": 9, "lon": 9})
    shuffled = shuffled.block_shuffle(memory="30 GB")
    assert len(shuffled) == 19999 * 111 * 111
    assert len(set(shuffled.indices(123_456_789)) | set(shuffled.indices(0))) == 2
