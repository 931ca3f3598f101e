"""Shares by a tree, against what they promise: exact in the long run, never far off, and the inverse of themselves."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.core.quotas import TurnsTable, turns
from headrace.core.shares import SHARES_LIMIT, ShareTree

QUOTAS = st.lists(st.integers(0, 60), min_size=1, max_size=9).filter(any)


@given(quotas=QUOTAS)
def test_a_round_gives_each_source_its_quota_and_draws_count_up(quotas: list[int]) -> None:
    shares = ShareTree(quotas)
    sources, draws = shares.at(np.arange(3 * shares.round))
    for source, quota in enumerate(quotas):
        mine = draws[sources == source]
        assert mine.tolist() == list(range(3 * quota))
        assert (sources[: shares.round] == source).sum() == quota


@given(quotas=QUOTAS, start=st.integers(0, 2**60))
def test_position_and_draws_are_the_inverse_of_at(quotas: list[int], start: int) -> None:
    shares = ShareTree(quotas)
    positions = np.arange(start, start + 50)
    sources, draws = shares.at(positions)
    for position, source, draw in zip(positions.tolist(), sources.tolist(), draws.tolist(), strict=True):
        assert shares.position(source, draw) == position
        assert shares.draws(source, position) == draw
        assert shares.draws(source, position + 1) == draw + 1
    assert shares.all_draws(start).sum() == start


@given(quotas=st.lists(st.integers(1, 2**28), min_size=1, max_size=3), start=st.integers(0, 2**40))
def test_up_to_three_sources_are_never_more_than_one_draw_off(quotas: list[int], start: int) -> None:
    shares = ShareTree(quotas)
    for length in (start, start + 1, start + 17):
        for source, quota in enumerate(quotas):
            assert abs(shares.draws(source, length) * shares.round - length * quota) <= shares.round


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(4, 200))
def test_more_sources_stay_within_what_a_huffman_tree_allows(seed: int, count: int) -> None:
    quotas = (np.random.default_rng(seed).pareto(1, count) * 1000).astype(int) + 1
    assert greatest_deviation(quotas.tolist(), 4000) < 1.68


def test_shares_like_fibonacci_numbers_are_the_worst_and_within_the_bound() -> None:
    worst = greatest_deviation([1, 40, 39, 82, 118, 200, 318, 520], 1318)
    assert 1.4 < worst < 1.68


def greatest_deviation(quotas: list[int], length: int) -> float:
    """Return the most that a source is off its share, over prefixes up to a length."""
    shares = ShareTree(quotas)
    sources, draws = shares.at(np.arange(length))
    share = shares.quotas[sources] / shares.round  # a deviation is greatest right before or right after a draw
    before = np.abs(draws - np.arange(length) * share)
    after = np.abs(draws + 1 - (np.arange(length) + 1) * share)
    return float(max(before.max(), after.max()))


def by_hand(quotas: list[int], length: int) -> list[tuple[int, int]]:
    """Build the tree and go down it draw by draw, with a counter on each side of each node."""
    nodes: list[tuple[int, int, object]] = [(quota, place, place) for place, quota in enumerate(quotas) if quota]
    for order in range(len(quotas), 2 * len(quotas)):
        if len(nodes) > 1:
            light, heavy, *others = sorted(nodes, key=lambda node: node[:2])
            nodes = [*others, (light[0] + heavy[0], order, ([0, 0], heavy, light))]
    result = []
    had = [0] * len(quotas)
    for _ in range(length):
        _, _, below = nodes[0]
        while isinstance(below, tuple):
            counts, left, right = below
            total = left[0] + right[0]
            side = int(((sum(counts) + 1) * left[0] + total // 2) // total == counts[0])
            counts[side] += 1
            below = (left, right)[side][2]
        assert isinstance(below, int)
        result.append((below, had[below]))
        had[below] += 1
    return result


@given(quotas=QUOTAS)
def test_prefixes_are_what_going_down_the_tree_by_hand_gives(quotas: list[int]) -> None:
    length = min(2 * sum(quotas), 300)
    sources, draws = ShareTree(quotas).at(np.arange(length))
    assert list(zip(sources.tolist(), draws.tolist(), strict=True)) == by_hand(quotas, length)


@given(quotas=QUOTAS, length=st.integers(0, 2**60))
def test_all_draws_are_the_draws_of_each(quotas: list[int], length: int) -> None:
    shares = ShareTree(quotas)
    assert shares.all_draws(length).tolist() == [shares.draws(source, length) for source in range(len(quotas))]


@given(quotas=st.lists(st.integers(1, SHARES_LIMIT // 4), min_size=4, max_size=4), start=st.integers(0, 2**60))
def test_the_greatest_shares_do_not_overflow(quotas: list[int], start: int) -> None:
    shares = ShareTree([*quotas, SHARES_LIMIT - sum(quotas)])
    positions = np.arange(start, start + 5)
    for position, source, draw in zip(
        positions.tolist(), *(part.tolist() for part in shares.at(positions)), strict=True
    ):
        assert shares.position(source, draw) == position
        assert shares.draws(source, position) == draw


@pytest.mark.parametrize("stop", ["first", "longest"])
def test_a_mix_by_lengths_gives_every_record_once(stop: Literal["first", "longest"]) -> None:
    lengths = [300_000, 100_003, 7]
    parts = [hr.Dataset(np.full(length, place, np.int8)) for place, length in enumerate(lengths)]
    mixed = hr.mix(parts, lengths, stop=stop)
    assert len(mixed) == sum(lengths)
    counts = np.bincount(np.concatenate(mixed.batch(65_536).list()), minlength=3)
    assert counts.tolist() == lengths


def test_weights_of_six_digits_do_not_drift() -> None:
    weights = [0.123456, 0.654321, 0.222223]
    schedule = turns(tuple(weights))
    assert isinstance(schedule, ShareTree) and schedule.round == 1_000_000
    for length in (10**6, 10**9 + 7, 2**50):
        for source, weight in enumerate([123456, 654321, 222223]):
            assert abs(schedule.draws(source, length) * 10**6 - length * weight) <= 10**6


def test_weights_that_a_table_holds_are_served_by_one() -> None:
    assert isinstance(turns((0.7, 0.2, 0.1)), TurnsTable)


def test_ten_thousand_sources_count_up_without_gaps() -> None:
    shares = ShareTree(np.random.default_rng(0).integers(1, 50_000, 10_000).tolist())
    sources, draws = shares.at(np.arange(100_000))
    grouped = np.lexsort((draws, sources))
    counts = shares.all_draws(100_000)
    assert np.bincount(sources, minlength=10_000).tolist() == counts.tolist()
    assert draws[grouped].tolist() == np.concatenate([np.arange(count) for count in counts]).tolist()
    for source in (0, 5_000, 9_999):
        assert shares.at(np.array([shares.position(source, 10**9)]))[1][0] == 10**9


def test_no_positions_give_no_draws() -> None:
    assert [part.shape for part in ShareTree([3, 5]).at(np.empty(0, np.int64))] == [(0,), (0,)]


def test_the_order_is_pinned() -> None:
    sources, _ = ShareTree([5, 3, 2, 1]).at(np.arange(11))
    assert sources.tolist() == [2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1]
