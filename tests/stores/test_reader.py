"""What was written is read back: any column, any structure, any parts, any order."""

from __future__ import annotations

import pickle
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.columns import part, same
from headrace.core.errors import DamageError
from headrace.core.ragged import Ragged
from headrace.core.records import Columns, Records, Rows, stacked, to_columns, wrap
from headrace.core.schema import Schema
from headrace.stores.local import Folder
from headrace.stores.manifest import Manifest
from headrace.stores.parts import Writer
from headrace.stores.reader import Stored
from headrace.testing.sources import SourceTests
from tests.stores.drawn import records


def keep(root: Path, blocks: Iterable[Records], rows: int | None = None, part_bytes: int | None = None) -> Stored:
    """Publish records as the version ``1`` of ``data``."""
    folder = Folder(root)
    with folder.staging() as stage, Writer(stage, rows, part_bytes) as writer:
        for block in blocks:
            writer.append(block)
        parts = tuple(writer.finish())
        draft = Manifest("data", "1", 0, writer.structure, writer.layout, parts, (), "2026-01-01", "0.1", "2.4")
        return Stored(folder.shelf, folder.publish(stage, draft, taking=True))


def cut(columns: Columns, bounds: list[int]) -> list[Records]:
    edges = [0, *sorted(bounds), len(columns)]
    return [Columns(part(columns.batch, slice(start, stop)), columns.structure) for start, stop in pairwise(edges)]


EVERY = Batch(
    {
        "image": np.arange(5 * 8, dtype=np.uint8).reshape(5, 2, 2, 2),
        "label": np.arange(5),
        "date": np.arange(5).astype("M8[D]"),
        "text": Ragged.from_rows([[1], [], [2, 3], [4, 5, 6], []]),
        "name": ["", "b", "Größe", "数字", "😀"],
        "raw": [b"", b"\x00", b"b", b"cc", b"\xff"],
        "nested": {"x": np.zeros((5, 3), np.float32), "a.b": ["p", "q", "r", "s", "t"]},
    }
)


class TestOnePart(SourceTests):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Stored:
        return keep(tmp_path, [wrap(EVERY)], rows=5)


class TestSeveralParts(SourceTests):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Stored:
        stored = keep(tmp_path, cut(wrap(EVERY), [1, 3]), part_bytes=1)
        assert len(stored.manifest.parts) == 5
        return stored


class TestMapped(SourceTests):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Stored:
        stored = keep(tmp_path, [wrap(EVERY.drop("name", "raw", "nested", "date"))])
        assert stored.columns() is not None
        return stored


class TestTuples(SourceTests):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Stored:
        return keep(tmp_path, [wrap((np.arange(6), ["a", "b", "c", "d", "e", "f"]))])


class TestValues(SourceTests):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Stored:
        return keep(tmp_path, [wrap(np.arange(6.0).reshape(3, 2))])


@given(data=st.data())
def test_what_was_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    expected = data.draw(records())
    bounds = data.draw(st.lists(st.integers(0, len(expected)), max_size=2))
    part_bytes = data.draw(st.sampled_from([None, 1, 100]))
    rows = data.draw(st.sampled_from([None, len(expected), 3]))
    stored = keep(tmp_path_factory.mktemp("store"), cut(expected, bounds), rows, part_bytes)
    assert len(stored) == len(expected)
    assert stored.structure == expected.structure
    whole = stored.read(np.arange(len(expected)))
    assert same(whole, expected.batch)
    if len(expected):
        asked = np.array(data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=9)), np.int64)
        assert same(stored.read(asked), expected.batch.take(asked))
        assert stored.schema() == Schema.of(expected.batch, expected.structure) or "object" in str(stored.schema())
    columns = stored.columns()
    assert columns is None or same(columns, expected.batch)


@given(data=st.data())
def test_the_content_decides_the_fingerprint_and_how_it_was_cut_does_not(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    expected = data.draw(records(least=1))
    bounds = data.draw(st.lists(st.integers(0, len(expected)), max_size=3))
    once = keep(tmp_path_factory.mktemp("store"), [expected], rows=len(expected))
    pieces = keep(tmp_path_factory.mktemp("store"), cut(expected, bounds))
    assert once.fingerprint() == pieces.fingerprint()


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2], [3, 4], [5], [], [6, 7, 8]],
        [[1, 2], [3, 4], [5, 6], []],
        [[], [], [1, 2]],
        [[], [1]],
        [np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((0, 3)), np.zeros((4, 3))],
    ],
)
def test_rows_that_come_to_differ_in_length_are_kept_as_if_they_had_come_together(tmp_path: Path, rows: Any) -> None:
    together = stacked([{"text": row} for row in rows])
    for number, part_bytes in enumerate((None, 1)):
        stored = keep(tmp_path / str(number), [Rows([{"text": row}]) for row in rows], len(rows), part_bytes)
        assert same(stored.read(np.arange(len(rows))), together.batch)
        assert repr(stored.schema()) == repr(Schema.of(together.batch))


def test_numbers_are_converted_where_numpy_would_promote_them(tmp_path: Path) -> None:
    stored = keep(tmp_path, [Rows([1.5]), Rows([2]), Rows([np.float32(3)]), Rows([True])])
    assert same(stored.read(np.arange(4))["value"], np.array([1.5, 2.0, 3.0, 1.0]))


def test_all_parts_have_files_of_one_dtype(tmp_path: Path) -> None:
    blocks: list[Records] = [
        Rows([{"x": 1.5, "t": [1.5]}]),
        Rows([{"x": 2, "t": [2, 3]}]),
        Rows([{"x": True, "t": []}]),
    ]
    stored = keep(tmp_path, blocks, part_bytes=1)
    assert len(stored.manifest.parts) == 3
    for path in [*tmp_path.glob("objects/*/x.npy"), *tmp_path.glob("objects/*/t.values.npy")]:
        assert np.load(path).dtype == np.float64


def test_a_file_of_another_dtype_is_damage(tmp_path: Path) -> None:
    stored = keep(tmp_path, [wrap({"x": np.arange(100)})])
    (path,) = tmp_path.glob("objects/*/x.npy")
    np.save(path, np.arange(100.0))
    with pytest.raises(DamageError, match=r"x\.npy holds float64 \(100,\), expected int64 \(100,\)"):
        stored.read(np.arange(1))


def test_columns_come_in_the_order_of_the_first_record(tmp_path: Path) -> None:
    stored = keep(tmp_path, [Rows([{"a": 1, "b": 2}]), Rows([{"b": 3, "a": 4}])])
    assert stored.read(np.arange(2)).rows() == [{"a": 1, "b": 2}, {"a": 4, "b": 3}]


def test_nothing_at_all_is_a_dataset_of_no_records(tmp_path: Path) -> None:
    stored = keep(tmp_path, [])
    assert len(stored) == 0
    assert len(stored.read(np.empty(0, np.int64))) == 0


def test_text_with_half_a_letter_comes_back_as_it_was(tmp_path: Path) -> None:
    stored = keep(tmp_path, [Rows(["caf\udce9", "\ud83d"])])
    assert stored.read(np.arange(2))["value"].tolist() == ["caf\udce9", "\ud83d"]


def test_arrays_of_strings_keep_their_shape(tmp_path: Path) -> None:
    words = np.array([["a", "bb"], ["", "c"], ["dd", "e"]], object)
    stored = keep(tmp_path, [wrap({"words": words})])
    assert same(stored.read(np.array([2, 0]))["words"], words[[2, 0]])


@pytest.mark.torch
def test_tensors_come_back_as_tensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    expected = Batch(
        {
            "x": torch.arange(6.0).reshape(3, 2),
            "half": torch.arange(3).to(torch.bfloat16),
            "complex": torch.tensor([1 + 2j, 3j, 4]).conj(),
            "graph": torch.ones(3, requires_grad=True),
            "slanted": torch.arange(9).reshape(3, 3).T,
        }
    )
    stored = keep(tmp_path, [wrap(expected)])
    read = stored.read(np.array([2, 0]))
    for name, column in expected.items():
        assert torch.equal(read[name], column[[2, 0]].detach()), name
    assert str(stored.schema()) == str(Schema.of(expected))
    assert stored.columns() is None


def test_the_columns_of_one_part_are_the_mapped_files(tmp_path: Path) -> None:
    stored = keep(tmp_path, [wrap({"x": np.arange(4), "t": Ragged.from_rows([[1], [2], [], []])})])
    columns = stored.columns()
    assert columns is not None
    assert type(columns["x"]) is np.ndarray
    assert not columns["x"].flags.writeable
    assert not columns["x"].flags.owndata
    assert columns["x"] is stored.columns()["x"]  # type: ignore[index]


def test_it_travels_as_a_path_even_when_it_is_open(tmp_path: Path) -> None:
    stored = keep(tmp_path, [wrap({"x": np.arange(100_000)})])
    stored.read(np.arange(3))
    travelling = pickle.dumps(stored)
    assert len(travelling) < 1500
    code = "import pickle, sys, numpy; print(pickle.load(sys.stdin.buffer).read(numpy.array([99_999]))['x'][0])"
    done = subprocess.run([sys.executable, "-c", code], input=travelling, capture_output=True, check=True)
    assert done.stdout == b"99999\n"


@pytest.fixture
def few_files() -> Iterator[int]:
    """Let this process open no more files than systems often do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield 1024
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_many_parts_need_few_open_files(tmp_path: Path, few_files: int) -> None:
    stored = keep(tmp_path, [Rows([number]) for number in range(600)], part_bytes=1)
    assert len(stored.manifest.parts) == 600
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):
        assert (stored.read(np.arange(600))["value"] == np.arange(600)).all()
    assert (stored.read(np.arange(100))["value"] == np.arange(100)).all()
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= few_files / 4


def test_parts_of_the_same_content_are_kept_once(tmp_path: Path) -> None:
    stored = keep(tmp_path, [Rows([7, 7])] * 4, part_bytes=16)
    assert len(stored.manifest.parts) == 4
    assert len(list((tmp_path / "objects").iterdir())) == 1
    assert stored.read(np.arange(8))["value"].tolist() == [7] * 8


@pytest.mark.parametrize("change", ["cut", "longer", "gone"])
def test_a_part_of_another_size_is_damage_that_names_the_file(tmp_path: Path, change: str) -> None:
    stored = keep(tmp_path, [wrap({"x": np.arange(100)})])
    (path,) = tmp_path.glob("objects/*/x.npy")
    content = path.read_bytes()
    path.unlink()
    if change != "gone":
        path.write_bytes(content[:-1] if change == "cut" else content + b"x")
    wrong = "is missing" if change == "gone" else f"has {path.stat().st_size} bytes, expected {len(content)}"
    with pytest.raises(DamageError, match=f"{path} {wrong}"):
        stored.check()
    with pytest.raises(DamageError, match=f"{path} {wrong}"):
        stored.read(np.arange(1))


def test_a_file_of_other_content_that_is_no_array_is_damage(tmp_path: Path) -> None:
    stored = keep(tmp_path, [wrap({"x": np.arange(100)})])
    (path,) = tmp_path.glob("objects/*/x.npy")
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(DamageError, match=r"x\.npy"):
        stored.read(np.arange(1))


def test_who_has_read_reads_on_after_the_files_are_gone(tmp_path: Path) -> None:
    stored = keep(tmp_path, [wrap({"x": np.arange(100)})])
    stored.read(np.arange(1))
    Folder(tmp_path).delete("data", "1")
    assert not list((tmp_path / "objects").iterdir())
    assert stored.read(np.array([99]))["x"].tolist() == [99]


def test_rows_of_objects_become_columns_before_they_are_written(tmp_path: Path) -> None:
    given = [{"x": 1, "s": "a", "v": [1.0, 2.0]}, {"x": 2, "s": "b", "v": [3.0, 4.0]}]
    stored = keep(tmp_path, [Rows(given)])
    assert same(stored.read(np.arange(2)), to_columns(Rows(given)).batch)
