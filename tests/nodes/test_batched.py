"""Batches: consecutive records, the caller's own, as wide as asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace import ArgumentError, Batch, ColumnError, Dataset, KindError, Ragged, SchemaError
from headrace.core.collate import collate
from headrace.core.records import Columns

TEXTS = Ragged.from_rows([np.arange(length, dtype=np.int32) for length in (3, 0, 5, 1, 2, 8, 0)])


@pytest.mark.parametrize(
    ("size", "error", "words"),
    [
        (0, ArgumentError, "batch size must be 1 or more, got 0"),
        (-1, ArgumentError, "batch size must be 1 or more"),
        (2.5, KindError, "batch size must be a whole number, got 2.5"),
        (2.0, KindError, "whole number"),
        (True, KindError, "whole number, got True"),
        ("2", KindError, "whole number"),
        (None, KindError, "whole number"),
    ],
)
def test_sizes_that_cannot_be_meant_are_refused(size: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Dataset(range(5)).batch(size)
    assert len(Dataset(range(5)).batch(np.int8(2))) == 3  # type: ignore[arg-type]


@given(size=st.integers(1, 9), shuffled=st.booleans(), fill=st.sampled_from([0, -1, {"text": 7}]), data=st.data())
def test_padding_straight_from_the_source_is_that_of_a_batch(size: int, shuffled: bool, fill: Any, data: Any) -> None:
    start = data.draw(st.integers(0, 3))
    columns = {"n": np.arange(7)[start:], "text": TEXTS[start:], "image": np.ones((7, 2))[start:]}
    ds = Dataset(columns)
    for reads in (
        ds.shuffle(0) if shuffled else ds,
        ds.filter(lambda record: record["n"] != 4).repeat(2),
        ds.shard(0, 2),
        ds.shard(1, 2, "pad"),
        ds.split(a=0.5, b=0.5, seed=0).a,
    ):
        plain, padded = reads.batch(size), reads.batch(size, pad=fill)
        for step in range(len(plain)):
            expected = collate(Columns(plain[step]), fill)
            assert padded[step] == expected
            assert list(padded[step]) == list(expected)
            assert padded[step]["text_length"].tolist() == plain[step]["text"].lengths.tolist()


def test_padding_of_tuples_values_and_rows() -> None:
    n, text, length = Dataset(np.arange(7), TEXTS).batch(3, pad=0)[0]
    assert (n.tolist(), text.shape, length.tolist()) == ([0, 1, 2], (3, 5), [3, 0, 5])
    text, length = Dataset(TEXTS).batch(3, pad=-1)[0]
    assert (text[1].tolist(), length.tolist()) == ([-1] * 5, [3, 0, 5])
    rows = Dataset([{"text": [1, 2]}, {"text": [3]}]).batch(2, pad=0)[0]
    assert rows["text"].tolist() == [[1, 2], [3, 0]]
    assert rows["text_length"].tolist() == [2, 1]
    mapped = Dataset(text=TEXTS).map(lambda record: {"text": record["text"] + 1}).batch(3, pad=0)[0]
    assert mapped["text"][0].tolist() == [1, 2, 3, 0, 0]


def test_padding_that_cannot_be_done_is_refused() -> None:
    ds = Dataset(text=TEXTS, n=np.arange(7))
    with pytest.raises(ColumnError, match="Did you mean 'text'"):
        ds.batch(2, pad={"txt": 0})[0]
    with pytest.raises(SchemaError, match="cannot pad column 'n'"):
        ds.batch(2, pad={"n": 0})[0]
    with pytest.raises(ArgumentError, match=r"cannot pad int32 with 0\.5"):
        ds.batch(2, pad=0.5)[0]
    with pytest.raises(SchemaError, match="'text_length'"):
        ds.rename(n="text_length").batch(2, pad=0)[0]
    with pytest.raises(KindError, match="pad must be a number"):
        ds.batch(2, pad="0")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="not both"):
        ds.batch(2, pad=0, collate=list)
    with pytest.raises(KindError, match="collate must be a function"):
        ds.batch(2, collate=3)  # type: ignore[arg-type]


def test_a_function_makes_the_batch_of_a_list_of_records() -> None:
    ds = Dataset(x=np.arange(5)).batch(2, collate=lambda records: [record["x"] for record in records])
    assert ds.list() == [[0, 1], [2, 3], [4]]
    assert Dataset(np.arange(5), np.arange(5)).batch(2, collate=len).list() == [2, 2, 1]


def test_an_error_says_in_which_batch() -> None:
    ds = Dataset([{"x": 1}, {"x": 2}, {"x": 3}, {"y": 4}]).batch(2)
    with pytest.raises(SchemaError, match="row 1 has columns 'y'") as error:
        ds[1]
    assert error.value.__notes__ == ["in batch 1 of epoch 0"]


def test_batches_are_records_of_a_dataset() -> None:
    batches = Dataset(range(10)).batch(3)
    assert [batch.tolist() for batch in batches.shuffle(0)] != [batch.tolist() for batch in batches]
    assert sorted(np.concatenate(batches.shuffle(0).list()).tolist()) == list(range(10))
    assert [batch.tolist() for batch in batches[::-1]] == [[9], [6, 7, 8], [3, 4, 5], [0, 1, 2]]
    assert len(batches.filter(lambda batch: len(batch) == 3)) == 3
    assert batches.repeat(2).indices(5).tolist() == [3, 4, 5]
    assert [batch.tolist() for batch in batches.shard(1, 2)] == [[3, 4, 5], [9]]
    assert batches.map(len).batch(4)[0].tolist() == [3, 3, 3, 1]
    with pytest.raises(ArgumentError, match="these are batches already"):
        batches.collect()


def test_no_batch_spans_two_epochs() -> None:
    sizes = [len(batch) for batch in Dataset(range(7)).shuffle(0).batch(3).stream(epochs=3)]
    assert sizes == [3, 3, 1] * 3
    assert [len(batch) for batch in Dataset(range(7)).repeat(2).batch(3)] == [3, 3, 3, 3, 2]
    assert [len(batch) for batch in Dataset(range(7)).batch(3, drop_remainder=True).stream(epochs=2)] == [3, 3] * 2
    assert Dataset(range(2)).batch(3, drop_remainder=True).list() == []


def test_the_schema_of_batches_is_known_without_a_read() -> None:
    ds = Dataset(image=np.zeros((5, 2, 2), np.uint8), text=TEXTS[:5])
    assert repr(ds.batch(4).schema) == "{image: uint8[?, 2, 2], text: int32[?, ?]}"
    assert repr(ds.batch(4, drop_remainder=True).schema) == "{image: uint8[4, 2, 2], text: int32[4, ?]}"


def test_batches_of_one_dataset_and_another_stand_side_by_side() -> None:
    both = hr.zip(Dataset(x=np.arange(6)).batch(2), Dataset(np.arange(9)).batch(3))
    batch, column = both[1]
    assert batch == Batch({"x": [2, 3]})
    assert column.tolist() == [3, 4, 5]
