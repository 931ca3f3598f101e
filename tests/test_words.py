"""``Dataset.stream`` in yogadl's words, beside what yogadl documents and does, in a few lines."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from itertools import chain, zip_longest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.nodes.crossing import Crossing

Order = Callable[[int, int], list[int]]


def reference(
    length: int,
    epochs: int,
    order: Order,
    start_offset: int = 0,
    shuffle: bool = False,
    skip_shuffle_at_epoch_end: bool = False,
    shard_rank: int = 0,
    num_shards: int = 1,
    drop_shard_remainder: bool = False,
) -> Iterator[int]:
    """Give the records as yogadl does: keys are dealt out, shuffled by the number of the epoch, and then offset."""
    keys = list(range(length))
    if drop_shard_remainder:
        keys = keys[: length - length % num_shards]
    keys = keys[shard_rank::num_shards]
    first = start_offset // len(keys)
    for epoch in range(first, first + epochs):
        drawn = order(0 if skip_shuffle_at_epoch_end else epoch, len(keys)) if shuffle else range(len(keys))
        shown = [keys[place] for place in drawn]
        yield from shown[start_offset % len(keys) if epoch == first else 0 :]


def drawn_from(seed: int) -> Order:
    """Return the order of an epoch that a seed draws."""
    return lambda epoch, length: hr.Dataset(range(length)).shuffle(seed).stream(epochs=epoch + 1).list()[-length:]


@st.composite
def words(draw: st.DrawFn) -> dict[str, Any]:
    shards = draw(st.integers(1, 4))
    return {
        "start_offset": draw(st.integers(0, 30)),
        "shuffle": draw(st.booleans()),
        "skip_shuffle_at_epoch_end": draw(st.booleans()),
        "shard_rank": draw(st.integers(0, shards - 1)),
        "num_shards": shards,
        "drop_shard_remainder": draw(st.booleans()),
    }


@settings(max_examples=60)
@given(words(), st.integers(4, 13), st.integers(1, 3), st.integers(0, 40))
def test_the_words_mean_what_they_mean_to_yogadl_and_a_run_resumes_anywhere(
    given: dict[str, Any], length: int, epochs: int, stop: int
) -> None:
    def stream() -> hr.Stream:
        return hr.Dataset(range(length)).stream(epochs=epochs, shuffle_seed=7, **given)

    expected = list(reference(length, epochs, drawn_from(7), **given))
    assert stream().list() == expected
    assert len(stream()) == len(expected)
    going = iter(stream())
    for _ in range(min(stop, len(expected))):
        next(going)
    assert list(stream().resume(going.state_dict())) == expected[stop:]


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 3), st.integers(0, 20), st.integers(1, 4))
def test_lanes_of_a_stream_with_an_offset_hold_every_item_once(
    length: int, epochs: int, offset: int, lanes: int
) -> None:
    whole = hr.Dataset(range(length)).stream(epochs=epochs, start_offset=offset)
    flow = whole._flow
    assert isinstance(flow, Crossing)
    parts = [[*flow.with_lane(lane, lanes).start()] for lane in range(lanes)]
    assert [len(part) for part in parts] == [flow.with_lane(lane, lanes).length() for lane in range(lanes)]
    dealt = chain.from_iterable(zip_longest(*parts, fillvalue=None))
    assert [item for item in dealt if item is not None] == whole.list()


def test_only_the_first_round_of_a_repeat_lacks_its_front() -> None:
    assert hr.Dataset(range(3)).stream(start_offset=2).repeat(2).list() == [2, 0, 1, 2]
    shuffled = hr.Dataset(range(50)).stream(start_offset=49, shuffle=True, shuffle_seed=0)
    whole = hr.Dataset(range(50)).shuffle(0).stream(epochs=3).list()
    assert shuffled.repeat(3).list() == whole[49:]


def test_an_offset_counts_batches_where_there_are_batches() -> None:
    batches = hr.Dataset(range(10)).batch(4).stream(epochs=2, start_offset=2)
    assert [batch.tolist() for batch in batches] == [[8, 9], [0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_an_endless_stream_begins_at_any_offset_at_once() -> None:
    began = time.perf_counter()
    ds = hr.Dataset(range(1_000_003)).map(lambda number: number * 2)
    going = iter(ds.stream(epochs=None, start_offset=10**15 + 5))
    assert next(going) == 2 * ((10**15 + 5) % 1_000_003)
    assert time.perf_counter() - began < 1
    assert going.state_dict()["at"]["epoch"] == 10**15 // 1_000_003
    assert next(iter(hr.Dataset(range(3)).repeat().stream(start_offset=10**12 + 1))) == (10**12 + 1) % 3


def test_a_seed_that_is_drawn_is_told_and_is_enough_to_go_on() -> None:
    stream = hr.Dataset(range(20)).stream(epochs=2, shuffle=True)
    (seed,) = re.findall(r"shuffle\(seed=(\d+)\)", repr(stream))
    again = hr.Dataset(range(20)).stream(epochs=2, shuffle=True, shuffle_seed=int(seed))
    assert again.list() == stream.list()
    going = iter(stream)
    rest = [next(going), *going][1:]
    begun = iter(stream)
    next(begun)
    assert list(again.resume(begun.state_dict())) == rest
    assert repr(hr.Dataset(range(20)).stream(shuffle=True)) != repr(stream)


def test_a_run_that_is_not_shuffled_goes_on_with_other_readers() -> None:
    def stream(rank: int, readers: int, offset: int = 0) -> hr.Stream:
        return hr.Dataset(range(12)).stream(start_offset=offset, shard_rank=rank, num_shards=readers)

    state = iter(stream(1, 3, offset=2)).state_dict()  # six records were seen
    assert [stream(rank, 2).resume(state).list() for rank in range(2)] == [[6, 8, 10], [7, 9, 11]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"start_offset": -1}, "start_offset"),
        ({"start_offset": 1.5}, "start_offset"),
        ({"num_shards": 0}, "num_shards"),
        ({"shard_rank": 2, "num_shards": 2}, r"shard_rank must be in range\(2\)"),
        ({"shard_rank": 1}, r"shard_rank must be in range\(1\)"),
        ({"shuffle": True, "shuffle_seed": -1}, "seed"),
        ({"num_shards": 5, "drop_shard_remainder": True}, "5 readers, but there are 4 records"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(hr.ArgumentError, match=message):
        hr.Dataset(range(4)).stream(**words)
