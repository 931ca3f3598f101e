"""Tuples inside records: they stay tuples in batches, whatever way they come."""

import pickle
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.core import columns
from headrace.core.fields import Fields

PAIRS = hr.Dataset(np.arange(12.0).reshape(4, 3), [0, 1, 2, 3])


def zipped() -> hr.Dataset:
    return hr.zip(PAIRS, hr.Dataset(np.arange(4) * 10))


@pytest.mark.parametrize(
    "batches",
    [
        lambda: zipped().batch(2).list(),
        lambda: zipped().stream().batch(2).list(),
        lambda: zipped().map(lambda record: record).batch(2).list(),
        lambda: zipped().map_batches(lambda batch: batch).batch(2).list(),
        lambda: hr.Dataset(zipped().list()).batch(2).list(),
        lambda: zipped().batch(1).stream().unbatch().batch(2).list(),
        lambda: (zipped().take(2) + zipped().skip(2)).batch(2).list(),
    ],
)
def test_a_tuple_in_a_tuple_unpacks_in_a_batch_as_in_a_record(batches: Any) -> None:
    seen = []
    for (x, y), z in batches():
        assert x.shape == (2, 3) and x.dtype == np.float64
        assert (x[:, 0] == y * 3).all() and (z == y * 10).all()
        seen += y.tolist()
    assert seen == [0, 1, 2, 3]


def test_equal_shapes_do_not_make_an_array_of_a_tuple() -> None:
    batch = hr.Dataset([((np.zeros(3), np.ones(3)), 1)] * 2).batch(2)[0]
    (left, right), _ = batch
    assert left.shape == right.shape == (2, 3) and right.all()


def test_a_tuple_of_numbers_is_a_vector() -> None:
    assert hr.Dataset([{"at": (1, 2)}, {"at": (3, 4)}]).batch(2)[0]["at"].tolist() == [[1, 2], [3, 4]]


def test_a_tuple_in_a_mapping_is_a_tuple_of_columns() -> None:
    batch = hr.Dataset([{"pair": ("a", 1)}, {"pair": ("b", 2)}]).batch(2)[0]
    names, numbers = batch["pair"]
    assert names.tolist() == ["a", "b"] and numbers.tolist() == [1, 2]
    assert batch.rows() == [{"pair": ("a", 1)}, {"pair": ("b", 2)}]
    assert batch[1] == {"pair": ("b", 2)}


def test_the_schema_says_what_lies_inside() -> None:
    assert repr(zipped().schema) == "((float64[3], int64), int64)"


def test_fields_travel_and_compare() -> None:
    fields = Fields.over([np.arange(3), np.zeros((3, 2))])
    again = pickle.loads(pickle.dumps(fields))
    assert columns.same(again, fields)
    assert not columns.same(hr.Batch({"0": np.arange(3), "1": np.zeros((3, 2))}), fields)
    assert columns.same(columns.concat([columns.part(fields, slice(0, 1)), columns.part(fields, slice(1, 3))]), fields)
    assert columns.rows(columns.take(fields, np.array([2])))[0][0] == 2
