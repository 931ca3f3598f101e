"""Rows of different lengths: kept, taken, cut, joined, padded."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core import gathering
from headrace.core.errors import ArgumentError, KindError, SchemaError
from headrace.core.ragged import Ragged
from tests.core.some_columns import ragged, some_rows

SOME = st.integers(0, 8).flatmap(ragged)
TEXT = Ragged.from_rows([[1, 2, 3], [], [4]])


def padded_one_by_one(rows: list[Any], value: Any, length: int) -> list[Any]:
    item = rows[0].shape[1:] if rows else ()
    return [[*row.tolist(), *[np.full(item, value).tolist()] * (length - len(row))] for row in rows]


@given(SOME)
def test_from_rows_gives_the_rows_back(column: Ragged) -> None:
    again = Ragged.from_rows(column.rows())
    assert len(again) == len(column)
    assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(again, column, strict=True))
    if len(column):
        assert again == column


@given(SOME, st.data())
def test_take_gives_the_rows_asked_for(column: Ragged, data: st.DataObject) -> None:
    indices = data.draw(
        st.lists(st.integers(-len(column), len(column) - 1), max_size=6) if len(column) else st.just([])
    )
    taken = column.take(indices)
    assert [row.tobytes() for row in taken] == [column[index].tobytes() for index in indices]
    assert taken.dtype == column.dtype
    assert taken.item == column.item
    assert taken == column[np.array(indices, np.int32)]


@given(SOME, st.slices(8))
def test_a_slice_has_the_rows_of_a_sliced_list(column: Ragged, cut: slice) -> None:
    sliced = column[cut]
    assert [row.tobytes() for row in sliced] == [row.tobytes() for row in column.rows()[cut]]
    assert sliced.offsets[0] == 0
    assert sliced.offsets[-1] == len(sliced.values)
    assert Ragged(sliced.values, sliced.offsets) == sliced


@given(SOME, st.data())
def test_pad_equals_padding_row_by_row(column: Ragged, data: st.DataObject) -> None:
    longest = max(map(len, column), default=0)
    length = data.draw(st.none() | st.integers(longest, longest + 20))
    value = data.draw(st.sampled_from([0, 1]))
    value = bool(value) if column.dtype == bool else value
    out = column.pad(value, length)
    width = longest if length is None else length
    assert out.shape == (len(column), width, *column.item)
    assert out.dtype == column.dtype
    expected = np.array(padded_one_by_one(column.rows(), value, width), column.dtype).reshape(out.shape)
    np.testing.assert_array_equal(out, expected)


@given(SOME, st.data())
def test_pad_of_some_rows_equals_taking_them_first(column: Ragged, data: st.DataObject) -> None:
    indices = data.draw(some_rows(0, len(column)))
    value = False if column.dtype == bool else 0
    np.testing.assert_array_equal(column.pad(value, indices=indices), column.take(indices).pad(value))


@pytest.mark.parametrize("mean", [1, 40, 400])
def test_long_and_short_rows_are_gathered_alike(mean: int) -> None:
    lengths = np.random.default_rng(0).integers(0, 2 * mean, 50)
    column = Ragged(np.arange(lengths.sum()), np.cumsum([0, *lengths]))
    indices = np.random.default_rng(1).integers(0, 50, 30)
    assert [row.tolist() for row in column.take(indices)] == [column[int(at)].tolist() for at in indices]
    out = column.pad(-1, indices=indices)
    for row, at in zip(out, indices, strict=True):
        assert row[: lengths[at]].tolist() == column[int(at)].tolist()
        assert (row[lengths[at] :] == -1).all()


def test_both_ways_of_joining_agree() -> None:
    values = np.arange(40).reshape(20, 2)
    starts, stops = np.array([3, 3, 0]), np.array([7, 3, 20])
    short, offsets = gathering.joined(values, starts, stops)
    assert offsets.tolist() == [0, 4, 4, 24]
    assert short.tolist() == [*values[3:7].tolist(), *values.tolist()]


@given(st.data())
def test_concat_gives_all_rows_in_order(data: st.DataObject) -> None:
    parts = data.draw(st.lists(ragged(3, ("int64",)).filter(lambda part: not part.item), min_size=1, max_size=3))
    joined = Ragged.concat(parts)
    assert [row.tolist() for row in joined] == [row.tolist() for part in parts for row in part]


def test_concat_promotes_dtypes_and_refuses_other_items() -> None:
    assert Ragged.concat([TEXT, Ragged.from_rows([[0.5]])]).dtype == np.float64
    with pytest.raises(SchemaError, match="cannot be joined"):
        Ragged.concat([TEXT, Ragged.from_rows([np.zeros((1, 2))])])
    with pytest.raises(ArgumentError, match="nothing to concatenate"):
        Ragged.concat([])


@given(SOME)
def test_pickling_keeps_a_column(column: Ragged) -> None:
    assert pickle.loads(pickle.dumps(column)) == column


def test_pickling_a_slice_carries_its_own_rows_only() -> None:
    column = Ragged(np.zeros(100_000), np.arange(0, 100_001, 100))
    assert len(pickle.dumps(column[10:12])) < 2_500


def test_a_slice_is_a_view_and_what_is_taken_a_copy() -> None:
    column = Ragged(np.arange(4), [0, 2, 4])
    column[1:][0][0] = 9
    assert column.values.tolist() == [0, 1, 9, 3]
    column.take([0])[0][0] = 7
    assert column[0].tolist() == [0, 1]
    column[-1][1] = 8
    assert column.values.tolist() == [0, 1, 9, 8]


def test_rows_are_asked_for_by_numbers_numpy_numbers_masks_and_lists() -> None:
    assert TEXT[-1].tolist() == TEXT[np.int32(2)].tolist() == [4]
    assert [row.tolist() for row in TEXT[[2, 0]]] == [[4], [1, 2, 3]]
    assert [row.tolist() for row in TEXT[np.array([False, True, True])]] == [[], [4]]
    with pytest.raises(IndexError, match="row 3 is out of range: there are 3 rows"):
        TEXT[3]
    with pytest.raises(IndexError, match="row -4 is out of range"):
        TEXT[[0, -4]]
    with pytest.raises(KindError, match="whole number"):
        TEXT[1.0]  # type: ignore[call-overload]


def test_equality_counts_dtype_and_lengths_and_takes_nan_for_equal() -> None:
    assert Ragged.from_rows([[np.nan], []]) == Ragged.from_rows([[np.nan], []])
    assert Ragged([1, 2], [0, 1, 2]) != Ragged([1, 2], [0, 2, 2])
    assert Ragged.from_rows([[1]]) != Ragged.from_rows([[1.0]])
    assert TEXT != [[1, 2, 3], [], [4]]
    assert (np.arange(3) == TEXT) is False


def test_empty_lists_say_nothing_of_the_dtype() -> None:
    assert Ragged.from_rows([[], [1, 2]]).dtype == np.int64
    assert Ragged.from_rows([[], [[1, 2]]]).item == (2,)
    assert Ragged.from_rows([np.empty(0, np.float32), [1]]).dtype == np.float64
    assert len(Ragged.from_rows([])) == 0


def test_from_rows_takes_a_generator() -> None:
    assert Ragged.from_rows(np.arange(n) for n in range(3)).lengths.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "offsets", "match"),
    [
        ([1, 2, 3], [0, 2], "from 0 to the number of values"),
        ([1, 2, 3], [1, 3], "from 0 to the number of values"),
        ([1, 2, 3], [0, 2, 1, 3], "row 1 ends before it begins"),
        ([1, 2, 3], [0.0, 3.0], "whole numbers"),
        ([1, 2, 3], [], "whole numbers"),
        (5, [0, 1], "single value"),
    ],
)
def test_offsets_that_describe_no_rows_are_refused(values: Any, offsets: Any, match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        Ragged(values, offsets)


def test_rows_that_differ_beyond_their_first_axis_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"row 1 has shape \(1, 3\)"):
        Ragged.from_rows([np.zeros((2, 2)), np.zeros((1, 3))])
    with pytest.raises(SchemaError, match=r"row 0 has shape \(\)"):
        Ragged.from_rows([np.float64(1)])


@pytest.mark.parametrize(
    ("dtype", "value"), [("uint8", -1), ("int64", 0.5), ("uint8", 256), ("bool", 2), ("int64", "x"), ("int32", [1])]
)
def test_padding_with_what_the_dtype_cannot_hold_is_refused(dtype: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match="cannot pad"):
        Ragged(np.zeros(2, dtype), [0, 2]).pad(value)


def test_padding_to_less_than_the_longest_row_is_refused() -> None:
    with pytest.raises(ArgumentError, match="the longest row has 3"):
        TEXT.pad(0, length=2)


@pytest.mark.parametrize(("dtype", "value"), [("float32", 0.1), ("float64", np.nan), ("O", None), ("U2", "ab")])
def test_padding_takes_any_value_of_the_dtype(dtype: str, value: Any) -> None:
    out = Ragged(np.zeros(1, dtype), [0, 0, 1]).pad(value)
    np.testing.assert_array_equal(out[0, 0], np.full((), value, dtype)[()])
