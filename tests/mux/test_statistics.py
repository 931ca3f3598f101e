"""The laws of the muxes, over many seeds: proportions, choices, independence, conditional probabilities, quotas."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.mux.lifetimes import Dist, lifetime
from tests.mux.laws import ALARM, drawn, endless, finite, of_counts, of_means, of_table, shares

SEEDS = range(12)
SKEWED = [0.5, 0.3, 0.15, 0.05]


def off(weights: Any, percent: float = 5) -> Any:
    """Return weights of which the first is some percent more."""
    wrong = np.array(weights, np.float64)
    wrong[0] *= 1 + percent / 100
    return wrong / wrong.sum()


def many(rate: float) -> int:
    """Return how many records to draw: of four hundred lifetimes at least."""
    return max(2048, int(rate * 384))


class TestProportions:
    """The long-run proportions of records are the weights, whatever is active."""

    @pytest.mark.parametrize("dist", ["binomial", "poisson", "constant"])
    @pytest.mark.parametrize("rate", [1, 2, 16, 256])
    def test_with_replacement(self, dist: Dist, rate: int) -> None:
        def make(seed: int) -> Any:
            return hr.StochasticMux(endless(4), 3, rate, SKEWED, dist=dist, seed=seed)

        found = shares(make, range(8), many(rate))
        assert of_means(found, SKEWED) > ALARM

    @pytest.mark.parametrize("dist", ["binomial", "poisson", "constant"])
    @pytest.mark.parametrize("rate", [1, 2, 16, 256])
    def test_single_active_where_one_has_more_than_a_seat_gives(self, dist: Dist, rate: int) -> None:
        weights = [0.55, 0.2, 0.15, 0.07, 0.03]

        def make(seed: int) -> Any:
            return hr.StochasticMux(endless(5), 2, rate, weights, "single_active", dist=dist, seed=seed)

        found = shares(make, range(8), many(rate), skip=16 * rate)
        assert of_means(found, weights) > ALARM

    @pytest.mark.parametrize("mode", ["with_replacement", "single_active"])
    @pytest.mark.parametrize("n_active", [1, 2, 4])
    def test_however_many_are_active(self, mode: Any, n_active: int) -> None:
        def make(seed: int) -> Any:
            return hr.StochasticMux(endless(4), n_active, 4, SKEWED, mode, seed=seed)

        found = shares(make, SEEDS, 4096, skip=512)
        assert of_means(found, SKEWED) > ALARM
        assert of_means(found, off(SKEWED, 30)) < ALARM

    @pytest.mark.parametrize("mode", ["with_replacement", "single_active"])
    def test_five_percent_off_are_told(self, mode: Any) -> None:
        def make(seed: int) -> Any:
            return hr.StochasticMux(endless(3), 2, 1, [0.48, 0.32, 0.2], mode, seed=seed)

        found = shares(make, range(40), 2048, skip=64)
        assert of_means(found, [0.48, 0.32, 0.2]) > ALARM
        assert of_means(found, off([0.48, 0.32, 0.2])) < ALARM

    @pytest.mark.parametrize("mode", ["with_replacement", "single_active"])
    def test_from_a_change_on_those_that_were_set(self, mode: Any) -> None:
        before, after = [0.7, 0.1, 0.1, 0.1], [0.0, 0.2, 0.3, 0.5]
        runs = []
        for seed in SEEDS:
            mux = hr.StochasticMux(endless(4), 2, 4, before, mode, seed=seed)
            batches = iter(mux.batch(512))
            for _ in range(3):
                next(batches)
            mux.set_weights(after)
            numbers = np.concatenate([np.array(next(batches)) for _ in range(9)])
            assert not (numbers == 0).any()
            runs.append(np.bincount(numbers[512:], minlength=4) / len(numbers[512:]))
        assert of_means(runs, after) > ALARM
        assert of_means(runs, [0, 0.2, 0.35, 0.45]) < ALARM

    @pytest.mark.parametrize("mode", ["with_replacement", "single_active"])
    def test_of_a_curriculum_in_each_of_its_stretches(self, mode: Any) -> None:
        stretches = [[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]]

        def weights(step: int) -> list[float]:
            return stretches[step // 2048 % 2]

        parts: list[list[Any]] = [[], []]
        for seed in SEEDS:
            mux = hr.StochasticMux(endless(3), 2, 4, hr.Curriculum(weights, every=2048), mode, seed=seed)
            for place, numbers in enumerate(np.split(drawn(mux, 4 * 2048), 4)):
                if place > 1:
                    parts[place % 2].append(np.bincount(numbers[256:], minlength=3) / len(numbers[256:]))
        for found, law in zip(parts, stretches, strict=True):
            assert of_means(found, law) > ALARM
            assert of_means(found, [0.4, 0.3, 0.3]) < ALARM

    def test_equal_shares_of_many_streams(self) -> None:
        counts = sum(
            np.bincount(drawn(hr.StochasticMux(endless(50), 10, 1, seed=seed), 4096), minlength=50) for seed in SEEDS
        )
        assert of_counts(counts, np.ones(50)) > ALARM
        assert of_counts(counts, np.r_[np.full(25, 1.05), np.full(25, 0.95)]) < ALARM

    def test_what_stats_says_is_what_came(self) -> None:
        mux = hr.StochasticMux(endless(4), 2, 8, SKEWED, seed=3)
        numbers = drawn(mux, 20_480)
        done = mux.stats()
        assert done.records.tolist() == np.bincount(numbers, minlength=4).tolist()
        assert done.proportions.tolist() == (done.records / 20_480).tolist()
        assert int(done.activations.sum() - done.evictions.sum()) in (1, 2)  # a last one may be about to leave

    @pytest.mark.parametrize("dist", ["binomial", "poisson", "constant"])
    def test_streams_that_end_sooner_give_weight_times_the_mean_of_the_smaller(self, dist: Dist) -> None:
        lengths, rate = [2, 5, 10, 400], 10
        numbers = ((np.arange(2000) + 0.5) / 2000).tolist()
        lives = np.array([lifetime(dist, rate, 0.5, number) for number in numbers])
        law = np.array(SKEWED) * [np.minimum(lives, length).mean() for length in lengths]

        def make(seed: int) -> Any:
            return hr.StochasticMux(finite(lengths), 2, rate, SKEWED, dist=dist, seed=seed)

        found = shares(make, SEEDS, 8192)
        assert of_means(found, law / law.sum()) > ALARM
        assert of_means(found, SKEWED) < ALARM

    def test_whole_streams_give_weight_times_length(self) -> None:
        lengths = [2, 5, 10, 40]
        law = np.array(SKEWED) * lengths
        found = shares(lambda seed: hr.StochasticMux(finite(lengths), 2, None, SKEWED, seed=seed), SEEDS, 8192)
        assert of_means(found, law / law.sum()) > ALARM
        assert of_means(found, SKEWED) < ALARM


class TestActive:
    """``weighting="active"``: weights among those that are active at the time."""

    @pytest.mark.parametrize("n_active", [1, 2, 3])
    def test_in_the_long_run_equal_shares(self, n_active: int) -> None:
        def make(seed: int) -> Any:
            return hr.StochasticMux(endless(4), n_active, 8, SKEWED, seed=seed, weighting="active")

        found = shares(make, SEEDS, 8192, skip=512)
        assert of_means(found, np.full(4, 0.25)) > ALARM
        assert of_means(found, SKEWED) < ALARM

    def test_once_at_a_time_by_the_law_of_the_seats(self) -> None:
        """Sets of active streams in proportion to the product of 1 / weight, turns in them by weight."""
        law = np.zeros(4)
        for one in range(4):
            for other in range(one):
                chance = (SKEWED[one] + SKEWED[other]) / (SKEWED[one] * SKEWED[other])  # of a turn in the set
                law[[one, other]] += chance * np.array([SKEWED[one], SKEWED[other]]) / (SKEWED[one] + SKEWED[other])

        def make(seed: int) -> Any:
            return hr.StochasticMux(endless(4), 2, 4, SKEWED, "single_active", seed=seed, weighting="active")

        found = shares(make, SEEDS, 6144, skip=512)
        assert of_means(found, law / law.sum()) > ALARM
        assert of_means(found, np.full(4, 0.25)) < ALARM

    @pytest.mark.parametrize("mode", ["single_active", "with_replacement"])
    def test_at_any_time_by_weight_among_the_active(self, mode: Any) -> None:
        table: Counter[tuple[tuple[int, ...], int]] = Counter()
        for seed in range(400):
            mux = hr.StochasticMux(endless(4), 2, None, SKEWED, mode, seed=seed, weighting="active")
            numbers = drawn(mux, 60).tolist()
            who = tuple(sorted(set(numbers)))
            if len(who) == 2:
                table.update((who, number) for number in numbers[20:])
        for who in {who for who, _ in table}:
            counts = [table[who, stream] for stream in who]
            # that both came within the first turns is known, not that they did later; the rest is independent
            assert of_counts(counts, [SKEWED[stream] for stream in who]) > ALARM
        assert len(table) == 12

    def test_all_active_by_weight(self) -> None:
        def make(seed: int) -> Any:
            return hr.StochasticMux(endless(4), 4, 8, SKEWED, "single_active", seed=seed, weighting="active")

        found = shares(make, SEEDS, 8192)
        assert of_means(found, SKEWED) > ALARM
        assert of_counts((found * 8192).sum(axis=0), off(SKEWED)) < ALARM


class TestReplacements:
    """Who is given a free seat: each by its weight, all of them in time, and whoever sat there before."""

    def test_uniform_and_unrelated_to_the_one_before(self) -> None:
        numbers = drawn(hr.StochasticMux(endless(5), 1, 1, seed=0), 20_480)
        table = np.zeros((5, 5))
        np.add.at(table, (numbers[:-1], numbers[1:]), 1)
        assert of_counts(table, np.ones((5, 5))) > ALARM
        assert of_counts(table, np.ones((5, 5)) - 0.15 * np.eye(5)) < ALARM

    def test_by_weight_and_unrelated_to_the_one_before(self) -> None:
        numbers = drawn(hr.StochasticMux(endless(4), 1, 1, SKEWED, seed=1), 20_480)
        table = np.zeros((4, 4))
        np.add.at(table, (numbers[:-1], numbers[1:]), 1)
        assert of_counts(table, np.outer(SKEWED, SKEWED)) > ALARM
        assert of_counts(table, np.outer(off(SKEWED, 10), SKEWED)) < ALARM

    def test_exhaustive_in_uniform_orders(self) -> None:
        seen = Counter(
            tuple(drawn(hr.StochasticMux(finite([1] * 4), 1, None, mode="exhaustive", seed=seed), 4).tolist())
            for seed in range(1200)
        )
        assert seen.keys() == set(permutations(range(4)))
        assert of_counts([*seen.values()], np.ones(24)) > ALARM

    def test_exhaustive_by_weight_who_comes_first(self) -> None:
        counts = np.zeros((4, 4))
        for seed in range(1000):
            mux = hr.StochasticMux(finite([1] * 4), 1, None, SKEWED, "exhaustive", seed=seed)
            first, second, _, _ = drawn(mux, 4).tolist()
            counts[first, second] += 1
        weights = np.array(SKEWED)
        law = np.array([[a * b / (1 - a) if i != j else 0.0 for j, b in enumerate(weights)]
                        for i, a in enumerate(weights)])  # fmt: skip
        assert of_counts(counts, law) > ALARM
        assert of_counts(counts, np.outer(weights, weights) - np.diag(weights**2)) < ALARM

    @pytest.mark.parametrize("mode", ["with_replacement", "single_active"])
    def test_nobody_starves(self, mode: Any) -> None:
        """With as many activations as this, that one of 100 is left out has a chance below 100 exp(-40)."""
        mux = hr.StochasticMux(endless(100), 10, 2, mode=mode, seed=0)
        drawn(mux, 8192)
        assert mux.stats().activations.min() > 0
        assert mux.stats().records.min() > 0

    def test_a_weight_of_a_thousandth_is_served(self) -> None:
        found = shares(
            lambda seed: hr.StochasticMux(endless(3), 2, 2, [1.0, 1.0, 0.002], "single_active", seed=seed),
            SEEDS, 8192, skip=64,
        )  # fmt: skip
        assert of_means(found, np.array([1, 1, 0.002]) / 2.002) > ALARM
        assert found[:, 2].sum() > 0


class TestShuffled:
    def test_turns_are_independent_draws_by_weight(self) -> None:
        numbers = np.concatenate([drawn(hr.ShuffledMux(endless(4), SKEWED, seed=seed), 8192) for seed in range(6)])
        assert of_counts(np.bincount(numbers), SKEWED) > ALARM
        assert of_counts(np.bincount(numbers), off(SKEWED)) < ALARM
        for lag in (1, 2, 3, 7, 256, 1024, 4096):
            table = np.zeros((4, 4))
            np.add.at(table, (numbers[:-lag], numbers[lag:]), 1)
            assert of_table(table) > ALARM
        table = table * [1, 1, 1, 0.8] + np.diag(0.05 * np.diag(table))
        assert of_table(table + np.eye(4) * 500) < ALARM

    def test_counts_of_runs_vary_as_those_of_independent_draws(self) -> None:
        counts = np.array(
            [(drawn(hr.ShuffledMux(endless(2), [3, 1], seed=seed), 400) == 0).sum() for seed in range(500)]
        )
        spread = counts.var() / (400 * 0.75 * 0.25)  # 1, of a standard deviation of sqrt(2 / 500)
        assert abs(spread - 1) < 5 * np.sqrt(2 / 500)


class TestOrders:
    def test_permuted_cycles_in_all_orders_alike(self) -> None:
        seen: Counter[tuple[int, ...]] = Counter()
        for seed in range(40):
            mux = hr.RoundRobinMux(finite([1] * 4), mode="permuted_cycle", seed=seed)
            rounds = np.split(drawn(mux, 4 * 61), 61)
            seen.update(tuple(order.tolist()) for order in rounds[1:])
        assert seen.keys() == set(permutations(range(4)))
        assert of_counts([*seen.values()], np.ones(24)) > ALARM
        assert of_counts([seen[order] for order in sorted(seen)], np.r_[np.full(12, 1.2), np.full(12, 0.8)]) < ALARM

    def test_the_orders_of_two_seeds_are_unrelated(self) -> None:
        number = {order: place for place, order in enumerate(permutations(range(3)))}
        found = []
        for seed in (0, 1):
            rounds = np.split(drawn(hr.RoundRobinMux(finite([1] * 3), mode="permuted_cycle", seed=seed), 4500), 1500)
            found.append([number[tuple(order.tolist())] for order in rounds[1:]])
        table = np.zeros((6, 6))
        np.add.at(table, tuple(found), 1)
        assert of_table(table) > ALARM


def letters(numbers: Any) -> Any:
    """Return of streams that are numbered through, two for each mux below, the mux and which of its two."""
    return np.asarray(numbers) // 2, np.asarray(numbers) % 2


def below(kind: str, first: int, seed: int = 0, weights: Any = None) -> Any:
    """Return a mux over two endless streams, the numbers of which begin with ``first``."""
    two = [hr.Dataset(np.array([first + number], np.int32)).stream(epochs=None) for number in range(2)]
    if kind == "shuffled":
        return hr.ShuffledMux(two, weights, seed=seed)
    return hr.StochasticMux(two, 1, 2, weights, seed=seed)


class TestIndependence:
    """Muxes draw apart from each other, though all have the same seed."""

    @pytest.mark.parametrize("kind", ["shuffled", "stochastic"])
    def test_siblings_of_one_seed(self, kind: str) -> None:
        numbers = drawn(hr.RoundRobinMux([below(kind, 0), below(kind, 2)], mode="cycle"), 40_000)
        _, which = letters(numbers)
        table = np.zeros((2, 2))
        np.add.at(table, (which[0::2], which[1::2]), 1)
        assert of_table(table) > ALARM
        assert of_table(table + np.eye(2) * 500) < ALARM

    @pytest.mark.parametrize("kind", ["shuffled", "stochastic"])
    def test_activations_of_one_mux_after_each_other(self, kind: str) -> None:
        mux = hr.ChainMux([below(kind, 0).take(8), below(kind, 2).take(8)], mode="cycle")
        _, which = letters(mux.take(8 * 1000).list())
        rounds = which.reshape(1000, 8)
        for place in (0, 1, 7):
            for lag in (1, 2):
                table = np.zeros((2, 2))
                np.add.at(table, (rounds[:-lag, place], rounds[lag:, place]), 1)
                assert of_table(table) > ALARM
        assert of_counts(np.bincount(rounds[:, 0]), [1, 1]) > ALARM

    def test_seeds_and_epochs(self) -> None:
        """Epoch 1 of seed 0 is not epoch 0 of seed 1, nor that of seed 0."""

        def turns(seed: int, epoch: int) -> Any:
            seating = hr.ShuffledMux(endless(3), seed=seed)._flow.seating(epoch, None, None)  # type: ignore[attr-defined]
            return np.concatenate([seating.turns(1000), *(_next(seating) for _ in range(19))])

        def _next(seating: Any) -> Any:
            seating.gave(1000)
            return seating.turns(1000)

        runs = [turns(0, 0), turns(0, 1), turns(1, 0), turns(2, 0), turns(0, 2**32)]
        for place, one in enumerate(runs):
            for other in runs[:place]:
                table = np.zeros((3, 3))
                np.add.at(table, (one, other), 1)
                assert of_table(table) > ALARM

    def test_passes_of_a_mux_that_is_repeated(self) -> None:
        mux = hr.StochasticMux(finite([1] * 3), 1, None, mode="exhaustive", seed=0)
        number = {order: place for place, order in enumerate(permutations(range(3)))}
        passes = [number[tuple(order)] for order in np.reshape(list(mux.cycle(3 * 1200)), (-1, 3)).tolist()]
        assert of_counts(np.bincount(passes), np.ones(6)) > ALARM
        table = np.zeros((6, 6))
        np.add.at(table, (passes[:-1], passes[1:]), 1)
        assert of_table(table) > ALARM


class TestNested:
    """P[X, Y] = P[X | Y] P[Y]: a mux of muxes gives a record by the product of the weights on the way to it."""

    @pytest.mark.parametrize("kind", ["shuffled", "stochastic"])
    @pytest.mark.parametrize("active", [1, 2])
    def test_in_the_long_run(self, kind: str, active: int) -> None:
        outer, inner = np.array([0.7, 0.3]), np.array([0.8, 0.2])
        found = _joint(kind, active, outer, inner)
        law = np.outer(outer, inner).ravel()
        assert of_means(found, law) > ALARM
        assert of_means(found, np.outer(outer, [0.7, 0.3]).ravel()) < ALARM

    @pytest.mark.parametrize("outer", ["shuffled", "stochastic"])
    @pytest.mark.parametrize("kind", ["shuffled", "stochastic"])
    def test_at_each_of_the_first_turns_though_all_have_the_same_seed(self, outer: str, kind: str) -> None:
        counts = np.zeros((6, 4))
        for seed in range(600):
            inner = [below(kind, 0, seed), below(kind, 2, seed)]
            mux = hr.ShuffledMux(inner, seed=seed) if outer == "shuffled" else hr.StochasticMux(inner, 1, 3, seed=seed)
            counts[np.arange(6), drawn(mux, 6)] += 1
        for turn in counts:
            assert of_counts(turn, np.ones(4)) > ALARM
        assert of_counts(counts[0] + [90, 0, -90, 0], np.ones(4)) < ALARM

    def test_in_trees_whose_branches_differ_in_depth(self) -> None:
        """Here a mux two below the root and one that is one below are activated at the same time."""
        counts = np.zeros((2, 2))
        for seed in range(300):
            one, other = below("shuffled", 2, seed), below("shuffled", 4, seed)
            deep = hr.RoundRobinMux([below("shuffled", 0, seed), one], mode="cycle")
            first, beside, second = drawn(hr.RoundRobinMux([deep, other], mode="cycle"), 3).tolist()
            assert (first // 2, beside // 2, second // 2) == (0, 2, 1)
            counts[beside % 2, second % 2] += 1
        assert of_counts(counts, np.ones(4)) > ALARM
        assert of_counts(counts + np.eye(2) * 60, np.ones(4)) < ALARM

    def test_three_deep(self) -> None:
        weights = np.array([0.6, 0.4])

        def tree(depth: int, first: int, seed: int) -> Any:
            if not depth:
                return hr.Dataset(np.array([first], np.int32)).stream(epochs=None)
            inner = [tree(depth - 1, first, seed), tree(depth - 1, first + 2 ** (depth - 1), seed)]
            return hr.ShuffledMux(inner, weights.tolist(), seed=seed)

        counts = sum(np.bincount(drawn(tree(3, 0, seed), 2048), minlength=8) for seed in range(8))
        law = np.einsum("i,j,k->ijk", weights, weights, weights).ravel()
        assert of_counts(counts, law) > ALARM
        assert of_counts(counts, law * [1.1, 1, 1, 1, 1, 1, 1, 1.2]) < ALARM
        first = np.zeros(8)
        for seed in range(600):
            first[drawn(tree(3, 0, seed), 1)] += 1
        assert of_counts(first, law) > ALARM


def _joint(kind: str, active: int, outer: Any, inner: Any) -> Any:
    """Return the proportions of the four streams of a mux over two muxes, of some seeds."""
    found = []
    for seed in SEEDS:
        muxes = [below(kind, 0, seed, inner), below(kind, 2, seed, inner)]
        numbers = drawn(hr.StochasticMux(muxes, active, 16, outer, seed=seed), 4096)
        found.append(np.bincount(numbers, minlength=4) / len(numbers))
    return found


class TestQuotas:
    """Streams that are mixed: within one of the quota after any number of records."""

    @staticmethod
    def farthest(numbers: Any, weights: Any) -> float:
        """Return how far the counts are from the quotas at most, after any number of records."""
        law = np.array(weights, np.float64) / np.sum(weights)
        counts = (np.asarray(numbers)[:, None] == np.arange(len(law))).cumsum(axis=0)
        return float(np.abs(counts - np.arange(1, len(counts) + 1)[:, None] * law).max(initial=0.0))

    @staticmethod
    def streams(count: int) -> list[hr.Stream]:
        return [dataset.stream() for dataset in endless(count)]

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=3).filter(any))
    def test_of_up_to_three(self, weights: list[float]) -> None:
        assert self.farthest(drawn(hr.mix(self.streams(len(weights)), weights), 1500), weights) < 1 + 1e-6

    @given(st.lists(st.integers(0, 40), min_size=1, max_size=7).filter(any))
    def test_of_any_number_in_the_ratio_of_whole_numbers(self, weights: list[int]) -> None:
        assert self.farthest(drawn(hr.mix(self.streams(len(weights)), weights), 1500), weights) < 1 + 1e-9

    @given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any), min_size=2, max_size=4), st.data())
    def test_counted_from_each_change(self, changes: list[list[int]], data: st.DataObject) -> None:
        mux: Any = hr.mix(self.streams(3), changes[0])
        items = iter(mux)
        for place, weights in enumerate(changes):
            if place:
                mux.set_weights(weights)
            part = [next(items) for _ in range(data.draw(st.integers(1, 60)))]
            assert self.farthest(part, weights) < 1 + 1e-9

    def test_counted_from_each_stretch_of_a_curriculum(self) -> None:
        def weights(step: int) -> list[float]:
            return [1, 2, 4] if step < 100 else [5, 0, 2]

        numbers = drawn(hr.mix(self.streams(3), hr.Curriculum(weights, every=50)), 700, size=70)
        for first in range(0, 700, 50):
            assert self.farthest(numbers[first : first + 50], weights(first)) < 1 + 1e-9

    def test_turns_drawn_by_lot_are_told(self) -> None:
        numbers = drawn(hr.ShuffledMux(endless(3), [0.7, 0.2, 0.1], seed=0), 1500)
        assert self.farthest(numbers, [0.7, 0.2, 0.1]) > 2
