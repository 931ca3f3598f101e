"""Filters: one pass, on first use, remembered; random access to what is kept."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import cloudpickle
import numpy as np
import pytest

import headrace as hr
from headrace import Batch, Dataset, EndlessError, OrderError, RecordError, SchemaError


class Counted:
    """A source that counts what is read of it."""

    def __init__(self, length: int = 10) -> None:
        self.length = length
        self.reads = 0

    def __len__(self) -> int:
        return self.length

    def read(self, indices: Any) -> dict[str, Any]:
        self.reads += len(indices)
        return {"n": indices.copy()}


def odd(record: dict[str, Any]) -> bool:
    return bool(record["n"] % 2)


def test_there_is_no_pass_before_a_length_or_a_record_is_asked_for_and_one_after() -> None:
    source = Counted()
    ds = Dataset(source).shuffle(0).filter(odd)
    batches = ds.shuffle(1).shard(0, 2).take(2).batch(2).map(len)
    for step in (ds, batches, ds + ds, hr.zip(ds, ds), ds.repeat(2), ds[1:], ds.map(str)):
        repr(step)
        repr(step.stream())
    assert source.reads == 0
    assert len(ds) == 5
    assert source.reads == 10
    assert (len(ds), bool(ds), len(batches)) == (5, True, 1)
    ds.indices(2)
    assert ds.step_of(3) is not None
    assert source.reads == 10
    list(ds)
    assert source.reads == 15


def test_what_stands_on_a_filter_shares_its_pass() -> None:
    source = Counted()
    kept = Dataset(source).filter(odd)
    for ds in (kept.shuffle(0), kept.map(dict), kept.repeat(2), kept.shuffle(0).filter(lambda record: True)):
        len(ds)
    assert source.reads == 10 + 5  # one for the first filter, one of what it kept for the second


def test_the_length_is_shown_once_it_is_known() -> None:
    ds = Dataset(Counted()).filter(odd)
    assert repr(ds) == "Dataset(? records, ?: Counted -> filter(odd))"
    len(ds)
    assert repr(ds) == "Dataset(5 records, ?: Counted -> filter(odd))"


def test_many_threads_make_one_pass() -> None:
    source = Counted(5000)
    ds = Dataset(source).filter(odd)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(ds))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2500] * 8
    assert source.reads == 5000


def test_a_worker_is_sent_the_pass_with_the_filter() -> None:
    ds = Dataset(Counted()).filter(odd).shuffle(0)
    arrived = pickle.loads(pickle.dumps(ds))
    before = arrived._node.inputs[0].input.source.reads
    assert arrived.list() == ds.list()
    assert arrived._node.inputs[0].input.source.reads == before + 5
    lambdas = Dataset(range(9)).filter(lambda n: n % 2)
    assert cloudpickle.loads(cloudpickle.dumps(lambdas)).list() == [1, 3, 5, 7]


def test_a_predicate_on_batches_keeps_the_same() -> None:
    ds = Dataset(n=np.arange(5000), x=np.arange(5000) % 7)
    by_batch = ds.shuffle(0).filter(lambda batch: batch["x"] < 3, batches=True)
    by_record = ds.shuffle(0).filter(lambda record: record["x"] < 3)
    assert len(by_batch) == len(by_record)
    assert by_batch.batch(100).list() == by_record.batch(100).list()
    assert Dataset(np.arange(5), np.arange(5)).filter(lambda columns: columns[0] > 2, batches=True).list() == [
        (3, 3),
        (4, 4),
    ]
    assert Dataset([3, 1, 2]).filter(lambda column: column > 1, batches=True).list() == [3, 2]


@pytest.mark.parametrize(
    ("predicate", "words"),
    [
        (lambda batch: True, r"must return one boolean for each of \d+ rows, got bool of shape \(\)"),
        (lambda batch: batch["x"], "got int64 of shape"),
        (lambda batch: batch["x"][:-1] > 0, r"of shape \(0,\)"),
        (lambda batch: None, "got object"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(predicate: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        len(Dataset(x=np.arange(5)).filter(predicate, batches=True))


def test_a_failing_predicate_is_named_with_the_record_and_its_error_is_the_cause() -> None:
    ds = Dataset(range(10)).shuffle(0).map(lambda n: n * 2).filter(lambda n: 1 / (n - 6) > 0)
    with pytest.raises(
        RecordError, match=r"filter\(lambda\) failed on record 3: ZeroDivisionError: .*test_kept:\d+"
    ) as e:
        len(ds)
    assert isinstance(e.value.__cause__, ZeroDivisionError)
    with pytest.raises(RecordError, match="record 0: ValueError: The truth value of an array"):
        len(Dataset(x=np.zeros((3, 2))).filter(lambda record: record["x"] > 0))
    with pytest.raises(RecordError, match="record 2: StopIteration"):
        list(Dataset(range(3)).filter(lambda n: n < 2 or next(iter([]))))
    with pytest.raises(RecordError, match=r"the batch of positions 0 to 0: KeyError"):
        len(Dataset(x=[1, 2]).filter(lambda batch: batch.to_dict()["y"], batches=True))


def test_a_pass_that_failed_can_be_tried_again() -> None:
    broken = [True]

    def flaky(n: int) -> bool:
        if n == 2 and broken:
            raise OSError("unplugged")
        return n > 0

    ds = Dataset(range(5)).filter(flaky)
    with pytest.raises(RecordError, match="unplugged"):
        len(ds)
    broken.clear()
    assert ds.list() == [1, 2, 3, 4]


def test_a_predicate_may_write_into_what_it_is_shown() -> None:
    x = np.arange(6).reshape(3, 2)

    def scribble(record: Any) -> bool:
        record["x"] += 100
        return int(record["x"][0]) > 100

    def scribble_all(batch: Batch) -> Any:
        batch["x"][:] += 100
        return batch["x"][:, 0] > 100

    for ds in (Dataset(x=x).filter(scribble), Dataset(x=x).filter(scribble_all, batches=True)):
        assert ds.collect()["x"].tolist() == [[2, 3], [4, 5]]
    assert x.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_what_a_predicate_saw_stays_decided() -> None:
    limit = [5]
    ds = Dataset(range(10)).filter(lambda n: n < limit[0])
    assert len(ds) == 5
    limit[0] = 2
    assert ds.list() == [0, 1, 2, 3, 4]


def test_filters_stand_on_each_other() -> None:
    ds = (
        Dataset(range(30))
        .filter(lambda n: n % 2)
        .shuffle(0)
        .filter(lambda n: n % 3)
        .map(lambda n: -n)
        .filter(lambda n: n < -10)
    )
    expected = [-n for n in range(11, 30) if n % 2 and n % 3]
    assert sorted(ds, reverse=True) == expected
    assert len(ds) == len(expected)
    assert sorted(ds.stream(epochs=2)) == sorted(expected * 2)
    assert [ds.step_of(record) is not None for record in range(30)] == [-n in expected for n in range(30)]


def test_a_filter_on_what_a_concatenation_of_shuffles_holds_is_made_of_each_part() -> None:
    ds = (Dataset(range(6)).shuffle(0) + Dataset(range(10, 14)).shuffle(1)).filter(lambda n: n % 2)
    assert sorted(ds) == [1, 3, 5, 11, 13]
    assert sorted(ds.list()[:3]) == [1, 3, 5]


def test_the_hint_names_the_way_out() -> None:
    with pytest.raises(OrderError, match=r"or use \.stream\(\)\.filter\(\.\.\.\)"):
        Dataset(range(10)).shuffle(0).take(5).filter(odd)
    assert len(Dataset(range(10)).shuffle(0).take(5).stream().filter(lambda n: True).list()) == 5


def test_an_endless_dataset_is_filtered_below_its_repeat_and_refused_where_it_has_no_end() -> None:
    assert Dataset(range(4)).repeat().filter(lambda n: n > 1).take(5).list() == [2, 3, 2, 3, 2]
    endless = hr.mix([Dataset([1]).repeat(), Dataset([2]).repeat()]).filter(bool)
    with pytest.raises(EndlessError, match=r"filter\(bool\) cannot look at all records of an endless dataset"):
        len(endless)


def test_nothing_may_be_kept() -> None:
    ds = Dataset(range(5)).filter(lambda n: False)
    assert (len(ds), bool(ds), ds.list(), ds.batch(2).list(), ds.shuffle(0).list()) == (0, False, [], [], [])
    with pytest.raises(IndexError):
        ds[0]
    with pytest.raises(OrderError, match="would never end"):
        next(iter(ds.stream(None)))
