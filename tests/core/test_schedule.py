"""Mixing: quotas are exact, schedules balanced at every prefix, and every record of a source comes as promised."""

from __future__ import annotations

import pickle
from fractions import Fraction
from itertools import product
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError, OrderError
from headrace.core.order import At
from headrace.core.quotas import TURNS_LIMIT, TurnsTable, turns
from headrace.core.schedule import Draws, Mixture, quotas, schedule
from headrace.core.shares import SHARES_LIMIT, ShareTree

Stop = Literal["first", "longest"]
few_weights = st.lists(st.integers(0, 12), min_size=1, max_size=6).filter(any)


def greatest_lead(order: NDArray[np.int64], counts: NDArray[np.int64]) -> float:
    """Return the greatest difference, over all prefixes and sources, between turns had and turns due."""
    total = int(counts.sum())
    worst = 0.0
    for source in np.flatnonzero(counts):
        had = np.concatenate([[0], np.cumsum(order == source)])
        worst = max(worst, float(abs(had - np.arange(total + 1) * (int(counts[source]) / total)).max()))
    return worst


@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=20).filter(any))
def test_after_any_prefix_every_source_has_had_its_share_within_one(counts: list[int]) -> None:
    order = schedule(counts)
    assert np.bincount(order, minlength=len(counts)).tolist() == counts
    assert greatest_lead(order, np.array(counts)) < 1


@pytest.mark.parametrize("draw", ["exponential", "lognormal", "one against many", "alike"])
def test_thousands_of_sources_keep_their_shares_within_one(draw: str) -> None:
    rng = np.random.default_rng(0)
    weights = {
        "exponential": rng.exponential(size=3000),
        "lognormal": rng.lognormal(0, 3, size=1000),
        "one against many": np.array([1e6] + [1.0] * 2000),
        "alike": np.ones(5000),
    }[draw]
    drawn = turns(tuple(weights.tolist()))
    bound = 1 if isinstance(drawn, TurnsTable) else 1.68
    positions = np.arange(min(drawn.round, 300_000))
    order, draws = drawn.at(positions)
    # a source's lead is greatest right before and right after one of its turns: look there, in all sources at once
    share = drawn.quotas[order] / drawn.round
    assert (positions * share - draws).max() < bound
    assert (draws + 1 - (positions + 1) * share).max() < bound


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([0.7, 0.2, 0.1], (7, 2, 1)),
        ([1 / 3, 2 / 3], (1, 2)),
        ([0.5, 0.25, 0.25], (2, 1, 1)),
        ([3, 0, 1], (3, 0, 1)),
        ([1e-300, 3e-300], (1, 3)),
        ([1e300, 1e300], (1, 1)),
        ([5], (1,)),
        ([0.1] * 3, (1, 1, 1)),
        ([3e-7, 7e-7], (3, 7)),
        ([100_000, 28_000], (25, 7)),
        ([60_000, 10_007], (60_000, 10_007)),
        ([3_000_000, 1_000_003, 7], (3_000_000, 1_000_003, 7)),
        ([3_000_000 / 4_000_010, 1_000_003 / 4_000_010, 7 / 4_000_010], (3_000_000, 1_000_003, 7)),
        ([0.123456, 0.654321, 0.222223], (123_456, 654_321, 222_223)),
    ],
)
def test_ratios_are_kept_exactly_where_a_fraction_holds_them(weights: list[float], expected: tuple[int, ...]) -> None:
    assert quotas(weights) == (expected, sum(expected))


@given(weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(any))
def test_other_ratios_are_rounded_by_less_than_a_turn(weights: list[float]) -> None:
    counts, total = quotas(weights)
    assert sum(counts) == total <= SHARES_LIMIT
    whole = sum(map(Fraction, weights))
    tiny = sum(weight > 0 for weight in weights)
    for count, weight in zip(counts, weights, strict=True):
        assert (count > 0) == (weight > 0)
        # where single turns had to be kept for sources that deserve less, others gave up one each at most
        assert abs(count - Fraction(weight) / whole * total) < (1 if total < SHARES_LIMIT else 1 + tiny)


def test_rounding_a_few_sources_moves_none_by_a_whole_turn() -> None:
    weights = [0.123456789123, 0.987654321987, 1.23456789012]
    counts, total = quotas(weights)
    assert total == SHARES_LIMIT
    assert all(
        abs(count / total - weight / sum(weights)) < 1 / total for count, weight in zip(counts, weights, strict=True)
    )


def test_tens_of_thousands_of_sources_all_have_turns() -> None:
    weights = np.random.default_rng(0).lognormal(0, 4, 40_000)
    counts, total = quotas(weights.tolist())
    assert min(counts) == 1
    assert sum(counts) == total


@pytest.mark.parametrize(
    ("weights", "kind"),
    [
        ((0.7, 0.2, 0.1), TurnsTable),
        ((TURNS_LIMIT - 1, 1), TurnsTable),
        ((TURNS_LIMIT, 1), ShareTree),
        ((3_000_000, 1_000_003, 7), ShareTree),
        ((0.0, 5.0), TurnsTable),
    ],
)
def test_turns_are_a_table_where_one_holds_the_ratios_and_computed_where_none_does(
    weights: tuple[float, ...], kind: type
) -> None:
    assert isinstance(turns(weights), kind)
    assert turns(weights) is turns(weights)


@pytest.mark.parametrize("stop", ["first", "longest"])
@pytest.mark.parametrize("divisor", [1, 4_000_010])
def test_lengths_as_weights_give_every_record_exactly_once(stop: Stop, divisor: int) -> None:
    lengths = (3_000_000, 1_000_003, 7)
    mixture = Mixture(lengths, tuple(length / divisor for length in lengths), stop)
    assert mixture.length == sum(lengths)
    begins = np.cumsum([0, *lengths])
    for epoch in (0, 1):
        sources, positions, epochs = mixture(At(np.arange(sum(lengths)), epoch))
        assert (epochs == epoch).all()
        assert (np.bincount(begins[sources] + positions, minlength=sum(lengths)) == 1).all()


@given(data=st.data(), stop=st.sampled_from(["first", "longest"]))
@settings(max_examples=30, deadline=None)
def test_a_mixture_without_a_table_finds_what_it_draws(data: st.DataObject, stop: Stop) -> None:
    weights = data.draw(st.lists(st.integers(1, 10**6), min_size=2, max_size=8))
    lengths = data.draw(st.lists(st.integers(1, 10**5), min_size=len(weights), max_size=len(weights)))
    mixture = Mixture(tuple(lengths), (1.0, TURNS_LIMIT + 0.0, *map(float, weights[2:])), stop)
    assert isinstance(turns(mixture.weights), ShareTree)
    length = mixture.length
    assert length is not None
    epoch = data.draw(st.integers(0, 3))
    chosen = np.array(data.draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=20)) if length else [], int)
    for position, drawn in zip(chosen.tolist(), zip(*mixture(At(chosen, epoch)), strict=True), strict=True):
        source, below, below_epoch = map(int, drawn)
        assert below < lengths[source]
        assert mixture.find(source, below, below_epoch, epoch) == position
        assert below_epoch in mixture.epochs(source, epoch)


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        ([], "none|some weight"),
        ([0, 0], "above 0"),
        ([1, -0.5], r"-0\.5 at place 1"),
        ([float("nan"), 1], "nan at place 0"),
        ([1, 2, float("inf")], "inf at place 2"),
    ],
)
def test_weights_that_do_not_fit_are_named(weights: list[float], named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        quotas(weights)
    with pytest.raises(ArgumentError, match=named):
        Mixture((5,) * len(weights), tuple(weights))


@pytest.mark.parametrize("weights", [(1, 2, 3), (1,)])
def test_as_many_weights_as_datasets_are_needed(weights: tuple[float, ...]) -> None:
    with pytest.raises(ArgumentError, match="2 datasets"):
        Mixture((5, 5), weights)


@pytest.mark.parametrize("weights", [("a", "b"), (None, 1), 3])
def test_weights_that_are_no_numbers_are_refused(weights: Any) -> None:
    with pytest.raises(ArgumentError, match="weights"):
        Mixture((5, 5), weights)


def test_another_stop_is_refused() -> None:
    with pytest.raises(ArgumentError, match="stop"):
        Mixture((5, 5), (1, 1), "shortest")  # type: ignore[arg-type]


def draws(mixture: Mixture, epoch: int = 0, length: int | None = None) -> list[tuple[int, int, int]]:
    asked = mixture.length if length is None else length
    assert asked is not None
    drawn = mixture(At(np.arange(asked), epoch))
    assert all(array.dtype == np.int64 and array.shape == (asked,) for array in drawn)
    return list(zip(*(array.tolist() for array in drawn), strict=True))


def by_hand(lengths: list[int], weights: list[int], stop: Stop, epochs: int) -> list[list[tuple[int, int, int]]]:
    """Draw one by one, with a counter for each source."""
    order = schedule(quotas(weights)[0]).tolist()
    running = [0] * len(lengths)
    result = []
    for epoch in range(epochs):
        drawn: list[tuple[int, int, int]] = []
        had = [0] * len(lengths)
        if stop == "first" and any(length == 0 and weight for length, weight in zip(lengths, weights, strict=True)):
            result.append(drawn)
            continue
        while True:
            source = order[len(drawn) % len(order)]
            if stop == "first":
                if had[source] == lengths[source]:
                    break
                drawn.append((source, had[source], epoch))
            else:
                if all(count >= length for count, length, weight in zip(had, lengths, weights, strict=True) if weight):
                    break
                drawn.append((source, running[source] % lengths[source], running[source] // lengths[source]))
            had[source] += 1
            running[source] += 1
        result.append(drawn)
    return result


@given(weights=few_weights, data=st.data(), stop=st.sampled_from(["first", "longest"]))
@settings(max_examples=200)
def test_a_mixture_draws_what_counting_by_hand_draws(weights: list[int], data: st.DataObject, stop: Stop) -> None:
    least = 0 if stop == "first" else 1
    lengths = data.draw(st.lists(st.integers(least, 15), min_size=len(weights), max_size=len(weights)))
    mixture = Mixture(tuple(lengths), tuple(map(float, weights)), stop)
    expected = by_hand(lengths, weights, stop, 3)
    for epoch in range(3):
        assert mixture.length == len(expected[epoch])
        assert draws(mixture, epoch) == expected[epoch]
        for position, (source, below, below_epoch) in enumerate(expected[epoch]):
            assert mixture.find(source, below, below_epoch, epoch) == position
            assert below_epoch in mixture.epochs(source, epoch)
        drawn = set(expected[epoch])
        for source, length in enumerate(lengths):
            if not weights[source]:
                assert list(mixture.epochs(source, epoch)) == []
                continue
            below_epochs = {below_epoch for at, _, below_epoch in drawn if at == source}
            named = list(mixture.epochs(source, epoch))
            assert below_epochs <= set(named)
            for below, below_epoch in product(range(-1, length + 1), named):
                if (source, below, below_epoch) not in drawn:
                    assert mixture.find(source, below, below_epoch, epoch) is None


def test_epochs_for_each_position_are_the_same_as_one_by_one() -> None:
    for lengths, stop in product([(7, 3, 5), (7, None, 5), (None, None, None)], ["first", "longest"]):
        mixture = Mixture(lengths, (3, 1, 2), stop)  # type: ignore[arg-type]
        positions = np.arange(mixture.length if mixture.length is not None else 40)
        epochs = positions % 4
        together = mixture(At(positions, epochs))
        for place in range(len(positions)):
            alone = mixture(At(positions[place : place + 1], int(epochs[place])))
            assert [array[0] for array in alone] == [array[place] for array in together]


def test_first_ends_before_the_draw_that_cannot_be_served() -> None:
    mixture = Mixture((2, 100), (1, 1), "first")
    assert mixture.length == 4
    assert Mixture((100, 0), (1, 1), "first").length == 0
    assert Mixture((4, 0), (1, 0), "first").length == 4
    assert Mixture((None, 3), (2, 1), "first").length == Mixture((10**9, 3), (2, 1), "first").length
    assert Mixture((None, None), (2, 1), "first").length is None
    assert not mixture.reorders


def test_longest_gives_every_source_in_full_and_all_its_records_equally_often() -> None:
    mixture = Mixture((10, 3), (1, 1), "longest")
    assert mixture.length is not None
    assert mixture.reorders
    seen = np.zeros(3, np.int64)
    for epoch in range(30):
        drawn = draws(mixture, epoch)
        assert {below for source, below, _ in drawn if source == 0} == set(range(10))
        for source, below, _ in drawn:
            if source == 1:
                seen[below] += 1
    assert seen.max() - seen.min() <= 1


def test_longest_refuses_a_source_that_has_nothing_to_give() -> None:
    with pytest.raises(OrderError, match="dataset 1 of the mix has no records"):
        Mixture((5, 0), (1, 1), "longest")
    assert Mixture((5, 0), (1, 0), "longest").length == 5


def test_longest_with_an_endless_source_is_endless_and_the_others_go_round() -> None:
    mixture = Mixture((None, 3), (1, 1), "longest")
    assert mixture.length is None
    drawn = draws(mixture, 2, length=20)
    assert [draw for draw in drawn if draw[0] == 0] == [(0, position, 2 * 2**32) for position in range(10)]
    assert [draw[1:] for draw in drawn if draw[0] == 1][:4] == [
        (position % 3, 2 * 2**32 + position // 3) for position in range(4)
    ]
    for position, draw in enumerate(drawn):
        assert mixture.find(*draw, 2) == position
        assert draw[2] in mixture.epochs(draw[0], 2)
        assert mixture.find(*draw, 1) is None


def test_a_source_of_weight_0_is_never_drawn() -> None:
    for stop in ("first", "longest"):
        mixture = Mixture((5, 5, 5), (1, 0, 2), stop)
        assert {source for source, _, _ in draws(mixture)} == {0, 2}
        assert mixture.find(1, 0, 0, 0) is None
        assert list(mixture.epochs(1, 0)) == []


def test_far_positions_cost_no_more_than_near_ones() -> None:
    mixture = Mixture((10**15, 10**15), (2, 1), "first")
    drawn = mixture(At(np.array([3 * 10**14])))
    assert (drawn.sources[0], drawn.positions[0]) == (0, 2 * 10**14)
    assert mixture.find(0, 2 * 10**14, 0, 0) == 3 * 10**14


def test_epochs_without_room_for_the_running_number_are_refused() -> None:
    with pytest.raises(OrderError, match="passes the last"):
        Mixture((10**12, 5), (1, 1), "longest")(At(np.arange(3), 2**40))


def test_a_mixture_travels_light_and_arrives_equal() -> None:
    mixture = Mixture((7, 3), tuple(np.random.default_rng(0).random(2).tolist()), "longest")
    expected = draws(mixture, 1)
    sent = pickle.dumps(mixture)
    assert len(sent) < 300
    arrived = pickle.loads(sent)
    assert arrived == mixture
    assert hash(arrived) == hash(mixture)
    assert draws(arrived, 1) == expected


def test_a_mixture_says_what_was_asked() -> None:
    assert Mixture((7, 3), (0.75, 0.25)).text() == "mix(weights=[0.75, 0.25], stop='first')"
    many = Mixture((7,) * 1000, (1.0,) * 1000)
    other = Mixture((7,) * 1000, (1.0,) * 999 + (2.0,))
    assert len(many.text()) < 100
    assert many.text() != other.text()


def test_no_positions_give_no_draws() -> None:
    for stop in ("first", "longest"):
        assert isinstance(Mixture((5, 5), (1, 1), stop)(At(np.empty(0, np.int64), 3)), Draws)
