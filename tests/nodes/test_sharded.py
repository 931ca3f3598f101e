"""Shares: together they hold everything once, alike for all readers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace import ArgumentError, Dataset, KindError, SchemaError


@given(length=st.integers(0, 40), count=st.integers(1, 7), epoch=st.integers(0, 2))
def test_uneven_shares_hold_everything_once(length: int, count: int, epoch: int) -> None:
    ds = Dataset(np.arange(length)).shuffle(0)
    shares = [ds.shard(index, count) for index in range(count)]
    seen = [int(share.indices(at, epoch)[0]) for share in shares for at in range(len(share))]
    assert sorted(seen) == list(range(length))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(length=st.integers(0, 40), count=st.integers(1, 7))
def test_dropped_and_padded_shares_are_of_one_length_and_padding_is_marked(length: int, count: int) -> None:
    ds = Dataset(n=np.arange(length)).shuffle(0)
    dropped = [ds.shard(index, count, "drop") for index in range(count)]
    assert {len(share) for share in dropped} == {length // count}
    padded = [ds.shard(index, count, "pad") for index in range(count)]
    assert {len(share) for share in padded} == {-(-length // count)}
    rows = [row for share in padded for row in share]
    assert sorted(row["n"] for row in rows if not row["padded"]) == list(range(length))
    assert sum(row["padded"] for row in rows) == -length % count
    assert all(type(row["padded"]) is bool for row in rows)


def test_records_of_every_kind_are_marked() -> None:
    ends = {
        "columns": Dataset(n=np.arange(3)),
        "rows": Dataset([{"n": at} for at in range(3)]),
        "tuples": Dataset(np.arange(3), np.arange(3)),
        "rows of tuples": Dataset([(at, at) for at in range(3)]),
        "values": Dataset(np.arange(3)),
        "a list": Dataset([0, 1, 2]),
    }
    last = {name: ds.shard(1, 2, "pad")[-1] for name, ds in ends.items()}
    assert last["columns"] == last["rows"] == {"n": 0, "padded": True}
    assert last["tuples"] == last["rows of tuples"] == (0, 0, True)
    assert last["values"] == last["a list"] == (0, True)
    assert ends["columns"].shard(1, 2, "pad").batch(2)[0]["padded"].tolist() == [False, True]
    assert repr(ends["columns"].shard(1, 2, "pad").schema) == "{n: int64, padded: bool}"
    assert repr(ends["tuples"].shard(1, 2, "pad").schema) == "(int64, int64, bool)"
    assert repr(ends["values"].shard(1, 2, "pad").schema) == "(int64, bool)"


def test_a_column_of_the_marks_name_is_refused() -> None:
    for ds in (Dataset(padded=[1, 2, 3]), Dataset([{"padded": 1}] * 3)):
        with pytest.raises(SchemaError, match=r"'padded'.*rename\(\) it first"):
            ds.shard(0, 2, "pad")[0]
    assert Dataset(padded=[1, 2, 3]).shard(0, 2)[0] == {"padded": 1}


@pytest.mark.parametrize("values", [np.arange(6), {"n": np.arange(6)}, list(range(6))])
def test_whole_batches_are_not_padded(values: Any) -> None:
    batches = Dataset(values).batch(2)
    with pytest.raises(ArgumentError, match="marks records, not whole batches"):
        batches.shard(0, 2, "pad")
    assert len(batches.shard(0, 2)) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((3, 3), ArgumentError, r"shard index must be in range\(3\), got 3"),
        ((-1, 3), ArgumentError, "index must be 0 or more"),
        ((0, 0), ArgumentError, "count must be 1 or more, got 0"),
        ((0, -2), ArgumentError, "count must be 1 or more"),
        ((0.5, 2), KindError, "index must be a whole number"),
        ((0, "2"), KindError, "count must be a whole number"),
        ((True, 2), KindError, "index must be a whole number"),
        ((None, 2), KindError, "index"),
        ((0, 2, "padding"), ArgumentError, "remainder must be 'uneven', 'drop' or 'pad', got 'padding'"),
    ],
)
def test_shares_that_cannot_be_meant_are_refused(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Dataset(range(5)).shard(*arguments)


def test_maps_and_choices_of_columns_sink_below_a_share_so_that_it_stays_elastic() -> None:
    ds = Dataset(n=np.arange(10), x=np.arange(10)).shuffle(0).shard(1, 3)
    state = iter(ds.map(dict).select("n").batch(2).stream()).state_dict()
    other = Dataset(n=np.arange(10), x=np.arange(10)).shuffle(0).map(dict).select("n").shard(0, 4).batch(3)
    assert next(iter(other.stream().resume(state)))["n"].shape == (3,)


def test_the_marks_of_padding_are_a_column_like_others_when_columns_are_chosen() -> None:
    ds = Dataset(n=np.arange(5), x=np.ones(5)).shuffle(0).shard(1, 2, "pad")
    assert list(ds[0]) == ["n", "x", "padded"]
    assert list(ds.select("n")[0]) == ["n"]
    assert list(ds.select("padded", "n")[0]) == ["padded", "n"]
    assert list(ds.drop("padded")[0]) == ["n", "x"]
    assert list(ds.rename(padded="filler")[0]) == ["n", "x", "filler"]
    for n, x in ds.select_tuple("n", "x").batch(2):
        assert n.shape == x.shape
    pairs = Dataset(np.arange(5), np.ones(5)).shard(1, 2, "pad")
    assert pairs.select(2)[-1] == (True,)
    assert pairs.drop(2)[0] == (1, 1.0)
    assert Dataset(np.arange(5)).shard(1, 2, "pad").select(0)[1] == (3,)


def test_a_padded_share_with_some_of_its_columns_is_resumed_by_other_readers() -> None:
    def build(index: int, count: int, size: int) -> Dataset:
        ds = Dataset(n=np.arange(23), x=np.ones(23)).shuffle(0).shard(index, count, "pad")
        return (
            ds.select("n", "padded").batch(size).map(lambda batch, rng: batch.with_columns(r=rng.random(len(batch))), 0)
        )

    iterators = [iter(build(index, 2, 3).stream()) for index in range(2)]
    rows = [row for iterator in iterators for row in next(iterator).rows()]
    state = iterators[0].state_dict()
    for index in range(3):
        rows += [row for batch in build(index, 3, 2).stream().resume(state) for row in batch.rows()]
    assert sorted(row["n"] for row in rows if not row["padded"]) == list(range(23))
    assert len({row["r"] for row in rows}) == len(rows)


def test_an_endless_dataset_has_endless_shares() -> None:
    ds = Dataset(range(4)).repeat().shard(1, 3)
    assert ds.take(5).list() == [1, 0, 3, 2, 1]
    assert ds.batch(2)[1].tolist() == [3, 2]
    with pytest.raises(TypeError):
        len(ds)


def test_shares_of_shares() -> None:
    ds = Dataset(range(12)).shard(1, 2)
    assert [list(ds.shard(index, 3)) for index in range(3)] == [[1, 7], [3, 9], [5, 11]]
    assert hr.concat([ds.shard(0, 3), ds.shard(1, 3)]).list() == [1, 7, 3, 9]
