"""Buffers are written to again only when nobody can see it."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from headrace.core import buffers as module
from headrace.core.buffers import Buffers

COLUMN = np.arange(64 * 8192, dtype=np.float64).reshape(64, 8192)  # rows of 64 KiB: buffers from two rows on
ROWS = np.arange(8)

reused = pytest.mark.skipif(not module._COUNTS_ARE_EXACT, reason="without the global lock nothing is reused")


def rows(buffers: Buffers, start: int, count: int = 8) -> Any:
    return buffers.take("x", COLUMN, np.arange(start, start + count))


def in_a_cycle(held: list[Any]) -> list[Any]:
    held.append(held)
    return held


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "the array": lambda array: array,
    "a row": lambda array: array[3],
    "a slice of a slice": lambda array: array[2:][:1],
    "a reshaped view": lambda array: array.reshape(-1),
    "another dtype's view": lambda array: array.view(np.uint8),
    "a transposed view": lambda array: array.T,
    "a memoryview": memoryview,
    "bytes of a memoryview": lambda array: memoryview(array).cast("B")[5:],
    "an iterator": iter,
    "a flat iterator": lambda array: array.flat,
    "a strided trick": lambda array: np.lib.stride_tricks.as_strided(array, (2,), (8,)),
    "an array that wraps it": lambda array: np.asarray(memoryview(array)),
    "its interface": lambda array: np.frombuffer(array, np.float64),
    "dlpack": lambda array: np.from_dlpack(array),
    "a closure": lambda array: lambda: array,
    "a bound method": lambda array: array.sum,
    "ctypes": lambda array: array.ctypes,
    "a cycle": lambda array: in_a_cycle([array]),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_whoever_holds_anything_of_a_buffer_keeps_what_it_showed(name: str) -> None:
    buffers = Buffers()
    array = rows(buffers, 0)
    address = array.ctypes.data
    held = HOLDERS[name](array)
    del array
    later = [rows(buffers, start) for start in range(8, 24)]
    assert all(other.ctypes.data != address for other in later)
    assert list((ctypes.c_double * 8).from_address(address)) == list(range(8))
    del held


@pytest.mark.torch
def test_a_tensor_that_shares_the_memory_holds_it() -> None:
    torch = pytest.importorskip("torch")
    buffers = Buffers()
    tensor = torch.from_numpy(rows(buffers, 0))
    part = tensor[2:3]
    del tensor
    for start in range(8, 30):
        rows(buffers, start)
    assert part[0, :3].tolist() == COLUMN[2, :3].tolist()


def test_a_frame_over_a_column_holds_it() -> None:
    pandas = pytest.importorskip("pandas")
    buffers = Buffers()
    frame = pandas.DataFrame(rows(buffers, 0), copy=False)
    series = frame[0]
    del frame
    for start in range(8, 30):
        rows(buffers, start)
    assert series.tolist() == COLUMN[:8, 0].tolist()


@reused
def test_a_buffer_that_nobody_holds_is_written_to_again() -> None:
    buffers = Buffers()
    addresses = set()
    for start in range(20):
        array = rows(buffers, start)
        addresses.add(array.ctypes.data)
        assert array[0, 0] == COLUMN[start, 0]
        del array
    assert len(addresses) == 1


@reused
def test_with_one_batch_in_use_and_one_being_made_two_buffers_take_turns() -> None:
    buffers = Buffers()
    held: Any = None
    addresses = set()
    for start in range(20):
        held = rows(buffers, start)
        addresses.add(held.ctypes.data)
    assert len(addresses) == 2


def test_any_number_may_be_held_at_once() -> None:
    buffers = Buffers()
    kept = [rows(buffers, start) for start in range(40)]
    assert len({array.ctypes.data for array in kept}) == 40
    for start, array in enumerate(kept):
        assert (array == COLUMN[start : start + 8]).all()
        assert array.flags.writeable


def test_a_smaller_batch_fits_into_a_larger_buffer_and_holds_it() -> None:
    buffers = Buffers()
    first = rows(buffers, 0)
    del first
    small = rows(buffers, 5, count=3)
    assert small.shape == (3, 8192)
    for start in range(30):
        rows(buffers, start)
    assert (small == COLUMN[5:8]).all()


def test_another_dtype_or_row_shape_under_one_key_gets_a_buffer_of_its_own() -> None:
    buffers = Buffers()
    for column in (COLUMN, COLUMN.astype(np.float32), COLUMN.reshape(64, 2, 4096), COLUMN.astype(">f8")):
        for _ in range(3):
            taken = buffers.take("x", column, ROWS)
            assert taken.dtype == column.dtype
            assert (taken == column[:8]).all()


@pytest.mark.parametrize(
    "column",
    [np.arange(5), np.zeros((5, 0)), np.zeros((0, 3)), np.zeros((5, 0, 2)), np.zeros(5, "S3"), np.zeros(5, "M8[s]")],
    ids=lambda column: f"{column.dtype}{column.shape}",
)
def test_small_and_empty_columns_are_taken_alike(column: Any) -> None:
    indices = np.arange(len(column))[::-1]
    taken = Buffers().take("x", column, indices)
    assert taken.shape == column.shape
    assert (taken == column[::-1]).all()
    assert Buffers().take("x", column, indices[:0]).shape == (0, *column.shape[1:])


def test_keys_share_nothing() -> None:
    buffers = Buffers()
    x, y = (buffers.take(key, COLUMN, ROWS) for key in ("x", "y"))
    assert x.ctypes.data != y.ctypes.data
    assert buffers.empty("z", COLUMN, 3).shape == (3, 8192)


def test_threads_that_share_buffers_never_see_each_others_rows() -> None:
    buffers, wrong = Buffers(), []

    def read(seed: int) -> None:
        random = np.random.default_rng(seed)
        kept = []
        for _ in range(150):
            indices = random.integers(0, 64, 4)
            array = buffers.take("x", COLUMN, indices)
            kept.append((indices, array))
            if len(kept) > 3:
                asked, held = kept.pop(int(random.integers(0, 3)))
                if (held[:, 0] != COLUMN[asked, 0]).any() or (held[:, -1] != COLUMN[asked, -1]).any():
                    wrong.append(asked)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_no_more_than_a_few_buffers_are_kept() -> None:
    buffers = Buffers()
    kept = [rows(buffers, start) for start in range(30)]
    del kept
    gc.collect()
    assert sum(len(free) for free in buffers._free.values()) <= module._MOST
