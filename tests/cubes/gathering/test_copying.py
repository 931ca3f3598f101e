"""Copies of windows: all ways give the same, for any layout of memory, kind of content and size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.cubes.gathering import copying
from headrace.cubes.gathering.copying import Windows, slices
from tests.cubes.oracle import DTYPES, content


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_all_ways_to_copy_give_the_same(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=0, max_size=4)))
    array: NDArray[Any] = content(data.draw(st.sampled_from([*DTYPES, "S3", "m8[ns]", "float16"])), shape)
    array = array.transpose(data.draw(st.permutations(range(len(shape)))))
    if len(shape) > 0 and data.draw(st.booleans()):
        array = array[:: data.draw(st.sampled_from([1, -1, 2]))]
    if data.draw(st.booleans()):
        array = np.broadcast_to(array, (2, *array.shape))  # strides of 0
    steps = tuple(data.draw(st.sampled_from([1, 1, 2])) for _ in array.shape)
    sizes = tuple(
        data.draw(st.integers(1, (length - 1) // step + 1)) for length, step in zip(array.shape, steps, strict=True)
    )
    spans = [(size - 1) * step + 1 for size, step in zip(sizes, steps, strict=True)]
    most = [length - span for length, span in zip(array.shape, spans, strict=True)]
    places: st.SearchStrategy[tuple[int, ...]] = st.tuples(*(st.integers(0, room) for room in most))
    begins = np.array(data.draw(st.lists(places, max_size=5)), np.int64)
    begins = begins.reshape(-1, array.ndim) if array.ndim else np.empty((3, 0), np.int64)
    expected = np.empty((len(begins), *sizes), array.dtype)
    for row, here in enumerate(slices(begins, begins + np.array(spans, np.int64), steps)):
        expected[row] = array[here]
    rows = np.array(data.draw(st.permutations(range(len(begins)))), np.int64)
    wider: np.dtype[Any] = np.dtype(object) if data.draw(st.booleans()) else array.dtype
    for together, at_once in ((1 << 20, 1 << 20), (1 << 20, 1), (-1, 1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(copying, "TOGETHER", together)
            patch.setattr(copying, "AT_ONCE", at_once)
            windows = Windows(array, sizes, steps, wider)
            out = np.zeros(expected.shape, wider)
            windows.copy(begins, out)
            np.testing.assert_array_equal(out, expected.astype(wider))
            again = np.zeros(expected.shape, wider)
            windows.copy(begins[rows], again, rows)
            np.testing.assert_array_equal(again, expected.astype(wider))


@pytest.mark.parametrize("size", [10, 5000])
@pytest.mark.parametrize("dtype", ["float32", "M8[ns]"])
def test_windows_of_one_dimension_of_any_length(size: int, dtype: str) -> None:
    array = content(dtype, (20_000,))
    begins = np.array([[0], [1], [20_000 - size], [77]])
    out = np.empty((4, size), dtype)
    Windows(array, (size,), (1,), array.dtype).copy(begins, out)
    np.testing.assert_array_equal(out, [array[begin : begin + size] for (begin,) in begins.tolist()])


def test_a_window_outside_is_an_error_and_no_memory_of_others() -> None:
    array = np.arange(64.0).reshape(8, 8)
    for sizes in ((2, 2), (8, 8)):
        windows = Windows(array, sizes, (1, 1), array.dtype)
        with pytest.raises(IndexError):
            windows.copy(np.array([[7, 7]]), np.empty((1, *sizes)))


def test_the_array_is_kept_alive_and_cannot_be_written_to() -> None:
    windows = Windows(np.arange(1000.0).reshape(10, 100), (2, 3), (1, 1), np.dtype(float))
    out: Any = np.empty((1, 2, 3))
    windows.copy(np.array([[8, 97]]), out)
    assert out.tolist() == [[[897, 898, 899], [997, 998, 999]]]
    assert not windows.view.flags.writeable
