"""A Batch put together record by record."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.builder import BatchBuilder
from headrace.core.errors import KindError, SchemaError
from headrace.core.ragged import Ragged
from tests.core.some_columns import batches


def built(rows: list[Any]) -> Batch:
    builder = BatchBuilder()
    for row in rows:
        builder.append(row)
    assert len(builder) == len(rows)
    return builder.build()


RECORDS = st.fixed_dictionaries(
    {
        "int": st.integers(-(2**63), 2**63 - 1),
        "float": st.floats(),
        "bool": st.booleans(),
        "text": st.text(max_size=3),
        "vector": st.lists(st.integers(-5, 5), min_size=2, max_size=2).map(np.array),
        "ragged": st.lists(st.integers(-5, 5), max_size=4).map(lambda values: np.array(values, np.int16)),
        "nested": st.fixed_dictionaries({"a": st.integers(0, 5), "b": st.floats(width=32).map(np.float32)}),
    }
)


@given(st.lists(RECORDS, max_size=40))
def test_building_row_by_row_equals_stacking_all_rows(rows: list[dict[str, Any]]) -> None:
    assert built(rows) == Batch.from_rows(rows)


@given(st.integers(0, 4).flatmap(lambda rows: st.lists(batches(rows), min_size=1, max_size=1)), st.integers(1, 3))
def test_extending_by_batches_equals_joining_them(parts: list[Batch], times: int) -> None:
    builder = BatchBuilder()
    for _ in range(times):
        builder.extend(parts[0])
    assert builder.build() == Batch.concat(parts * times)


def test_what_was_built_does_not_change_by_later_rows() -> None:
    builder = BatchBuilder()
    for at in range(20):
        builder.append({"x": at, "text": [at] * at, "name": "a", "n": {"y": at}})
    first = builder.build()
    kept = Batch.from_rows(first.rows())
    for at in range(20, 40):
        builder.append({"x": at, "text": [at], "name": "b", "n": {"y": at}})
    assert first == kept
    first["x"][:] = -1
    assert builder.build()["x"].tolist() == list(range(40))


def test_arrays_are_copied_when_they_are_appended() -> None:
    image, text = np.zeros(2), np.array([1])
    builder = BatchBuilder()
    for value in range(20):
        image[:] = value
        text[:] = value
        builder.append({"image": image, "text": text if value else np.empty(0, int)})
    batch = builder.build()
    assert batch["image"][:, 0].tolist() == list(range(20))
    assert batch["text"].values.tolist() == list(range(1, 20))


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"x": "a", "v": [1, 2], "n": {"k": 1}}, "column 'x': expected int64, got str 'a'"),
        ({"x": 1, "v": 5, "n": {"k": 1}}, r"column 'v': expected int64\[2\], got int64 5"),
        ({"x": 1, "v": [[1], [2]], "n": {"k": 1}}, r"column 'v': expected int64\[2\], got int64\[2, 1\]"),
        ({"x": 1, "v": ["a", "b"], "n": {"k": 1}}, r"column 'v': expected int64\[2\], got list \['a', 'b'\]"),
        ({"x": 1, "v": [1, 2], "n": {"k": "a"}}, "column 'n': column 'k': expected int64, got str 'a'"),
        ({"x": 1, "v": [1, 2], "n": 5}, "column 'n': expected {k: int64}, got int64 5"),
        ({"x": 1, "v": [1, 2]}, "a row to add has columns 'x', 'v'; there are columns 'x', 'v', 'n'"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_and_loses_nothing(row: Any, match: str) -> None:
    good = {"x": 0, "v": [1, 2], "n": {"k": 3}}
    builder = BatchBuilder()
    builder.extend([good, good])
    before = builder.build()
    with pytest.raises(SchemaError, match=match):
        builder.append(row)
    with pytest.raises(SchemaError, match=f"row 1: {match}"):
        builder.extend([good, row])
    assert builder.build() == before
    builder.append(good)
    assert len(builder) == 3


def test_rows_of_another_kind_are_refused() -> None:
    builder = BatchBuilder()
    with pytest.raises(KindError, match="tuple"):
        builder.append((1, 2))  # type: ignore[arg-type]
    builder.append({"x": 1})
    with pytest.raises(KindError, match="got a tuple"):
        builder.append((1, 2))  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="rows to add have columns 'y'; there are columns 'x'"):
        builder.extend(Batch({"y": [1]}))


@pytest.mark.parametrize(
    ("rows", "dtype"),
    [
        ([np.float32(1), 2.0, 3], "float32"),
        ([np.uint8(1), 2], "uint8"),
        ([np.uint8(1), -2], "int64"),
        ([np.uint8(1), 0.5], "float64"),
        ([1, 2.5], "float64"),
        ([np.float32(1), 1e300], "float64"),
        ([np.float32(1), float("inf")], "float32"),
        ([np.int8(1), np.int32(2)], "int32"),
        ([True, 2], "int64"),
        (["a", None, 1], "O"),
    ],
)
def test_numbers_keep_the_dtype_or_are_promoted(rows: list[Any], dtype: str) -> None:
    column = built([{"x": value} for value in rows])["x"]
    assert column.dtype == dtype
    assert column.tolist() == rows


def test_lists_take_on_the_dtype_of_the_column() -> None:
    builder = BatchBuilder()
    builder.append({"x": np.zeros(2, np.float32)})
    builder.append({"x": [1, 2]})
    builder.append({"x": []})
    assert builder.build()["x"] == Ragged.from_rows([np.zeros(2, np.float32), np.array([1, 2], np.float32), []])


def test_a_column_becomes_ragged_with_the_first_row_of_another_length() -> None:
    made = built([{"x": np.arange(at)} for at in (2, 2, 3, 0)])
    assert [row.tolist() for row in made["x"]] == [[0, 1], [0, 1], [0, 1, 2], []]


def test_nothing_added_changes_nothing() -> None:
    builder = BatchBuilder()
    builder.extend([])
    assert builder.build() == Batch()
    builder.append({"x": 1})
    builder.extend([])
    builder.extend(Batch())
    assert builder.build() == Batch({"x": [1]})
    assert repr(builder) == "BatchBuilder(1 rows)"


def test_adding_a_row_costs_the_same_at_any_length() -> None:
    def seconds(rows: int) -> float:
        started = time.perf_counter()
        built([{"step": at, "loss": 0.5, "name": "x"} for at in range(rows)])
        return time.perf_counter() - started

    few = min(seconds(1_000) for _ in range(5))
    many = min(seconds(16_000) for _ in range(2))
    assert few < 0.1  # some 2 ms
    assert many < 64 * few
