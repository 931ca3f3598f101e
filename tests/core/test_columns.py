"""Columns of every kind: taken, cut, joined, compared; rows made into columns and back."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core import columns
from headrace.core.batch import Batch
from headrace.core.equality import same_values
from headrace.core.errors import ArgumentError, KindError, SchemaError
from headrace.core.ragged import Ragged
from tests.core import some_columns
from tests.core.some_columns import some_rows

ANY = st.integers(0, 5).flatmap(some_columns.columns)


@given(ANY, st.data())
def test_take_gives_the_rows_asked_for(column: Any, data: st.DataObject) -> None:
    indices = data.draw(some_rows(0, len(column)))
    taken = columns.take(column, np.array(indices, np.int64))
    rows = columns.rows(column)
    assert same_values(columns.rows(taken), [rows[at] for at in indices])
    assert columns.kind(taken) == columns.kind(column)


@given(ANY, st.slices(5))
def test_a_part_has_the_rows_of_a_sliced_list(column: Any, cut: slice) -> None:
    assert same_values(columns.rows(columns.part(column, cut)), columns.rows(column)[cut])


@given(ANY)
def test_one_row_is_the_same_as_among_all_rows(column: Any) -> None:
    assert same_values([columns.row(column, at) for at in range(len(column))], columns.rows(column))


@given(ANY, st.integers(0, 5))
def test_the_parts_of_a_column_make_the_column(column: Any, at: int) -> None:
    joined = columns.concat([columns.part(column, slice(None, at)), columns.part(column, slice(at, None))])
    assert columns.same(joined, column)
    assert not np.shares_memory(joined, column) if isinstance(column, np.ndarray) else joined is not column


@given(st.data())
def test_stacking_rows_makes_the_column_again(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 5))
    strategies = [
        some_columns.dense(rows, ("int64", "float64", "bool", "uint8", "float32", "complex128", "datetime64[s]")),
        some_columns.strings(rows),
    ]
    column = data.draw(st.one_of(strategies))
    assert columns.same(columns.stack(columns.rows(column)), column)


@given(st.integers(1, 5).flatmap(lambda rows: some_columns.ragged(rows, ("int64",))))
def test_stacking_ragged_rows_makes_the_column_again_unless_they_are_equally_long(column: Ragged) -> None:
    stacked = columns.stack(columns.rows(column))
    assert isinstance(stacked, Ragged if len(set(map(len, column))) > 1 else np.ndarray)
    assert columns.as_ragged(stacked) == column


@given(ANY)
def test_a_column_equals_its_copies_and_pickles(column: Any) -> None:
    assert columns.same(column, columns.compact(column))
    assert columns.same(column, copy.deepcopy(column))
    assert columns.same(column, pickle.loads(pickle.dumps(column)))


@given(st.integers(1, 4).flatmap(some_columns.columns), st.data())
def test_columns_of_different_rows_differ(column: Any, data: st.DataObject) -> None:
    assert not columns.same(column, columns.part(column, slice(1, None)))
    assert not columns.same(column, Batch({"other": np.arange(len(column))}))


@pytest.mark.parametrize(
    ("rows", "dtype"),
    [
        ([1, 2], "int64"),
        ([1.0, 2.0], "float64"),
        ([True, False], "bool"),
        ([1j], "complex128"),
        ([1, 2.5], "float64"),
        ([True, 2], "int64"),
        ([np.float32(1), np.float32(2)], "float32"),
        ([np.float32(1), 2.0], "float32"),
        ([np.int8(1), np.int32(2)], "int32"),
        ([np.uint8(1), 2], "uint8"),
        ([np.uint8(1), -2], "int64"),
        ([np.int8(1), 0.5], "float64"),
        ([np.float32(1), 1e300], "float64"),
        ([np.float32(1), float("inf")], "float32"),
        ([np.float32(1), 2**70], "O"),
        ([2**63, 0.5], "float64"),
        ([np.datetime64("2020-01-01"), np.datetime64("2020-01-01T01")], "datetime64[h]"),
        (["a", "bcd"], "O"),
        (["a", np.str_("bcd")], "O"),
        ([b"a", np.bytes_(b"bcd")], "O"),
        ([None, 1], "O"),
        (["a", 1], "O"),
        ([np.datetime64("2020-01-01"), 1.5], "O"),
        ([2**70, 1], "O"),
        ([np.str_("a"), np.int64(1)], "O"),
        ([np.timedelta64(1, "s"), 5], "O"),
        ([np.datetime64("2020-01-01"), np.timedelta64(1, "s")], "O"),
        ([], "O"),
        ([{1, 2}], "O"),
        ([["a"], ["b"]], "O"),
        ([[1, 2], "ab"], "O"),
        ([[[1], [2, 3]], [[4]]], "O"),
        ([np.zeros(2), np.zeros((2, 2))], "O"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], "O"),
        ([np.float64(1), np.zeros(1)], "O"),
    ],
)
def test_single_values_make_a_column_of_the_dtype_they_share(rows: list[Any], dtype: str) -> None:
    column = columns.stack(rows)
    assert isinstance(column, np.ndarray)
    assert column.dtype == dtype
    assert column.shape == (len(rows),)
    for value, row in zip(columns.rows(column), rows, strict=True):
        assert np.all(value == row)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([np.zeros(2, np.int8), np.ones(2, np.float32)], np.array([[0, 0], [1, 1]], np.float32)),
        ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
        ([(1, 2), [3, 4.5]], np.array([[1, 2], [3, 4.5]])),
        ([np.array(1, np.int8), np.array(2, np.int8)], np.array([1, 2], np.int8)),
        ([np.zeros((0, 2)), np.zeros((0, 2))], np.zeros((2, 0, 2))),
        ([[], []], np.zeros((2, 0))),
        ([[[1], [2]], [[3], [4]]], np.array([[[1], [2]], [[3], [4]]])),
    ],
)
def test_arrays_of_one_shape_make_a_dense_column(rows: list[Any], expected: Any) -> None:
    assert columns.same(columns.stack(rows), expected)


@pytest.mark.parametrize(
    ("rows", "dtype", "lengths"),
    [
        ([[1, 2], [3]], "int64", [2, 1]),
        ([[], [1]], "int64", [0, 1]),
        ([[1], [], [0.5, 1]], "float64", [1, 0, 2]),
        ([np.zeros((1, 2), np.uint8), np.zeros((3, 2), np.uint8)], "uint8", [1, 3]),
        ([np.zeros(1, np.uint8), [1, 2]], "int64", [1, 2]),
        ([[], [[1, 2]]], "int64", [0, 1]),
    ],
)
def test_arrays_of_different_lengths_make_a_ragged_column(rows: list[Any], dtype: str, lengths: list[int]) -> None:
    column = columns.stack(rows)
    assert isinstance(column, Ragged)
    assert column.dtype == dtype
    assert column.lengths.tolist() == lengths


def test_mappings_make_a_nested_column() -> None:
    column = columns.stack([{"a": 1, "b": {"c": "x"}}, {"b": {"c": "y"}, "a": 2}])
    assert column == Batch({"a": [1, 2], "b": {"c": ["x", "y"]}})
    assert columns.rows(column) == [{"a": 1, "b": {"c": "x"}}, {"a": 2, "b": {"c": "y"}}]


def test_mappings_of_other_names_are_refused_naming_the_row() -> None:
    with pytest.raises(SchemaError, match="row 1 has columns 'a', 'b'; row 0 has columns 'a'"):
        columns.stack([{"a": 1}, {"a": 1, "b": 2}])
    with pytest.raises(SchemaError, match="row 2 has columns 'b'; row 0 has columns 'a'"):
        columns.stack([{"a": 1}, {"a": 1}, {"b": 1}])
    with pytest.raises(SchemaError, match="column 'n': row 1 has no columns; row 0 has columns 'a'"):
        columns.stack([{"n": {"a": 1}}, {"n": {}}])


def test_what_is_stacked_is_copied() -> None:
    row = np.zeros(2)
    for rows in ([row, row], [row, np.zeros(1)]):
        columns.rows(columns.stack(rows))[0][0] = 1
    assert row.tolist() == [0, 0]


@pytest.mark.parametrize("dtype", ["int64", "float64", "bool", "complex128"])
def test_rows_of_pythons_own_dtypes_are_pythons_own_numbers(dtype: str) -> None:
    assert type(columns.rows(np.ones(1, dtype))[0]) is type(np.ones(1, dtype).tolist()[0])


@pytest.mark.parametrize("dtype", ["int32", "float32", "uint8", "datetime64[s]", "complex64"])
def test_rows_of_other_dtypes_keep_them(dtype: str) -> None:
    assert columns.rows(np.ones(1, dtype))[0].dtype == dtype
    assert columns.stack(columns.rows(np.ones(3, dtype))).dtype == dtype


def test_take_puts_rows_into_a_given_array() -> None:
    out = np.zeros((2, 2))
    taken = columns.take(np.arange(6.0).reshape(3, 2), np.array([2, 0]), out)
    assert taken is out
    assert out.tolist() == [[4, 5], [0, 1]]
    with pytest.raises(ArgumentError, match="not of a ragged one"):
        columns.take(Ragged.from_rows([[1]]), np.array([0]), out)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([np.array([1]), np.array([0.5])], np.array([1, 0.5])),
        ([np.array([1], np.int8), np.array([2], np.int16)], np.array([1, 2], np.int16)),
        ([columns.objects(["a"]), np.array([1])], columns.objects(["a", 1])),
        ([np.array([[1, 2]]), np.array([[3]])], Ragged.from_rows([[1, 2], [3]])),
        ([Ragged.from_rows([[1], [2, 3]]), np.array([[4, 5]])], Ragged.from_rows([[1], [2, 3], [4, 5]])),
        ([Batch(), Batch({"a": [1]})], Batch({"a": [1]})),
        ([Batch({"a": [1], "b": [2]}), Batch({"b": [3], "a": [4]})], Batch({"a": [1, 4], "b": [2, 3]})),
    ],
)
def test_columns_are_joined_by_what_they_have_in_common(parts: Sequence[Any], expected: Any) -> None:
    assert columns.same(columns.concat(parts), expected)


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        ([np.array([1]), np.array([[1]])], "single values"),
        ([np.array([1]), Ragged.from_rows([[1]])], "single values"),
        ([np.zeros((1, 2, 3)), np.zeros((1, 2, 4))], "cannot be joined"),
        ([np.zeros(1, "datetime64[s]"), np.zeros(1)], "no type in common"),
        ([np.array(["a"]), np.zeros(1)], "no type in common"),
        ([np.zeros(1, "timedelta64[s]"), np.zeros(1, int)], "no type in common"),
        ([Ragged.from_rows([[1]]), Ragged(np.array(["a"]), [0, 1])], "no type in common"),
        ([np.array([1]), Batch({"a": [1]})], "batch and dense columns cannot be joined"),
        ([Batch({"a": [1]}), Batch({"b": [1]})], "part 1 has columns 'b'; part 0 has columns 'a'"),
        ([Batch({"a": [1]}), Batch({"a": [[1]]})], "column 'a': "),
    ],
)
def test_columns_with_nothing_in_common_are_refused(parts: Sequence[Any], match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        columns.concat(parts)


def test_joining_nothing_is_refused() -> None:
    with pytest.raises(ArgumentError, match="nothing to concatenate"):
        columns.concat([])


def test_arrays_become_columns_without_a_copy() -> None:
    array = np.arange(3)
    assert columns.as_column(array) is array
    mapped = array.view(np.memmap)
    assert type(columns.as_column(mapped)) is np.ndarray
    assert np.shares_memory(columns.as_column(mapped), array)


def test_sequences_ranges_and_mappings_become_columns() -> None:
    class Squares:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, at: int) -> int:
            return at**2

    assert columns.as_column(Squares()).tolist() == [0, 1, 4]
    assert columns.same(columns.as_column(range(3, 0, -1)), np.array([3, 2, 1]))
    assert columns.as_column({"a": [1, 2]}) == Batch({"a": [1, 2]})
    assert columns.as_column((1, 2)).tolist() == [1, 2]


@pytest.mark.parametrize(
    "value",
    [
        "text",
        b"bytes",
        {1, 2},
        5,
        None,
        np.array(5),
        np.float64(5),
        (n for n in range(3)),
        np.zeros(1).view(np.ma.MaskedArray),
    ],
)
def test_what_has_no_value_per_row_is_refused(value: Any) -> None:
    with pytest.raises(KindError):
        columns.as_column(value)


def test_a_masked_array_is_refused_with_the_mend() -> None:
    with pytest.raises(KindError, match=r"fill them first: array\.filled"):
        columns.as_column(np.zeros(1).view(np.ma.MaskedArray))


@pytest.mark.parametrize("dtype", [">i2", "<U3", "S2", "datetime64[D]"])
def test_a_dtype_that_all_share_is_kept(dtype: str) -> None:
    column = np.ones(2, dtype)
    assert columns.concat([column, column]).dtype.str == np.dtype(dtype).str
    assert columns.stack([column, column]).dtype.str == np.dtype(dtype).str
    assert columns.concat([Ragged(column, [0, 2])] * 2).dtype.str == np.dtype(dtype).str


def test_sizes_count_what_the_rows_hold() -> None:
    assert columns.size_in_bytes(np.zeros((10, 2), np.float32)[:5]) == 40
    assert columns.size_in_bytes(Ragged.from_rows([[1], [2, 3]])[:1]) == 8 + 16
    assert columns.size_in_bytes(Batch({"a": np.zeros(2), "b": np.zeros(2, np.int8)})) == 18
    shared = np.zeros(100)
    assert columns.size_in_bytes(columns.objects([shared, shared])) == 2 * 8 + 800


def test_compact_lets_go_of_what_a_view_was_cut_from() -> None:
    whole = np.zeros(100)
    assert columns.compact(whole) is whole
    assert columns.compact(whole[:3]).base is None
    assert len(columns.compact(Ragged(whole, [0, 50, 100])[:1])._values) == 50


def test_what_is_no_column_is_refused() -> None:
    with pytest.raises(KindError, match="not a column: list"):
        columns.rows([1, 2])


def test_objects_that_compare_element_by_element_are_still_compared_whole() -> None:
    a, b = columns.objects([{"x": np.arange(3)}, (np.nan, "y")]), columns.objects([{"x": np.arange(3)}, (np.nan, "y")])
    assert columns.same(a, b)
    b[0] = {"x": np.arange(1, 4)}
    assert not columns.same(a, b)
    assert not columns.same(columns.objects([1]), columns.objects([True]))
