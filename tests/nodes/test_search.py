"""Which step sees a record first, also where it comes several times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace import Dataset

CHAINS: dict[str, Callable[[Dataset], Dataset]] = {
    "skip into a repeat": lambda ds: ds.repeat(2).skip(1),
    "a shuffled repeat": lambda ds: ds.repeat(3).shuffle(0),
    "a share of a repeat": lambda ds: ds.repeat(2).shard(1, 3),
    "every second of a repeat": lambda ds: ds.repeat(3)[1::2],
    "a repeat backwards": lambda ds: ds.shuffle(1).repeat(2)[::-1],
    "chosen twice, then skipped": lambda ds: ds[[0, 0, 2, 1, 0, 2]].skip(1),
    "a sample with repeats, sorted": lambda ds: ds.sample(9, seed=0, replace=True).shuffle(3),
    "batches of a repeat, shuffled": lambda ds: ds.repeat(2).batch(3).shuffle(2),
    "filtered by what lies beside": lambda ds: hr.zip(ds[[0, 0, 1]], Dataset([0, 1, 1])).filter(lambda row: row[1] > 0),
    "a mix that goes round again": lambda ds: hr.mix([ds.repeat(2), Dataset(range(100, 111))], [1, 2], "longest"),
    "turned back mix": lambda ds: hr.mix([ds, Dataset(range(100, 111))], [1, 2], "longest")[::-1],
    "a concatenation of repeats": lambda ds: (ds.repeat(2) + ds[[1, 1]]).skip(3),
    "a padded share of a repeat": lambda ds: ds.repeat(2).shard(2, 3, "pad"),
    "one source three times": lambda ds: ds.skip(1) + ds.take(3) + ds,
    "one source mixed with itself": lambda ds: hr.mix([ds.skip(1).repeat(2), ds.shuffle(0)], [1, 2]),
    "batches of one source, one after the other": lambda ds: ds.skip(2).batch(2) + ds.batch(3),
    "balanced": lambda ds: ds.map(lambda x: {"third": x % 3}).shuffle(0).balance("third"),
    "two sources, one of them again": lambda ds: (ds + Dataset(range(3)) + ds.take(2)).shuffle(1),
    "once": lambda ds: ds.shuffle(0).skip(1).shard(0, 2),
}


@pytest.mark.parametrize("name", CHAINS)
@given(length=st.integers(1, 7), epoch=st.integers(0, 3))
def test_the_first_step_that_sees_a_record_is_found_wherever_it_comes_again(name: str, length: int, epoch: int) -> None:
    try:
        ds = CHAINS[name](Dataset(np.arange(length)))
    except IndexError:
        return
    assert ds._node.universe >= length
    seen = [ds.indices(step, epoch).tolist() for step in range(len(ds))]
    for record in range(length):
        steps = [step for step, records in enumerate(seen) if record in records]
        assert ds.step_of(record, epoch) == min(steps, default=None)


def test_an_endless_order_is_searched_for_many_rounds_and_not_for_ever() -> None:
    ds = Dataset(range(4)).repeat().skip(5)
    assert [ds.step_of(record) for record in range(4)] == [3, 0, 1, 2]
    share = Dataset(range(4)).repeat().shard(1, 2)
    assert [share.step_of(record) for record in range(4)] == [None, 0, None, 1]
    assert Dataset(range(4)).shuffle(0).repeat().shard(1, 2).batch(3).step_of(2) is not None


def test_a_source_that_comes_several_times_has_one_number_for_each_record() -> None:
    a, b = Dataset(range(4)), Dataset(range(10, 13))
    assert [int((a + b + a).indices(at)[0]) for at in range(11)] == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3]
    assert [int(((a + b) + (b + a)).indices(at)[0]) for at in range(14)] == [*range(7), 4, 5, 6, 0, 1, 2, 3]
    train, val = a.split(train=0.5, val=0.5)
    assert [int((val + train).indices(at)[0]) for at in range(4)] == [2, 3, 0, 1]
    columns = Dataset(x=np.arange(3), y=np.arange(3))
    assert (columns.select("x") + columns.drop("y")).indices(3).tolist() == [0]
    balanced = Dataset(label=[0, 0, 0, 1]).balance("label")
    assert balanced.batch(6).indices(0).tolist() == [0, 3, 1, 3, 2, 3]
    assert [balanced.batch(2).step_of(record) for record in range(4)] == [0, 1, 2, 0]


def test_batches_of_several_datasets_tell_their_records() -> None:
    both = Dataset(range(5)).batch(2) + Dataset(range(4)).batch(3)
    assert [both.indices(step).tolist() for step in range(5)] == [[0, 1], [2, 3], [4], [5, 6, 7], [8]]
    assert both.batch(3).indices(1).tolist() == [5, 6, 7, 8]
    mixed = hr.mix([Dataset(range(4)).batch(2), Dataset(range(4)).batch(1)])
    assert [mixed.indices(step).tolist() for step in range(4)] == [[0, 1], [4], [2, 3], [5]]


def test_a_record_that_is_nowhere_is_refused_by_number() -> None:
    with pytest.raises(IndexError, match="source record 7 of 7"):
        (Dataset(range(4)) + Dataset(range(3))).step_of(7)
    with pytest.raises(IndexError, match="source record -1"):
        Dataset(range(4)).step_of(-1)
