"""The block shuffle: an order like any other, whose lanes and windows hold whole blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.address import At
from headrace.core.block_shuffle import BlockShuffle
from headrace.core.errors import ArgumentError, KindError
from headrace.core.line import lane_starts
from headrace.core.order import Order, Shard
from headrace.core.runs import Runs
from headrace.core.windows import Windows
from headrace.testing.orders import OrderTests


def of_lengths(lengths: list[int], each: int = 10) -> Runs:
    starts = np.cumsum([0, *lengths])
    return Runs.of(starts[:-1], np.array(lengths, np.int64) * each, int(starts[-1]))


ORDERS: dict[str, Order] = {
    "many blocks, little memory": BlockShuffle(of_lengths([7, 9, 8, 1, 12] * 20), 0, 2000, 4),
    "all in memory": BlockShuffle(of_lengths([50] * 9), 1, 10**9, 8),
    "one order for all epochs": BlockShuffle(of_lengths([5] * 40), 1, 800, 2, reshuffle=False),
    "fewer blocks than lanes": BlockShuffle(of_lengths([400, 300]), 1, 10**9, 8),
    "more lanes than records": BlockShuffle(of_lengths([1, 2]), 1, 10**9, 8),
    "one lane": BlockShuffle(of_lengths([10] * 30), 5, 200, 1),
    "nothing": BlockShuffle(of_lengths([]), 0, 1),
    "one record": BlockShuffle(of_lengths([1]), 0, 10),
    "huge": BlockShuffle(of_lengths([10**9 + number for number in range(100)], 1), 0, 10**11, 8),
}


@pytest.mark.parametrize("name", ORDERS)
class TestBlockShuffle(OrderTests):
    @pytest.fixture
    def order(self, name: str) -> Order:
        return ORDERS[name]


@st.composite
def orders(draw: st.DrawFn) -> BlockShuffle:
    lengths = draw(st.lists(st.integers(0, 30), min_size=1, max_size=40))
    runs = of_lengths(lengths, draw(st.integers(1, 50)))
    lanes = draw(st.integers(1, 9))
    least = min(2 * lanes * runs.largest, runs.total)
    memory = draw(st.integers(max(least, 1), max(least, 1) * 4))
    return BlockShuffle(runs, draw(st.integers(0, 3)), memory, lanes, draw(st.booleans()))


@given(order=orders(), epoch=st.integers(0, 2**40))
def test_every_position_lies_under_one_and_the_order_can_be_inverted(order: BlockShuffle, epoch: int) -> None:
    positions = np.arange(order.length)
    below = order.forward(positions, epoch)
    assert sorted(below.tolist()) == positions.tolist()
    assert order.inverse(below, epoch).tolist() == positions.tolist()


@given(order=orders(), epoch=st.integers(0, 5))
def test_a_block_lies_in_one_window_of_each_lane_that_holds_some_of_it(order: BlockShuffle, epoch: int) -> None:
    line, room = order.line(epoch), order.memory // (2 * order.lanes)
    windows, borders = line.windows, lane_starts(order.length, order.lanes)
    assert set(borders.tolist()) <= {*windows.tolist()}  # no window lies in two lanes
    positions = np.arange(order.length)
    runs = order.runs.at(order.forward(positions, epoch))
    places = borders[positions % order.lanes] + positions // order.lanes
    which = windows.searchsorted(places, "right") - 1
    held = set(zip(runs.tolist(), which.tolist(), strict=True))
    cut = sum(begin not in set(line.starts.tolist()) for begin in borders[:-1].tolist() if begin < order.length)
    assert len(held) <= len(order.runs) + min(cut, order.lanes - 1)
    if order.runs.total > order.memory:
        for window in set(which.tolist()):
            assert sum(order.runs.nbytes[run] for run, other in held if other == window) <= room


@given(order=orders(), readers=st.integers(1, 9), base=st.integers(0, 50))
def test_readers_have_lanes_of_their_own_wherever_they_begin(order: BlockShuffle, readers: int, base: int) -> None:
    if order.lanes % readers or base > order.length:
        return
    lanes, blocks = [], []
    for reader in range(readers):
        shard = Shard(order.length, reader, readers, base=base)
        positions = shard(At(np.arange(shard.length or 0))).positions
        lanes.append(set((positions % order.lanes).tolist()))
        blocks.append(set(order.runs.at(order(At(positions, 1)).positions).tolist()))
    assert sum(map(len, lanes)) == len(set().union(*lanes))
    assert sum(map(len, blocks)) <= len(set().union(*blocks)) + order.lanes - 1


def test_epochs_and_seeds_differ_and_only_what_decides_is_in_the_text() -> None:
    runs = of_lengths([20] * 50)
    first, second = (BlockShuffle(runs, 0, 2000, 4).forward(np.arange(1000), epoch) for epoch in (0, 1))
    other = BlockShuffle(runs, 1, 2000, 4).forward(np.arange(1000), 0)
    assert (first == second).mean() < 0.02
    assert (first == other).mean() < 0.02
    texts = {
        BlockShuffle(runs, 0, 2000, 4).text(),
        BlockShuffle(runs, 1, 2000, 4).text(),
        BlockShuffle(runs, 0, 3000, 4).text(),
        BlockShuffle(runs, 0, 2000, 2).text(),
        BlockShuffle(runs, 0, 2000, 4, False).text(),
        BlockShuffle(of_lengths([25] * 40), 0, 2000, 4).text(),
    }
    assert len(texts) == 6


def test_the_order_is_the_same_on_every_machine() -> None:
    order = BlockShuffle(of_lengths([3, 4, 5, 2, 6]), 7, 240, 2)
    assert order.forward(np.arange(20), 3).tolist() == order(At(np.arange(20), 3)).positions.tolist()
    assert order.forward(np.arange(20), 3).tolist() == [
        8,
        3,
        10,
        18,
        11,
        14,
        12,
        5,
        13,
        6,
        1,
        4,
        9,
        15,
        7,
        16,
        0,
        19,
        2,
        17,
    ]


def test_looking_up_few_or_many_in_stretches_or_anywhere_is_the_same() -> None:
    order = BlockShuffle(of_lengths([1000] * 100), 0, 10**6, 8)
    every = order.forward(np.arange(order.length), 2)
    random = np.random.default_rng(0)
    for stride in (1, 2, 3, 8, 9, 500):
        for start in (0, 5, 16_300, 65_000):
            asked = np.arange(start, min(start + 64 * stride, order.length), stride)
            for positions in (asked, asked[::-1], random.permutation(asked), asked[[0, 0, -1]]):
                assert (order(At(positions, 2)).positions == every[positions]).all()


def test_windows_of_a_lane_are_alike() -> None:
    order = BlockShuffle(of_lengths([10] * 11), 0, 1000, 1)  # five fit: 5, 5 and 1 would do, 4, 4 and 3 are better
    assert sorted(np.diff(order.line(0).windows).tolist()) == [30, 40, 40]


def test_a_memory_that_is_too_small_is_answered_with_what_is_needed() -> None:
    runs = of_lengths([100] * 50, 1000)
    with pytest.raises(ArgumentError, match=r"largest of 50 blocks has 100 kB: give it memory='1.61 MB', or lanes=3"):
        BlockShuffle(runs, 0, 600_000)
    BlockShuffle(runs, 0, 1_610_000)
    BlockShuffle(runs, 0, 600_000, 3)
    BlockShuffle(runs, 0, runs.total, 999)  # everything fits


def test_of_little_data_lanes_differ_by_epoch() -> None:
    order = BlockShuffle(of_lengths([1000, 1000]), 0, 10**6, 4)
    lanes = [set(order.forward(np.arange(0, 2000, 4), epoch).tolist()) for epoch in range(2)]
    assert len(lanes[0] & lanes[1]) < 300  # of 500; 125 of two that are drawn


def test_blocks_that_cannot_be_are_refused() -> None:
    for starts, sizes in (([1], [1]), ([0, 5, 3], [1, 1, 1]), ([0, 11], [1, 1]), ([0], [-1]), ([], []), ([0], [1, 2])):
        with pytest.raises(ArgumentError, match="blocks"):
            Runs.of(starts, sizes, 10)
    with pytest.raises(KindError, match="whole numbers"):
        Runs.of([0.5], [1], 10)


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=10), most=st.integers(1, 50))
def test_runs_are_cut_into_pieces_that_are_alike(lengths: list[int], most: int) -> None:
    runs = of_lengths(lengths)
    pieces = runs.cut(most)
    assert pieces.lengths.max() <= most
    assert set(runs.starts.tolist()) <= set(pieces.starts.tolist())
    assert pieces.nbytes.tolist() == (pieces.lengths * 10).tolist()


@pytest.mark.parametrize("length", [7, 12, 1000, 2**20 + 1])
def test_ranges_of_one_length_are_each_permuted_evenly_and_apart(length: int) -> None:
    ranges = max(1, 2**16 // length)
    places = np.tile(np.arange(length), ranges)
    numbers = np.repeat(np.arange(ranges), length)
    windows = Windows((3, 4), 0)
    moved = windows.forward(places, numbers, np.full(len(places), length))
    assert (np.sort(numbers * length + moved) == np.arange(len(places))).all()
    assert (windows.inverse(moved, numbers, np.full(len(places), length)) == places).all()
    if 100 < length:  # neighbours, and the same place of two ranges, have nothing in common
        assert abs(np.corrcoef(moved[:-1], moved[1:])[0, 1]) < 0.02
    if ranges > 40 and length > 100:
        table = moved.reshape(ranges, length)
        assert abs(np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1]) < 0.02
