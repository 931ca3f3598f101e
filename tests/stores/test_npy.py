"""Files that grow and are what numpy.save would have written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from headrace.core.errors import SchemaError
from headrace.stores.npy import NpyWriter, header
from headrace.stores.sums import PIECE, FileSum


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def write(path: Path, pieces: list[NDArray[Any]], pool: ThreadPoolExecutor) -> FileSum:
    writer = NpyWriter(path, pieces[0].dtype, pieces[0].shape[1:], pool)
    for piece in pieces:
        writer.append(piece)
    writer.seal()
    writer.sync()
    return writer.sum()


DTYPES = (
    hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes()
    | hnp.complex_number_dtypes()
    | hnp.boolean_dtypes()
    | hnp.datetime64_dtypes()
    | hnp.timedelta64_dtypes()
    | hnp.unicode_string_dtypes()
    | hnp.byte_string_dtypes()
    | hnp.array_dtypes(hnp.integer_dtypes(), max_size=3)
)


@given(st.data())
def test_what_was_written_in_pieces_is_loaded_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    dtype = data.draw(DTYPES)
    item = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    lengths = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    pieces = [data.draw(hnp.arrays(dtype, (length, *item))) for length in lengths]
    path = tmp_path_factory.mktemp("npy") / "x.npy"
    with ThreadPoolExecutor(2) as pool:
        told = write(path, pieces, pool)
    expected = np.concatenate(pieces, dtype=dtype, casting="unsafe")  # else the byte order is lost
    for mode in (None, "r"):
        loaded = np.load(path, mmap_mode=mode)
        assert loaded.dtype == expected.dtype
        assert loaded.shape == expected.shape
        assert loaded.tobytes() == expected.tobytes()
    assert told == FileSum(path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


def expected_sum(path: Path) -> str:
    """Sum a file up as its format says, in the plainest way."""
    content = path.read_bytes()
    digests = [hashlib.sha256(content[start : start + PIECE]).digest() for start in range(0, len(content), PIECE)]
    return digests[0].hex() if len(digests) == 1 else hashlib.sha256(b"".join(digests)).hexdigest()


@pytest.mark.parametrize("bytes_of", [[PIECE - 128], [PIECE - 127], [3 * PIECE], [1, PIECE, 70_000, 2 * PIECE, 5, 5]])
def test_the_sum_is_that_of_pieces_however_the_rows_came(
    tmp_path: Path, pool: ThreadPoolExecutor, bytes_of: list[int]
) -> None:
    generator = np.random.default_rng(0)
    rows = [generator.integers(0, 255, length, np.uint8) for length in bytes_of]
    told = write(tmp_path / "x.npy", rows, pool)
    assert (np.load(tmp_path / "x.npy") == np.concatenate(rows)).all()
    assert told == FileSum((tmp_path / "x.npy").stat().st_size, expected_sum(tmp_path / "x.npy"))


def test_a_piece_may_be_changed_as_soon_as_it_was_appended(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    writer = NpyWriter(tmp_path / "x.npy", np.dtype(np.int64), (), pool)
    piece = np.ones(2_000_000, np.int64)
    writer.append(piece)
    piece[:] = 2
    writer.append(piece)
    writer.seal()
    assert np.load(tmp_path / "x.npy").sum() == 6_000_000
    assert writer.sum().sha256 == expected_sum(tmp_path / "x.npy")


@pytest.mark.parametrize("order", ["C", "F"])
def test_pieces_lie_in_memory_in_any_way(tmp_path: Path, pool: ThreadPoolExecutor, order: Any) -> None:
    rows = np.asarray(np.arange(24.0).reshape(4, 3, 2), order=order)
    write(tmp_path / "x.npy", [rows[::2], rows[::-1]], pool)
    assert (np.load(tmp_path / "x.npy") == np.concatenate([rows[::2], rows[::-1]])).all()


def test_rows_can_be_taken_for_values_after_the_fact(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    writer = NpyWriter(tmp_path / "x.npy", np.dtype(np.int32), (5, 2), pool)
    writer.append(np.arange(30, dtype=np.int32).reshape(3, 5, 2))
    writer.seal()
    before = writer.sum()
    writer.reshape(tmp_path / "y.npy", 15, (2,))
    writer.seal()
    assert (np.load(tmp_path / "y.npy") == np.arange(30).reshape(15, 2)).all()
    assert not (tmp_path / "x.npy").exists()
    assert writer.sum() != before
    assert writer.sum().sha256 == hashlib.sha256((tmp_path / "y.npy").read_bytes()).hexdigest()


def test_the_header_leaves_room_for_any_number_of_rows() -> None:
    sizes = {len(header(np.dtype("f4"), (rows, 3))) for rows in (0, 1, 10**9, 2**62)}
    assert len(sizes) == 1


def test_metadata_of_a_dtype_is_left_out(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    write(tmp_path / "x.npy", [np.zeros(2, np.dtype("i4", metadata={"unit": "m"}))], pool)
    assert np.load(tmp_path / "x.npy").dtype == np.dtype("i4")


def test_a_dtype_that_would_come_back_as_another_is_refused() -> None:
    with pytest.raises(SchemaError, match="object"):
        header(np.dtype(object), (0,))
    with pytest.raises(SchemaError, match="2000 fields"):
        header(np.dtype([(f"field{number}", "i4") for number in range(2000)]), (0,))


def test_an_existing_file_is_never_written_over(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    (tmp_path / "x.npy").write_text("mine")
    with pytest.raises(FileExistsError):
        NpyWriter(tmp_path / "x.npy", np.dtype("i4"), (), pool)
    assert (tmp_path / "x.npy").read_text() == "mine"
