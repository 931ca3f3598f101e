"""Shares by a tree, against what they promise: exact in the long run, never far off, and the inverse of themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.core.quotas import TurnsTable, turns
from headrace.core.shares import ShareTree

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
def test_many_sources_are_never_more_than_1_68_draws_off(seed: int, count: int) -> None:
    quotas = (np.random.default_rng(seed).pareto(1, count) * 1000).astype(int) + 1
    shares = ShareTree([int(quota) for quota in quotas])
    sources, _ = shares.at(np.arange(4000))
    given_ = np.cumsum(sources[:, None] == np.arange(count), axis=0)
    due = np.arange(1, 4001)[:, None] * (quotas / shares.round)
    assert np.abs(given_ - due).max() <= 1.68


@pytest.mark.parametrize("stop", ["first", "longest"])
def test_a_mix_by_lengths_gives_every_record_once(stop: str) -> None:
    lengths = [300_000, 100_003, 7]
    parts = [hr.Dataset(np.full(length, place, np.int8)) for place, length in enumerate(lengths)]
    mixed = hr.mix(parts, lengths, stop=stop)  # type: ignore[arg-type]
    counts = np.bincount(np.concatenate(mixed.batch(65_536).list()), minlength=3)
    assert np.abs(counts - lengths).max() <= 1
    if stop == "longest":
        assert len(set(mixed.indices(0).tolist())) == 1 and (counts >= lengths).all()


def test_weights_of_six_digits_do_not_drift() -> None:
    weights = [0.123456, 0.654321, 0.222223]
    schedule = turns(tuple(weights))
    assert isinstance(schedule, ShareTree) and schedule.round == 1_000_000
    for length in (10**6, 10**9 + 7, 2**50):
        for source, weight in enumerate([123456, 654321, 222223]):
            assert abs(schedule.draws(source, length) * 10**6 - length * weight) <= 10**6


def test_weights_that_a_table_holds_are_served_by_one() -> None:
    assert isinstance(turns((0.7, 0.2, 0.1)), TurnsTable)


def test_ten_thousand_sources() -> None:
    quotas = np.random.default_rng(0).integers(1, 50_000, 10_000).tolist()
    sources, draws = ShareTree(quotas).at(np.arange(100_000))
    assert len(np.unique(np.stack([sources, draws]), axis=1).T) == 100_000


def test_the_order_is_pinned() -> None:
    sources, _ = ShareTree([5, 3, 2, 1]).at(np.arange(11))
    assert sources.tolist() == PINNED


PINNED = [2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1]
