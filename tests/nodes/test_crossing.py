"""The crossing itself: epochs, lengths, ends, and what it says of itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from headrace import ArgumentError, Dataset, KindError, OrderError, Threads
from headrace.nodes.crossing import Crossing
from headrace.testing.stages import StageTests
from headrace.workers.prefetch import Prefetch


class TestRecords(StageTests):
    @pytest.fixture
    def flow(self) -> Crossing:
        return Crossing(Dataset(range(7)).shuffle(0)._node, 3)


class TestBatches(StageTests):
    @pytest.fixture
    def flow(self) -> Crossing:
        ds = Dataset(n=np.arange(17), x=np.ones((17, 3))).shuffle(0).shard(1, 2)
        return Crossing(ds.batch(3).map(lambda batch, rng: batch.with_columns(r=rng.random(len(batch))), 1)._node, 3)


class TestBatchesByThreads(StageTests):
    @pytest.fixture
    def flow(self) -> Crossing:
        ds = Dataset(n=np.arange(17), x=np.ones((17, 3))).shuffle(0).shard(1, 2)
        node = ds.batch(3).map(lambda batch, rng: batch.with_columns(r=rng.random(len(batch))), 1)._node
        return Crossing(node, 3, Threads(2), Prefetch(3))


class TestLeavingOutByThreads(StageTests):
    @pytest.fixture
    def flow(self) -> Crossing:
        ds = Dataset(range(17)).shuffle(0).map(lambda n: 1 // (n % 4) and n)
        return Crossing(ds.batch(5)._node, 2, Threads(3), on_error="skip")


class TestEndlessByThreads(StageTests):
    @pytest.fixture
    def flow(self) -> Crossing:
        return Crossing(Dataset(range(5)).shuffle(0).batch(2)._node, None, Threads(1), Prefetch(2))


class TestEndless(StageTests):
    @pytest.fixture
    def flow(self) -> Crossing:
        return Crossing(Dataset(range(5)).shuffle(0).filter(lambda n: n != 3).batch(2)._node, None)


class TestEndlessEpoch(StageTests):
    @pytest.fixture
    def flow(self) -> Crossing:
        return Crossing(Dataset(range(5)).shuffle(0).repeat()._node, 1)


def test_epochs_come_one_after_the_other_each_in_its_own_order() -> None:
    ds = Dataset(range(50)).shuffle(0)
    records = list(ds.stream(epochs=3))
    epochs = [records[start : start + 50] for start in (0, 50, 100)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert epochs[0] == list(ds)
    assert list(ds.stream(epochs=0)) == []
    assert list(itertools.islice(ds.stream(None), 150)) == records
    still = Dataset(range(50)).shuffle(0, reshuffle=False).stream(epochs=2).list()
    assert still == list(ds) * 2


def test_a_repeated_stream_goes_on_with_the_epochs() -> None:
    ds = Dataset(range(20)).shuffle(0)
    assert list(ds.stream(2).repeat(2)) == list(ds.stream(4))
    parts = list(ds.stream(None).take(30).repeat(2))
    assert parts[:20] == list(ds)
    assert sorted(parts[30:50]) == list(range(20))
    assert parts[30:50] not in (parts[:20], list(ds.stream(2))[20:])


@pytest.mark.parametrize("epochs", [-1, 1.5, True, "2"])
def test_epochs_that_cannot_be_counted_are_refused(epochs: object) -> None:
    with pytest.raises((ArgumentError, KindError), match="epochs must be"):
        Dataset(range(3)).stream(epochs)  # type: ignore[arg-type]


def test_a_stream_knows_its_length_where_it_has_one() -> None:
    with pytest.raises(TypeError, match="is not known before it was gone through"):
        len(Dataset(range(7)).stream(on_error="skip"))
    assert len(Dataset(range(7)).batch(2).stream(on_error="skip")) == 4  # of batches there are rarely fewer
    assert len(Dataset(range(7)).batch(3).stream(epochs=3)) == 9
    with pytest.raises(TypeError):
        len(Dataset(range(7)).stream(None))
    with pytest.raises(TypeError):
        len(Dataset(range(7)).repeat().stream())


def test_nothing_for_ever_is_refused_and_does_not_hang() -> None:
    for ds in (Dataset([]), Dataset(range(3)).batch(5, drop_remainder=True), Dataset(range(3)).take(0).shuffle(0)):
        with pytest.raises(OrderError, match="gives no records, so streaming it for ever would never end"):
            next(iter(ds.stream(None)))
        assert list(ds.stream(epochs=1000)) == []


def test_a_closed_iterator_is_at_its_end() -> None:
    iterator = iter(Dataset(range(9)).stream())
    assert next(iterator) == 0
    state = iterator.state_dict()
    iterator.close()
    assert list(iterator) == []
    assert list(Dataset(range(9)).stream().resume(state)) == list(range(1, 9))


def test_iterators_of_one_stream_are_apart() -> None:
    stream = Dataset(range(20)).shuffle(0).batch(3).stream(2)
    first, second = iter(stream), iter(stream)
    for _ in range(5):
        next(first)
    expected = [batch.tolist() for batch in stream]
    assert [batch.tolist() for batch in second] == expected
    assert [batch.tolist() for batch in first] == expected[5:]
