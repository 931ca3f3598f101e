"""Records as columns and as rows, and the way between."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.equality import same_values
from headrace.core.errors import ArgumentError, KindError, SchemaError
from headrace.core.ragged import Ragged
from headrace.core.records import Columns, Rows, concat, structure_of, to_columns, wrap
from tests.core.some_columns import any_batch

Pair = namedtuple("Pair", "x y")

MAPPINGS = [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]
TUPLES = [(1, "a"), (2, "b")]
VALUES = [1, 2]


@pytest.mark.parametrize("records", [MAPPINGS, TUPLES, VALUES, [[1, 2], [3, 4]], ["a", "b"], [(), ()], [{}, {}]])
def test_records_come_back_from_columns(records: list[Any]) -> None:
    columns = to_columns(Rows(records))
    assert len(columns) == 2
    assert same_values([np.asarray(r).tolist() if isinstance(r, np.ndarray) else r for r in columns.rows()], records)


def test_each_structure_is_unwrapped_as_a_user_sees_it() -> None:
    assert to_columns(Rows(MAPPINGS)).unwrap() == Batch({"x": [1, 2], "y": ["a", "b"]})
    numbers, texts = to_columns(Rows(TUPLES)).unwrap()
    assert (numbers.tolist(), texts.tolist()) == ([1, 2], ["a", "b"])
    assert to_columns(Rows(VALUES)).unwrap().tolist() == [1, 2]


@given(any_batch())
def test_wrap_is_the_inverse_of_unwrap(batch: Batch) -> None:
    assert wrap(batch).unwrap() is batch
    assert wrap(dict(batch), len(batch)).unwrap() == batch
    fields = tuple(batch.values())
    if fields:
        again = wrap(fields).unwrap()
        assert all(a is b for a, b in zip(again, fields, strict=True))
        assert wrap(fields[0]).unwrap() is fields[0] or isinstance(fields[0], Batch)


@pytest.mark.parametrize("value", [np.arange(3), Ragged.from_rows([[1], [2, 3], []])])
def test_one_column_is_a_value(value: Any) -> None:
    assert wrap(value).structure == "value"
    assert wrap(value).unwrap() is value


def test_wrapping_checks_the_length_that_is_needed() -> None:
    assert len(wrap([1, 2, 3], 3)) == 3
    for value in ([1, 2], ([1, 2], [3, 4]), Batch({"x": [1, 2]})):
        with pytest.raises(SchemaError, match=r"3 rows are needed, got 2|a length of 3 is asked for"):
            wrap(value, 3)
    with pytest.raises(KindError, match="was a return forgotten"):
        wrap(None)


def test_what_becomes_a_batch_is_wrapped_as_one() -> None:
    assert wrap([{"x": 1}, {"x": 2}]).unwrap() == wrap(pd.DataFrame({"x": [1, 2]})).unwrap() == Batch({"x": [1, 2]})


def test_what_a_record_is() -> None:
    assert structure_of({}) == structure_of(OrderedDict()) == "mapping"
    assert structure_of((1,)) == structure_of(Pair(1, 2)) == "tuple"
    assert structure_of([1, 2]) == structure_of(np.arange(2)) == structure_of("text") == structure_of(None) == "value"


def test_named_tuples_become_columns_by_place() -> None:
    assert to_columns(Rows([Pair(1, 2), Pair(3, 4)])).rows() == [(1, 2), (3, 4)]


@pytest.mark.parametrize(
    ("records", "match"),
    [
        ([{"a": 1}, (1,)], "row 1 is a tuple; row 0 is a mapping"),
        ([1, {"a": 1}], "row 1 is a mapping; row 0 is a value"),
        ([{"a": 1}, {"a": 1, "b": 2}], "row 1 has columns 'a', 'b'; row 0 has columns 'a'"),
        ([(1, 2), (1,)], "row 1 is a tuple of 1; row 0 is one of 2"),
        ([(1, {"a": 1}), (2, {"b": 1})], "field 1 of the tuples: row 1 has columns 'b'"),
    ],
)
def test_records_that_do_not_fit_are_refused_naming_the_first(records: list[Any], match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        to_columns(Rows(records))


def test_no_records_have_no_columns() -> None:
    assert to_columns(Rows([])).unwrap() == Batch()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.booleans())
def test_concat_gives_all_records_in_order(sizes: list[int], as_columns: bool) -> None:
    rows = [Rows([{"n": number} for number in range(size)]) for size in sizes]
    parts = [to_columns(part) if as_columns and len(part) else part for part in rows]
    assert concat(parts).rows() == [record for part in rows for record in part.rows()]


def test_rows_stay_rows_and_mixed_ones_become_columns() -> None:
    assert isinstance(concat([Rows([1]), Rows(["a"])]), Rows)
    assert isinstance(concat([Rows([1]), to_columns(Rows([2]))]), Columns)
    assert concat([Rows([]), to_columns(Rows([(1, 2)]))]).rows() == [(1, 2)]
    with pytest.raises(SchemaError, match="mapping, value"):
        concat([wrap([1]), wrap({"x": [1]})])
    with pytest.raises(ArgumentError, match="nothing"):
        concat([])


def test_columns_show_their_schema() -> None:
    assert repr(wrap(([1], [0.5]))) == "Columns(1 rows of (int64, float64))"
