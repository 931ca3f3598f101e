"""Schemas: what records look like, as text and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given

from headrace.core.batch import Batch
from headrace.core.ragged import Ragged
from headrace.core.schema import Field, Schema, Structure
from tests.core.some_columns import any_batch

MANY = Batch(
    {
        "image": np.zeros((2, 64, 64, 3), np.uint8),
        "text": Ragged(np.zeros(3, np.int32), [0, 1, 3]),
        "boxes": Ragged(np.zeros((3, 4), np.float32), [0, 1, 3]),
        "label": [0, 1],
        "name": ["a", "b"],
        "other": [None, "b"],
        "meta": {"year": [1, 2], "tags": [["x"], []]},
    }
)


def test_a_schema_reads_as_names_dtypes_and_shapes() -> None:
    assert repr(Schema.of(MANY)) == (
        "{image: uint8[64, 64, 3], text: int32[?], boxes: float32[?, 4], label: int64, name: string, other: object, "
        "meta: {year: int64, tags: object}}"
    )


@pytest.mark.parametrize(
    ("structure", "text"), [("tuple", "(int64, float64)"), ("mapping", "{0: int64, 1: float64}"), ("value", "int64")]
)
def test_tuples_and_values_read_as_what_they_are(structure: Structure, text: str) -> None:
    batch = Batch({"0": [1], "1": [0.5]}) if structure != "value" else Batch({"value": [1]})
    assert repr(Schema.of(batch, structure)) == text


def test_a_tuple_of_one_keeps_its_comma() -> None:
    assert repr(Schema.of(Batch({"0": [1]}), "tuple")) == "(int64,)"


@given(any_batch())
def test_a_schema_comes_back_from_json(batch: Batch) -> None:
    schema = Schema.of(batch)
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    assert list(again.fields) == list(batch)


def test_kinds_are_told_apart() -> None:
    fields = Schema.of(MANY).fields
    assert [field.kind for field in fields.values()] == [
        "dense", "ragged", "ragged", "dense", "string", "object", "batch",
    ]  # fmt: skip
    assert fields["text"].shape == (None,)
    assert Field.of(np.array(["a", "bc"])) == Field("string", (), "string")


def test_schemas_differ_by_dtype_and_shape() -> None:
    assert Schema.of(Batch({"x": np.zeros(1, np.int32)})) != Schema.of(Batch({"x": np.zeros(1, np.int64)}))
    assert Schema.of(Batch({"x": np.zeros((1, 2))})) != Schema.of(Batch({"x": np.zeros((1, 3))}))
    assert Schema.of(Batch({"x": [1]})) == Schema.of({"x": np.array([5, 6])})
