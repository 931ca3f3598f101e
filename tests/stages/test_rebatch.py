"""Batches of other sizes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import ArgumentError, Batch, Dataset, KindError, OrderError, Ragged, SchemaError, StateError, Stream
from headrace.core.flow import Flow
from headrace.stages.batch import Batched
from headrace.stages.iterate import Iterate
from headrace.stages.rebatch import Rebatch
from headrace.testing.stages import StageTests, alike, check_cuts


def columns(sizes: list[int]) -> list[Any]:
    """Return batches of these sizes that number their rows."""
    starts = np.cumsum([0, *sizes])
    return [np.arange(start, start + size) for start, size in zip(starts, sizes)]


class TestSmaller(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Rebatch.of(Iterate.of(columns([5, 1, 0, 7, 3])), 2)

    def over(self, upstream: Flow) -> Flow:
        return Rebatch.of(Batched.of(upstream, 3), 2)


class TestLarger(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Rebatch.of(Iterate.of(columns([2, 3, 1, 1, 0, 0, 6, 2])), 4, drop_remainder=True)


class TestOfADataset(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        ds = Dataset(n=np.arange(23), text=Ragged.from_rows([np.arange(at % 3) for at in range(23)])).shuffle(0)
        return Rebatch.of(ds.batch(5).stream(2)._flow, 3)


class TestOfAGenerator(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        def batches() -> Iterator[tuple[Any, list[str]]]:
            for size in (3, 1, 4, 1, 5):
                yield np.zeros((size, 2)), ["x"] * size

        return Rebatch.of(Iterate.of(batches), 4)


@given(sizes=st.lists(st.integers(0, 6), max_size=12), size=st.integers(1, 9), drop=st.booleans())
@settings(max_examples=100)
def test_the_same_records_in_the_same_order(sizes: list[int], size: int, drop: bool) -> None:
    flow = Rebatch.of(Iterate.of(columns(sizes)), size, drop)
    batches = list(flow.start())
    total = sum(sizes)
    assert [len(batch) for batch in batches] == [size] * (total // size) + [total % size] * (
        total % size > 0 and not drop
    )
    assert [row for batch in batches for row in batch] == list(range(sum(map(len, batches))))
    check_cuts(flow)


def test_kinds_of_batches_stay_what_they_are() -> None:
    mappings = Dataset(n=np.arange(7), text=Ragged.from_rows([np.arange(at) for at in range(7)])).batch(2)
    found = mappings.stream().rebatch(3).list()
    assert [type(batch) for batch in found] == [Batch] * 3
    assert found[1]["n"].tolist() == [3, 4, 5] and [row.tolist() for row in found[1]["text"]][2] == [0, 1, 2, 3, 4]
    tuples = Dataset(np.arange(7), np.arange(7) * 2).batch(2).stream().rebatch(3).list()
    assert alike(tuples[0], (np.arange(3), np.arange(3) * 2))
    nested = Stream([{"a": {"b": np.arange(2)}}, {"a": {"b": np.arange(3)}}]).rebatch(4).list()
    assert nested[0]["a"]["b"].tolist() == [0, 1, 0, 1]


def test_a_part_of_one_batch_is_a_view_and_of_several_a_copy() -> None:
    whole = np.arange(6)
    first, second = Stream([whole[:4], whole[4:]]).rebatch(3).list()
    assert np.shares_memory(first, whole) and not np.shares_memory(second, whole)


def test_batches_that_records_were_left_out_of_are_evened_out() -> None:
    ds = Dataset(range(30)).map(lambda x: 1 // (x % 4) and x).batch(5)
    stream = ds.stream(on_error="skip").rebatch(4, drop_remainder=True)
    expected = [x if x % 4 == 1 else 0 for x in range(30) if x % 4]
    assert [batch.tolist() for batch in stream] == [expected[at : at + 4] for at in range(0, 20, 4)]
    assert len(stream.errors) == 8


def test_no_more_is_drawn_than_is_needed() -> None:
    drawn: list[int] = []

    def batches() -> Iterator[Any]:
        for number in itertools.count():
            drawn.append(number)
            yield np.zeros(2)

    iterator = iter(Stream(batches).rebatch(5))
    for taken in range(1, 5):
        next(iterator)
        assert len(drawn) == -(-5 * taken // 2)
    iterator.close()


@pytest.mark.parametrize("size", [0, -3])
def test_a_size_that_cannot_be_meant_is_refused(size: int) -> None:
    with pytest.raises(ArgumentError, match="batch size must be"):
        Stream([]).rebatch(size)
    with pytest.raises(KindError, match="batch size must be"):
        Stream([]).rebatch("2")  # type: ignore[arg-type]


def test_what_is_no_batch_is_refused_and_named() -> None:
    with pytest.raises(KindError) as raised:
        Stream([np.zeros(2), 7]).rebatch(3).list()
    assert "in item 1 of what rebatch(3) was given: it needs batches" in str(raised.value.__notes__)
    with pytest.raises(SchemaError):
        Stream([{"a": np.zeros(2)}, {"b": np.zeros(2)}]).rebatch(3).list()


def batches_of(size: int) -> Flow:
    return Dataset(range(8)).batch(size).stream()._flow


def test_a_state_within_a_batch_that_has_changed_is_refused() -> None:
    flow = Rebatch.of(batches_of(4), 3)
    cursor = flow.start()
    next(cursor)
    state = cursor.state()
    assert (state["count"], state["rows"]) == (0, 3)
    with pytest.raises(StateError, match="batch 0 upstream has 2 records, and the state is after 3"):
        list(Rebatch.of(batches_of(2), 3).start({**state, "upstream": batches_of(2).start().state()}))
    with pytest.raises(StateError, match="has no batch 0 upstream"):
        list(Rebatch.of(Iterate.of([]), 3).start({**state, "upstream": Iterate.of([]).start().state()}))


def test_a_share_of_several_readers_is_not_gone_on_with_by_others() -> None:
    def share(count: int) -> Stream:
        return Dataset(range(40)).shard(0, count).batch(4).stream().rebatch(3)

    iterator = iter(share(2))
    next(iterator)
    with pytest.raises((StateError, OrderError)):
        list(share(4).resume(iterator.state_dict()))
    assert len(list(share(2).resume(iterator.state_dict()))) == 6
    iterator.close()
