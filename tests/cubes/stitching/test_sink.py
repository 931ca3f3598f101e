"""An output in a store: what is open meanwhile, what is published, what is left when it fails or is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("xarray")
pytest.importorskip("zarr")

import xarray as xr
import zarr

from headrace.core.errors import ArgumentError, ExistsError, KindError, StoreError
from headrace.core.source import Indices
from headrace.cubes.cube import Cube
from headrace.cubes.geometry import Geometry
from headrace.cubes.stitching.assemble import Stitching, Wish
from headrace.cubes.stitching.layout import Layout
from headrace.cubes.stitching.predictions import Selection
from headrace.cubes.stitching.sink import CHUNK, UNFINISHED, Memory, Zarr, chunks_of
from headrace.cubes.stitching.tiles import Room, Tiling
from tests.cubes import drawn

LENGTHS = {"time": 40, "y": 96, "x": 96}
GEOMETRY = Geometry.of(LENGTHS, {"time": 5, "y": 32, "x": 32}, overlap={"y": 16, "x": 16})
NUMBERS = np.arange(len(GEOMETRY))


def cube(lengths: dict[str, int] = LENGTHS, **coords: NDArray[Any]) -> Cube:
    return drawn.cube(lengths, coords=[drawn.variable(name, (name,), array) for name, array in coords.items()])


def stitching(sink: Any, numbers: Indices = NUMBERS, memory: int = 10**9, **wish: Any) -> Any:
    return Stitching(cube(), GEOMETRY, numbers, Wish(Selection.of(None), memory=memory, **wish), sink)


def ones(count: int, size: int = 8) -> Iterator[NDArray[Any]]:
    for start in range(0, count, size):
        yield np.ones((min(size, count - start), 5, 32, 32), np.float32)


def test_few_tiles_are_open_in_the_order_of_the_patches_and_each_is_written_once(tmp_path: Path) -> None:
    written: list[Any] = []

    class Noting(Zarr):
        def write(self, name: str, place: Any, block: NDArray[Any]) -> None:
            written.append(place)
            super().write(name, place, block)

    made = stitching(Noting(tmp_path / "map.zarr", chunks={"time": 5, "y": 32, "x": 32}))
    out = made.run(ones(len(NUMBERS)))
    assert out.shape == (40, 96, 96)
    assert bool(np.all(out.values == 1))
    assert len(written) == len({str(place) for place in written}) == 8 * 3 * 3
    assert made._tiles[""].most <= 9  # of 72
    assert zarr.open_array(tmp_path / "map.zarr" / "prediction").chunks == (5, 32, 32)


def test_memory_is_that_of_open_tiles(tmp_path: Path) -> None:
    lengths = {"time": 400, "y": 128, "x": 128}
    geometry = Geometry.of(lengths, {"time": 4, "y": 32, "x": 32})
    numbers = np.arange(len(geometry))
    predictions = (np.ones((1, 4, 32, 32), np.float32) for _ in numbers)
    sink = Zarr(tmp_path / "map.zarr", chunks={"time": 4})
    tracemalloc.start()
    try:
        out = Stitching(cube(lengths), geometry, numbers, Wish(Selection.of(None)), sink).run(predictions)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < out.nbytes / 4


def test_what_does_not_fit_lies_in_a_file_without_a_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.permutation(len(GEOMETRY))
    predictions = rng.random((len(GEOMETRY), 5, 32, 32), np.float32)
    seen: list[set[str]] = []

    def looked() -> Iterator[NDArray[Any]]:
        for start in range(0, len(predictions), 10):
            yield predictions[start : start + 10]
            seen.append({path.name.partition("-")[0] for path in tmp_path.iterdir()})

    sink = Zarr(tmp_path / "map.zarr", chunks={"time": 5, "y": 32, "x": 32})
    out = stitching(sink, numbers, memory=200_000).run(looked())
    assert out.equals(stitching(Memory(), numbers).run(predictions))
    assert set.union(*seen) == {"map.zarr.partial"}


def test_room_is_taken_from_memory_then_from_the_file_and_both_are_used_again(tmp_path: Path) -> None:
    with Room(1000, str(tmp_path)) as room:
        held, at = room.take([640, 64])
        assert ([piece.nbytes for piece in held], at, room.used) == ([640, 64], -1, 704)
        spilled, where = room.take([640, 64])
        other, beside = room.take([640, 64])
        for number, piece in enumerate([*spilled, *other]):
            piece.fill(number)
        assert (where, beside, room.used) == (0, 704, 704)
        assert [set(piece.tolist()) for piece in [*spilled, *other]] == [{0}, {1}, {2}, {3}]
        nbytes = room.spilled
        room.give_back(spilled, where)
        assert room.take([640, 64])[1] == where
        assert room.take([nbytes])[1] == nbytes  # what does not fit at the end of the file makes it longer
        assert room.spilled >= 2 * nbytes
        room.give_back(held, at)
        assert room.take([700])[1] == -1
        assert room.peak == 704


def test_no_room_anywhere_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with (
        Room(10, str(folder)) as room,
        pytest.raises(StoreError, match=r"more than the 10 B that memory= allows.*gone"),
    ):
        room.take([100])


def test_what_lies_there_stays_unless_it_is_to_go(tmp_path: Path) -> None:
    out = tmp_path / "map.zarr"
    out.mkdir()
    (out / "precious").touch()
    with pytest.raises(ExistsError, match=r"map\.zarr is there already.*overwrite=True"):
        Zarr(out)
    with pytest.raises(ZeroDivisionError):
        stitching(Zarr(out, overwrite=True)).run(one / 0 for one in [1])
    assert (out / "precious").exists()
    stitching(Zarr(out, overwrite=True)).run(ones(len(NUMBERS)))
    assert (xr.open_zarr(out)["prediction"].values == 1).all()
    assert [path.name for path in tmp_path.iterdir()] == ["map.zarr"]


def test_what_came_to_be_there_meanwhile_stays_and_so_does_the_output(tmp_path: Path) -> None:
    out = tmp_path / "map.zarr"

    def late() -> Iterator[NDArray[Any]]:
        yield from ones(len(NUMBERS))
        out.mkdir()

    with pytest.raises(ExistsError, match="meanwhile: what was stitched is whole, and lies in"):
        stitching(Zarr(out)).run(late())
    (kept,) = [path for path in tmp_path.iterdir() if path != out]
    assert (xr.open_zarr(kept)["prediction"].values == 1).all()


def test_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no folder"):
        Zarr(tmp_path / "none" / "map.zarr")


def test_of_too_few_predictions_what_they_cover_is_kept_under_another_name(tmp_path: Path) -> None:
    out = tmp_path / "map.zarr"
    with pytest.raises(ArgumentError, match=r"100 predictions for 200 patches.*lies in .*map\.zarr\.partial-\w+"):
        stitching(Zarr(out)).run(ones(100))
    (kept,) = tmp_path.iterdir()
    found = xr.open_zarr(kept, consolidated=False)
    values = found["prediction"].values
    assert found.attrs == {UNFINISHED: True}
    assert (values[:20] == 1).all() and np.isnan(values[25:]).all()


@pytest.mark.parametrize("length", [199, 201])
def test_another_number_of_predictions_publishes_nothing(length: int, tmp_path: Path) -> None:
    out = tmp_path / "map.zarr"
    for given in (list(ones(length)), np.ones((length, 5, 32, 32), np.float32)):
        with pytest.raises(ArgumentError, match=rf"\b200 patches.*\b{length}|\b{length} predictions.*200 patches"):
            stitching(Zarr(out)).run(given)
        assert not out.exists()
    with pytest.raises(ArgumentError, match="there must be one for each"):
        stitching(Memory()).run(ones(length))


def test_an_error_in_the_predictions_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[NDArray[Any]]:
        yield from ones(104)
        raise RuntimeError("the model is gone")

    with pytest.raises(RuntimeError, match="the model is gone"):
        stitching(Zarr(tmp_path / "map.zarr"), memory=100_000).run(failing())
    assert not list(tmp_path.iterdir())


PROGRAM = """
import sys
import numpy as np
from tests.cubes.stitching.test_sink import Zarr, ones, stitching

def slow():
    for number, batch in enumerate(ones(200)):
        yield batch
        if number == 20:
            print("half", flush=True)
            sys.stdin.read()

stitching(Zarr(sys.argv[1]), memory=100_000).run(slow())
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no such signal")
def test_who_is_killed_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    out = tmp_path / "map.zarr"
    root = Path(__file__).parents[3]
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(out)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "half\n"
        program.send_signal(signal.SIGKILL)
    assert not out.exists()
    assert [path.name.partition("-")[0] for path in tmp_path.iterdir()] == ["map.zarr.partial"]
    stitching(Zarr(out)).run(ones(len(NUMBERS)))
    assert (xr.open_zarr(out)["prediction"].values == 1).all()


def test_another_store_says_that_it_is_not_finished() -> None:
    store = zarr.storage.MemoryStore()
    said: list[Any] = []

    def noting() -> Iterator[NDArray[Any]]:
        for number, batch in enumerate(ones(len(NUMBERS))):
            yield batch
            if not number:
                said.append(dict(zarr.open_group(store, mode="r").attrs))

    out = stitching(Zarr(store)).run(noting())
    assert said == [{UNFINISHED: True}]
    assert bool(np.all(out.values == 1))
    assert not zarr.open_group(store, mode="r").attrs
    with pytest.raises(ExistsError, match="is not empty"):
        stitching(Zarr(store)).run(ones(len(NUMBERS)))
    stitching(Zarr(store, overwrite=True), blend="last").run(ones(len(NUMBERS)))


LABELS: dict[str, Callable[[], NDArray[Any]]] = {
    "dates": lambda: np.arange("2000-01-01", "2000-02-10", dtype="M8[D]").astype("M8[ns]"),
    "durations": lambda: np.arange(40).astype("m8[h]").astype("m8[ns]"),
    "texts": lambda: np.array([f"n{number}" for number in range(40)]),
    "numbers": lambda: np.arange(40)[::-1] * 0.25,
}


@pytest.mark.filterwarnings("ignore:(?s).*decode_timedelta:FutureWarning")  # of xarray 2025.1
@pytest.mark.filterwarnings("ignore:The codec `vlen-utf8`")  # of zarr 3.0
@pytest.mark.parametrize("kind", LABELS)
def test_labels_come_back_from_the_store(kind: str, tmp_path: Path) -> None:
    labels = LABELS[kind]()
    made = Stitching(cube(time=labels), GEOMETRY, NUMBERS, Wish(Selection.of(None)), Zarr(tmp_path / "map.zarr"))
    assert made.run(ones(len(NUMBERS)))["time"].values.tolist() == labels.tolist()


def test_labels_of_another_calendar_come_back_from_the_store(tmp_path: Path) -> None:
    cftime = pytest.importorskip("cftime")
    labels = np.array([cftime.DatetimeNoLeap(2000 + year, 2, 28) for year in range(40)])
    made = Stitching(cube(time=labels), GEOMETRY, NUMBERS, Wish(Selection.of(None)), Zarr(tmp_path / "map.zarr"))
    assert made.run(ones(len(NUMBERS)))["time"].values.tolist() == labels.tolist()


@pytest.mark.parametrize("dtype", ["u1", "i8", "f2", "f4", "f8", "c8", "?"])
def test_dtypes_come_back_from_the_store(dtype: str, tmp_path: Path) -> None:
    numbers = NUMBERS[:100]
    predictions = np.ones((100, 5, 32, 32), dtype)
    for blend in ("last", "mean"):
        out = stitching(Zarr(tmp_path / "map.zarr", overwrite=True), numbers, blend=blend).run(predictions)
        assert out.equals(stitching(Memory(), numbers, blend=blend).run(predictions))
        assert out.dtype == (dtype if blend == "last" or dtype[0] in "fc" else "f8")


def test_what_cannot_be_written_is_refused_before_anything_is(tmp_path: Path) -> None:
    dates = np.zeros((len(NUMBERS), 5, 32, 32), "M8[ns]")
    with pytest.raises(KindError, match=r"'prediction': datetime64\[ns\] is not written to Zarr"):
        stitching(Zarr(tmp_path / "map.zarr"), blend="last").run(dates)
    with pytest.raises(ArgumentError, match="chunks: there is no dimension 'z'"):
        stitching(Zarr(tmp_path / "map.zarr", chunks={"z": 3})).run(ones(len(NUMBERS)))
    assert not list(tmp_path.iterdir())


def test_chunks_grow_from_the_last_dimension() -> None:
    geometry = Geometry.of({"time": 1000, "y": 1024, "x": 1024}, {"time": 10, "y": 32, "x": 32})
    layout = Layout.of(geometry, (10, 32, 32))
    assert chunks_of(layout, 4, {}) == (10, 64, 1024)
    assert chunks_of(layout, 4, {"x": 100, "time": 5000}) == (1000, 32, 100)
    assert 4 * np.prod(chunks_of(layout, 4, {})) <= CHUNK


def test_a_value_of_no_dimensions_is_stitched_too(tmp_path: Path) -> None:
    only = Geometry.of({"time": 6}, {}, batch_dims="time")
    made = drawn.cube({"time": 6}, drawn.variable("level", (), np.array(3.0)))
    for sink in (Memory(), Zarr(tmp_path / "map.zarr")):
        out = Stitching(made, only, np.arange(6), Wish(Selection.of(None)), sink).run({"level": np.arange(6.0)})
        assert (out["level"].dims, float(out["level"])) == ((), 2.5)


def test_tiles_that_wait_for_predictions_are_those_that_windows_touch() -> None:
    layout = Layout.of(Geometry.of({"y": 9, "x": 11}, {"y": 4, "x": 3}, overlap={"y": 2}, partial="pad"), (4, 3))
    tiling = Tiling(layout, (3, 5))
    numbers = np.array([0, 3, 3, 7, 9])
    expected = np.zeros(tiling.counts, int)
    for row, column in layout.begins(numbers).tolist():
        for part in tiling.cuts(0, row):
            for other in tiling.cuts(1, column):
                expected[part[0], other[0]] += 1
    assert tiling.pending(numbers).tolist() == expected.tolist()
