"""Records that do not fit are refused by number and column; nothing of them is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.core.errors import SchemaError, StoreError
from headrace.core.ragged import Ragged
from headrace.core.records import Records, Rows, wrap
from headrace.stores.parts import CHUNK_BYTES, Writer


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with Writer(tmp_path) as made:
        yield made


def rows(*records: Any) -> Rows:
    return Rows(list(records))


REFUSED: dict[str, tuple[list[Records], str]] = {
    "another column": ([rows({"a": 1}), rows({"a": 2}, {"b": 3})], r"record 2: expected columns 'a', got 'b'"),
    "a column more": ([rows({"a": 1}, {"a": 2, "b": 3})], r"record 1: expected columns 'a', got 'a', 'b'"),
    "another dtype": (
        [rows({"a": 1}), rows({"a": 2}, {"a": 2.5})],
        r"record 2: column 'a': expected int64, got float64",
    ),
    "text for a number": (
        [rows({"a": 1}, {"a": 2}), rows({"a": "3"})],
        r"record 2: column 'a': expected int64, got string",
    ),
    "text among numbers": ([rows(1, 2, "3")], r"record 2: column 'value': expected int64, got string"),
    "bytes for text": ([rows({"a": "1"}), rows({"a": b"1"})], r"record 1: column 'a': expected string, got bytes"),
    "nothing for text": (
        [rows({"a": "1"}, {"a": None})],
        r"record 1: column 'a': objects of type NoneType cannot be kept",
    ),
    "an object": (
        [rows({"a": object()})],
        r"record 0: column 'a': objects of type object cannot be kept; .*map\(\.\.\.\)",
    ),
    "a list of text": ([rows({"a": ["b"]})], r"record 0: column 'a': objects of type list cannot be kept"),
    "another item shape": (
        [rows({"a": np.zeros((2, 3))}), rows({"a": np.zeros((2, 4))})],
        r"record 1: column 'a': expected float64\[2, 3\], got float64\[2, 4\]",
    ),
    "an array for a number": (
        [rows(1.0), rows(np.zeros(2))],
        r"record 1: column 'value': expected float64, got float64\[2\]",
    ),
    "another structure": (
        [rows({"a": 1}), rows((1, 2))],
        r"record 1: expected a mapping as in the records before, got a tuple",
    ),
    "another structure at once": ([rows({"a": 1}, (1, 2))], r"record 1: "),
    "a longer tuple": ([rows((1, 2)), rows((1, 2, 3))], r"record 1: expected columns '0', '1', got '0', '1', '2'"),
    "another nested column": (
        [rows({"a": {"x": 1}}), rows({"a": {"x": 1}}, {"a": {"y": 1}})],
        r"record 2: column 'a': expected columns 'x', got 'y'",
    ),
    "another nested dtype": (
        [rows({"a": {"x": 1}}), rows({"a": {"x": "1"}})],
        r"record 1: column 'a.x': expected int64, got string",
    ),
    "columns of another dtype": (
        [wrap({"a": np.zeros(3, np.int32)}), wrap({"a": np.zeros(2, np.int64)})],
        r"record 3 and those that came with it: column 'a': expected int32, got int64",
    ),
    "columns of other dates": (
        [wrap({"a": np.zeros(3, "M8[D]")}), wrap({"a": np.zeros(2, "M8[s]")})],
        r"expected datetime64\[D\], got datetime64\[s\]",
    ),
    "ragged rows of objects": ([wrap({"a": Ragged(np.array(["x"], object), [0, 1])})], r"column 'a': rows of objects"),
}


@pytest.mark.parametrize(("blocks", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_named_by_record_and_column(writer: Writer, blocks: list[Records], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        for block in blocks:
            writer.append(block)


def test_a_large_piece_is_written_in_chunks_and_told_of(tmp_path: Path) -> None:
    told: list[int] = []
    array = np.zeros((3, CHUNK_BYTES // 8 * 2 // 3))
    with Writer(tmp_path, told=told.append) as writer:
        writer.append(wrap({"x": array}))
        (part,) = writer.finish()
    assert told == [1, 1, 1]
    assert part.size - array.nbytes <= 192


def test_parts_have_about_the_size_that_is_wanted(tmp_path: Path) -> None:
    with Writer(tmp_path, part_bytes=100_000) as writer:
        for _ in range(10):
            writer.append(wrap({"x": np.random.default_rng(0).random((1000, 10))}))
        parts = writer.finish()
    sizes = [part.size for part in parts]
    assert sum(part.length for part in parts) == 10_000
    assert all(50_000 < size < 110_000 for size in sizes[:-1])


def test_sizes_on_disk_are_within_two_percent_of_what_lies_in_memory(tmp_path: Path) -> None:
    image = np.zeros((200, 32, 32, 3), np.uint8)
    columns = {
        "image": image,
        "text": Ragged(np.zeros(20_000, np.int32), np.arange(0, 20_001, 100)),
        "label": np.arange(200),
    }
    with Writer(tmp_path) as writer:
        writer.append(wrap(columns))
        (part,) = writer.finish()
    raw = image.nbytes + 80_000 + 201 * 8 + 1600
    assert part.size < 1.02 * raw


def test_an_error_of_the_file_system_becomes_one_of_the_store(tmp_path: Path) -> None:
    with Writer(tmp_path / "gone", rows=10) as writer, pytest.raises(StoreError, match="gone"):
        writer.append(rows(1))


def test_no_thread_is_left_and_no_file_open_after_an_error(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    with pytest.raises(SchemaError), Writer(tmp_path) as writer:
        writer.append(rows({"a": 1, "b": "x", "c": [1, 2]}))
        writer.append(rows({"a": 1}))
    assert (len(list(Path("/proc/self/fd").iterdir())), threading.active_count()) == before
