"""Hints: sources are told which of their blocks will be read, before they are, in the order of their first use."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace import Dataset
from headrace.core.source import Indices
from headrace.nodes.expecting import AHEAD, expects


class Far:
    """Numbers in blocks; it writes down what it is told, and what it is asked for."""

    structure = "value"

    def __init__(self, lengths: list[int], each: int) -> None:
        self.starts, self.each = np.cumsum([0, *lengths]), each
        self.told: list[list[int]] = []
        self.ended = 0
        self.log: list[tuple[str, Any]] = []

    def __len__(self) -> int:
        return int(self.starts[-1])

    def blocks(self) -> tuple[Indices, Indices]:
        return self.starts[:-1], np.diff(self.starts) * self.each

    def expect(self, blocks: Sequence[int]) -> None:
        self.ended += not blocks
        if blocks:
            self.told.append(list(blocks))
        self.log.append(("told", set(blocks)))

    def read(self, indices: Indices, /) -> dict[str, Any]:
        self.log.append(("read", set((self.starts.searchsorted(indices, "right") - 1).tolist())))
        return {"value": indices.copy()}

    def surprises(self) -> float:
        """Return the share of reads of a block that had not been named."""
        named: set[int] = set()
        missed = [0]
        for kind, blocks in self.log:
            named = blocks if kind == "told" else named
            missed += [int(block not in named) for block in blocks] if kind == "read" else []
        return float(np.mean(missed))

    def bytes_of(self, blocks: list[int]) -> int:
        return int(np.diff(self.starts)[blocks].sum() * self.each)


def test_in_storage_order_the_next_blocks_are_named_one_after_the_other() -> None:
    far = Far([100] * 50, AHEAD // 1000)  # ten blocks are a gigabyte
    list(Dataset(far).batch(10).stream())
    assert far.told[0] == list(range(10))
    assert all(told == sorted(told) for told in far.told)
    assert far.told[-1][-1] == 49
    assert far.surprises() == 0
    assert len(far.told) < 100  # of 500 batches
    assert all(far.bytes_of(told) <= AHEAD for told in far.told)


def test_small_blocks_are_named_too() -> None:
    for far in (Far([3] * 20_000, 10_000), Far([1] * 20_000, 10_000)):
        list(Dataset(far).batch(500).stream())
        assert far.surprises() < 0.001


def test_block_by_block_the_window_and_the_next_are_named() -> None:
    far = Far([10] * 200, 100)
    ds = Dataset(far).block_shuffle(memory="64 kB", seed=0, lanes=4)  # 8 blocks to a window
    assert len(list(ds.batch(5).stream(epochs=2))) == 800
    assert far.surprises() < 0.01
    assert all(far.bytes_of(told) <= 64_000 for told in far.told)
    assert 28 <= np.median([len(told) for told in far.told]) <= 64
    assert len(far.told) < 200


def test_a_rank_names_its_own_blocks_and_nothing_after_the_end() -> None:
    far = Far([10] * 200, 100)
    ds = Dataset(far).block_shuffle(memory="64 kB", seed=0, lanes=4).shard(1, 4).batch(5)
    needed = [
        {*far.starts.searchsorted(ds.indices(step, epoch), "right") - 1} for epoch in (0, 1) for step in range(100)
    ]
    list(ds.stream(epochs=2))
    assert {block for told in far.told for block in told} <= set().union(*needed)
    assert set(far.told[-1]) <= set().union(*needed[100:])
    assert far.surprises() < 0.01


def test_a_true_shuffle_names_what_the_next_batches_need() -> None:
    far = Far([10] * 200, AHEAD // 100)
    list(Dataset(far).shuffle(seed=0).batch(5).stream())
    assert all(9 <= len(told) <= 11 for told in far.told)
    first = list(dict.fromkeys((Dataset(range(2000)).shuffle(seed=0).indices(0) // 10).tolist()))
    assert far.told[0][0] == first[0]


@pytest.mark.parametrize("stride", [2, 3])
def test_of_every_kth_step_the_blocks_are_named(stride: int) -> None:
    far = Far([10] * 60, AHEAD // 100)
    stream = Dataset(far).batch(10).stream(epochs=2)
    flow = stream._flow.with_lane(1, stride)  # type: ignore[attr-defined]
    list(flow.start())
    assert far.surprises() == 0
    assert {block % stride for told in far.told for block in told if stride in (2, 3)} == {1}


def test_all_sources_of_a_chain_are_told_each_of_its_own() -> None:
    a, b, c = Far([5, 0, 5], 10), Far([4, 6], 10), Far([10] * 2, 10)
    joined = hr.concat([Dataset(a), Dataset(b)])
    ds = hr.zip(joined, Dataset(c)).map(lambda pair: pair).filter(lambda pair: pair[0] != 3)
    list(ds.stream())
    for far in (a, b, c):
        far.log = [entry for entry in far.log if entry[0] == "told" or far.told]
    assert a.told[-1] == [0, 2]
    assert b.told[-1] == [0, 1]
    assert c.told[-1] == [0, 1]


def test_batches_in_another_order_and_resumed_runs_too() -> None:
    far = Far([10] * 30, 10)
    list(Dataset(far).batch(5).block_shuffle(memory="3 kB", seed=0, lanes=1).stream())
    assert far.surprises() == 0
    far.told.clear()
    run = iter(Dataset(far).batch(5).stream())
    [next(run) for _ in range(30)]
    state = run.state_dict()
    again = Far([10] * 30, 10)
    rest = list(Dataset(again).batch(3).stream().resume(state))
    assert sum(map(len, rest)) == 150
    assert again.told[0] == list(range(15, 30))


def test_workers_tell_too_and_others_are_not_asked() -> None:
    assert not expects(Dataset(np.arange(5)).shuffle(0).batch(2)._node)
    far = Far([10] * 30, 10)
    got = [batch.tolist() for batch in Dataset(far).batch(5).stream(workers=hr.Threads(2))]
    assert got == [list(range(start, start + 5)) for start in range(0, 300, 5)]
    assert far.told


def test_a_pass_over_all_records_is_announced_at_once() -> None:
    a, b = Far([5, 5], 10), Far([5, 5, 5], 10)
    joined = hr.concat([Dataset(a), Dataset(b).skip(6)])
    assert len(joined.filter(lambda x: x > 2)) == 16
    assert (a.told, b.told) == ([[0, 1]], [[1, 2]])
    Dataset(a).shuffle(0).take(1).collect()
    assert len(a.told[1]) == 1
    assert len(Dataset(a)[::-1].sort_by(lambda x: x)) == 10
    assert a.surprises() == b.surprises() == 0


@pytest.mark.parametrize("workers", [0, hr.Threads(2)])
def test_the_end_of_a_stream_is_told_and_so_is_that_of_one_that_is_left(workers: Any) -> None:
    far = Far([10] * 20, 100)
    stream = Dataset(far).batch(5).stream(workers=workers)
    list(stream)
    assert far.ended >= 1
    assert far.log[-1] == ("told", set())
    before = far.ended
    left = iter(stream)
    next(left)
    del left
    gc.collect()
    assert far.ended > before


def test_the_end_of_one_reader_is_not_that_of_another_that_has_told_more_since() -> None:
    far = Far([10] * 20, 100)
    ds = Dataset(far).batch(5)
    first, second = iter(ds.stream()), iter(ds.stream())
    next(first), next(second)
    del first
    gc.collect()
    assert not far.ended
    del second
    gc.collect()
    assert far.ended
