"""Records become batches: columns stacked, ragged ones padded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace.core.batch import Batch
from headrace.core.collate import check, collate
from headrace.core.errors import ArgumentError, ColumnError, KindError, RecordError, SchemaError
from headrace.core.ragged import Ragged
from headrace.core.records import Columns, Rows

TEXTS = Ragged.from_rows([[1, 2, 3], [4]])


def test_mappings_make_a_batch_tuples_a_tuple_of_columns_and_values_one_column() -> None:
    mappings = collate(Rows([{"x": 1, "y": 2.5}, {"x": 3, "y": 4.5}]))
    assert isinstance(mappings, Batch)
    assert mappings == Batch({"x": [1, 3], "y": [2.5, 4.5]})
    first, second = collate(Rows([(1, "a"), (2, "b")]))
    assert (first.tolist(), second.tolist()) == ([1, 2], ["a", "b"])
    np.testing.assert_array_equal(collate(Rows([1, 2])), [1, 2])


def test_columns_are_shared_where_nothing_is_padded() -> None:
    column = np.arange(3)
    assert collate(Columns(Batch({"x": column})))["x"] is column


def test_a_padded_column_is_followed_by_its_true_lengths() -> None:
    batch = collate(Columns(Batch({"text": TEXTS, "label": np.array([0, 1])})), 0)
    assert list(batch) == ["text", "label", "text_length"]
    assert batch["text"].tolist() == [[1, 2, 3], [4, 0, 0]]
    assert batch["text_length"].tolist() == [3, 1]
    assert batch["text_length"].dtype == np.int64


def test_lengths_of_tuples_are_fields_at_the_end() -> None:
    label, text, length = collate(Columns(Batch({"0": [7, 8], "1": TEXTS}), "tuple"), -1)
    assert label.tolist() == [7, 8]
    assert text.tolist() == [[1, 2, 3], [4, -1, -1]]
    assert length.tolist() == [3, 1]


def test_a_padded_value_becomes_a_pair() -> None:
    padded, lengths = collate(Rows([[1, 2], [3]]), 9)
    assert (padded.tolist(), lengths.tolist()) == ([[1, 2], [3, 9]], [2, 1])


def test_columns_that_are_dense_stay_without_lengths() -> None:
    batch = collate(Columns(Batch({"table": np.zeros((2, 4)), "text": TEXTS})), 0)
    assert list(batch) == ["table", "text", "text_length"]


@pytest.mark.parametrize("rows", [[[1, 2], [3]], [[1, 2], [3, 4]], [[1]]], ids=["uneven", "equal by chance", "alone"])
def test_batches_of_stacked_vectors_look_alike_however_long_the_vectors_happen_to_be(rows: list[Any]) -> None:
    batch = collate(Rows([{"text": np.array(row), "image": np.zeros((2, 2))} for row in rows]), 0)
    assert list(batch) == ["text", "image", "text_length"]
    assert batch["text_length"].tolist() == [len(row) for row in rows]


def test_a_named_column_is_padded_even_where_all_rows_agree_and_others_are_left() -> None:
    rows = [{"frames": np.zeros((2, 3)), "text": np.arange(n)} for n in (1, 2)]
    batch = collate(Rows(rows), {"frames": 0.5})
    assert batch["frames_length"].tolist() == [2, 2]
    assert isinstance(batch["text"], Ragged)
    assert "text_length" not in batch


def test_columns_of_a_nested_batch_are_padded_too() -> None:
    batch = collate(Columns(Batch({"inner": {"text": TEXTS}})), 0)
    assert list(batch["inner"]) == ["text", "text_length"]


def test_texts_are_never_padded_by_a_number_for_all() -> None:
    batch = collate(Rows([{"name": "abc", "n": [1]}, {"name": "d", "n": [1, 2]}]), 0)
    assert list(batch) == ["name", "n", "n_length"]


def test_a_function_makes_the_batch_of_the_list_of_records() -> None:
    assert collate(Columns(Batch({"value": [1, 2]}), "value"), function=sum) == 3


def test_a_failing_function_is_named_and_its_error_is_the_cause() -> None:
    def torn(records: list[Any]) -> None:
        raise ValueError("torn")

    with pytest.raises(
        RecordError, match=r"collate=torn failed on 2 records: ValueError: torn \(torn is in .*:\d+\)"
    ) as e:
        collate(Rows([1, 2]), function=torn)
    assert isinstance(e.value.__cause__, ValueError)


def test_a_wrong_name_is_answered_with_the_near_one() -> None:
    with pytest.raises(ColumnError, match="Did you mean 'text'"):
        collate(Columns(Batch({"text": TEXTS})), {"txet": 0})


def test_single_values_cannot_be_padded() -> None:
    with pytest.raises(SchemaError, match=r"cannot pad column 'label'.*int64"):
        collate(Rows([{"label": 1}]), {"label": 0})
    with pytest.raises(SchemaError, match=r"cannot pad column 'name'.*object"):
        collate(Rows([{"name": "a"}]), {"name": 0})


def test_a_length_that_would_hide_a_column_is_refused() -> None:
    with pytest.raises(SchemaError, match="'text_length', and there is one already"):
        collate(Columns(Batch({"text": TEXTS, "text_length": [1, 2]})), 0)


def test_a_value_that_the_dtype_cannot_hold_is_refused_by_every_batch() -> None:
    for rows in ([[1, 2], [3]], [[1, 2], [3, 4]]):
        with pytest.raises(ArgumentError, match="cannot pad uint8 with -1"):
            collate(Rows([np.array(row, np.uint8) for row in rows]), -1)


@pytest.mark.parametrize(
    ("pad", "function", "error", "words"),
    [
        ("0", None, KindError, "pad must be a number, got '0'"),
        ([0], None, KindError, "pad must be a number"),
        ({"text": None}, None, KindError, r"pad\['text'\] must be a number, got None"),
        ({0: 1}, None, KindError, "pad names columns by text"),
        (0, list, ArgumentError, "not both"),
        (None, 3, KindError, "collate must be a function"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(pad: Any, function: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check(pad, function)


def test_good_settings_pass() -> None:
    for pad in (None, 0, -1.5, True, np.float32(2), {"text": 0}, {}):
        check(pad, None)
    check(None, list)
