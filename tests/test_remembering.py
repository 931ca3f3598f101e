"""Tables and texts in a store: made once, whoever asks, and made again when their maker was killed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headrace import remembering
from headrace.core.errors import DamageError
from headrace.cubes.choosing.conditions import patch_mean, valid_fraction
from headrace.cubes.geometry import Geometry
from headrace.cubes.measuring.statistics import kept_statistics
from headrace.cubes.source import PatchSource
from headrace.remembering import Remembering
from headrace.store import Store
from tests.cubes.drawn import InChunks, cube

WHOLE = np.arange(60, dtype=np.int32).reshape(10, 2, 3)


class Making:
    """Makes rows, and counts how often."""

    def __init__(self, whole: NDArray[Any] = WHOLE) -> None:
        self.whole = whole
        self.times = 0

    def __call__(self) -> Iterator[NDArray[Any]]:
        self.times += 1
        for begin in range(0, len(self.whole), 4):
            yield self.whole[begin : begin + 4]


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path / "store" if request.param == "folder" else f"memory://{tmp_path.name}")


def test_rows_are_made_once(store: Store) -> None:
    make = Making()
    for _ in range(3):
        found = Remembering(store).rows("a key", make, WHOLE.shape, WHOLE.dtype)
        assert np.array_equal(found, WHOLE) and found.dtype == WHOLE.dtype
        assert not found.flags.writeable
    assert make.times == 1
    Remembering(store).rows("another key", make, WHOLE.shape, WHOLE.dtype)
    Remembering(store, "elsewhere").rows("a key", make, WHOLE.shape, WHOLE.dtype)
    assert make.times == 3


@pytest.mark.parametrize("shape", [(7,), (1,), (3, 1), (5, 0)])
@pytest.mark.parametrize("dtype", ["i4", "i8", "f8"])
def test_any_shape(store: Store, shape: tuple[int, ...], dtype: str) -> None:
    whole = np.ones(shape, dtype)
    found = Remembering(store).rows("a key", Making(whole), whole.shape, whole.dtype)
    assert np.array_equal(found, whole) and found.dtype == whole.dtype and found.shape == shape


def test_in_a_folder_it_is_mapped(tmp_path: Path) -> None:
    found = Remembering(Store(tmp_path / "store")).rows("a key", Making(), WHOLE.shape, WHOLE.dtype)
    base: Any = found
    while not isinstance(base, np.memmap):
        base = base.base
    assert np.shares_memory(base, found)


def test_several_parts_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.arange(3 << 20, dtype=np.int64).reshape(-1, 1 << 17)
    store = Store(f"memory://{tmp_path.name}")
    monkeypatch.setattr(type(store._home), "part_bytes", 8 << 20, raising=False)
    for most in (1 << 30, 1 << 10):
        monkeypatch.setattr(remembering, "IN_MEMORY", most)
        found = Remembering(store).rows("a key", Making(whole), whole.shape, whole.dtype)
        assert len(store.manifest("tables").parts) > 1
        assert np.array_equal(found, whole) and isinstance(found, np.memmap) == (most < 1 << 20)
        assert not found.flags.writeable


def test_texts(store: Store) -> None:
    made: list[int] = []

    def make() -> str:
        made.append(1)
        return '{"µ": "ß\\n"}' * 1000

    for _ in range(2):
        assert Remembering(store).text("a key", make) == '{"µ": "ß\\n"}' * 1000
    assert made == [1]


def test_the_key_is_noted(store: Store) -> None:
    Remembering(store).text("cube 7; sst", lambda: "text")
    [version] = store.versions("tables")
    assert store.manifest("tables", version).notes["made of"] == "cube 7; sst"


def test_what_does_not_fit_is_said(store: Store) -> None:
    Remembering(store).rows("a key", Making(), WHOLE.shape, WHOLE.dtype)
    with pytest.raises(DamageError, match=r"holds int32 of \(10, 2, 3\), and float64 of \(10, 2, 3\)"):
        Remembering(store).rows("a key", Making(), WHOLE.shape, np.dtype("f8"))


def test_a_failure_leaves_nothing(store: Store) -> None:
    def failing() -> Iterator[NDArray[Any]]:
        yield WHOLE[:4]
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        Remembering(store).rows("a key", failing, WHOLE.shape, WHOLE.dtype)
    assert store.versions("tables") == []
    assert np.array_equal(Remembering(store).rows("a key", Making(), WHOLE.shape, WHOLE.dtype), WHOLE)


def test_tables_of_a_cube_serve_other_patches_and_later_runs(store: Store) -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random((9, 8, 7)) < 0.4, np.nan, rng.normal(size=(9, 8, 7)))
    lengths = {"t": 9, "y": 8, "x": 7}
    one = InChunks("v", ("t", "y", "x"), values, (4, 4, 4))
    for sizes in ({"t": 3, "y": 4, "x": 2}, {"t": 1, "y": 1, "x": 5}):
        source = PatchSource(cube(lengths, one), Geometry.of(lengths, sizes, partial="pad"))
        numbers = np.arange(len(source))
        for condition in (valid_fraction("v") > 0.5, patch_mean("v") > 0.0):
            found = condition.keep(source, numbers, Remembering(store))
            assert found.tolist() == condition.keep(source, numbers).tolist()
    assert len(store.versions("tables")) == 2
    asked = len(one.asked)
    assert (valid_fraction("v") > 0.5).keep(source, numbers, Remembering(store)).any()
    assert len(one.asked) == asked
    other = PatchSource(cube(lengths, one, identity="changed"), source.geometry)
    (valid_fraction("v") > 0.5).keep(other, numbers, Remembering(store))
    assert len(one.asked) == asked + 12


def test_statistics_are_kept(store: Store) -> None:
    one = InChunks("v", ("x",), np.arange(12.0), (5,))
    source = PatchSource(cube({"x": 12}, one), Geometry.of({"x": 12}, {"x": 3}))
    numbers = np.arange(len(source))
    first = kept_statistics(source, numbers, (), None, Remembering(store, "statistics"))
    asked = len(one.asked)
    assert kept_statistics(source, numbers, (), None, Remembering(store, "statistics")) == first
    assert len(one.asked) == asked and store.ids() == ["statistics"]


PROGRAM = """
    import os, sys, time
    import numpy as np
    from headrace.store import Store
    from headrace.remembering import Remembering

    store, notes, die = sys.argv[1:]

    def make():
        with open(notes, "a") as file:
            file.write("made\\n")
        for row in range(10):
            if row == 5 and die == "die":
                os._exit(7)
            time.sleep(0.05)
            yield np.full((1, 4), row)

    found = Remembering(Store(store, lease="2 s")).rows("a key", make, (10, 4), np.dtype("int64"))
    assert found.sum() == 180, found
"""


def run(tmp_path: Path, die: str = "") -> subprocess.Popen[bytes]:
    program = textwrap.dedent(PROGRAM)
    return subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "store"), str(tmp_path / "notes"), die])


def test_of_several_processes_one_makes_it(tmp_path: Path) -> None:
    running = [run(tmp_path) for _ in range(3)]
    assert [one.wait(50) for one in running] == [0, 0, 0]
    assert (tmp_path / "notes").read_text() == "made\n"


def test_when_its_maker_is_killed_the_next_one_makes_it(tmp_path: Path) -> None:
    assert run(tmp_path, "die").wait(50) == 7
    assert run(tmp_path).wait(50) == 0
    assert (tmp_path / "notes").read_text() == "made\nmade\n"
