"""Lifetimes: every quantile beside SciPy's, means and variances by the formula, and those that muxes give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

import headrace as hr
from headrace.core.errors import ArgumentError, KindError
from headrace.mux.lifetimes import FOREVER, Dist, check_dist, check_rate, lifetime
from tests.mux.laws import ALARM, of_counts

LAST = 1 - 2.0**-53
NUMBERS = np.unique(np.r_[0.0, 1e-12, 1e-6, (np.arange(499) + 0.5) / 499, 1 - 1e-6, 1 - 1e-12, LAST])
RATES = [1, 1.5, 2, 3.25, 16, 256, 1e4]
SHARES = [1e-6, 0.01, 0.1, 1 / 3, 0.5, 0.9, 0.999, 0.99995, 1.0]


def law(dist: Dist, rate: float, share: float) -> Any:
    """Return what the docstring says, of SciPy: the distribution of lifetime - 1."""
    if dist == "constant":
        whole = math.floor(rate)
        return stats.rv_discrete(values=([whole - 1, whole], [1 - (rate - whole), rate - whole]))
    if dist == "poisson" or share > 0.9999:
        return stats.poisson(rate - 1)
    trials = max(math.ceil((rate - 1) / (1 - share)), 1)
    return stats.binom(trials, (rate - 1) / trials)


def agree(dist: Dist, rate: float, share: float, other: Any) -> bool:
    """Say whether each number gives the quantile of another law, but where rounding decides between two values."""
    found = np.array([lifetime(dist, rate, share, number) - 1 for number in NUMBERS.tolist()])
    below, upto = other.cdf(found - 1), other.cdf(found)
    fits = (below * (1 - 1e-9) - 1e-12 <= NUMBERS) & (upto + 1e-9 * (1 - upto) + 1e-12 >= NUMBERS)
    return bool(fits.all())


class TestQuantiles:
    @pytest.mark.parametrize("rate", RATES)
    @pytest.mark.parametrize("share", SHARES)
    def test_binomial(self, rate: float, share: float) -> None:
        assert agree("binomial", rate, share, law("binomial", rate, share))

    @pytest.mark.parametrize("rate", [*RATES, 123456.5])
    @pytest.mark.parametrize("share", [0.1, 1.0])
    def test_poisson_whatever_the_share(self, rate: float, share: float) -> None:
        assert agree("poisson", rate, share, law("poisson", rate, share))

    @pytest.mark.parametrize("rate", [1, 1.25, 2, 16.75, 256])
    def test_constant(self, rate: float) -> None:
        assert agree("constant", rate, 0.5, law("constant", rate, 0.5))

    def test_one_trial_more_or_a_mean_of_one_percent_more_is_told(self) -> None:
        trials = math.ceil(15 / 0.9)
        assert agree("binomial", 16, 0.1, stats.binom(trials, 15 / trials))
        assert not agree("binomial", 16, 0.1, stats.binom(trials + 1, 15 / (trials + 1)))
        assert not agree("binomial", 16, 0.1, stats.binom(trials, 15.15 / trials))
        assert not agree("poisson", 16, 0.1, stats.poisson(15.15))

    @pytest.mark.parametrize("rate", [1e11, 1e15])
    def test_beyond_tables_within_a_thousandth_of_a_deviation(self, rate: float) -> None:
        cases: list[tuple[Dist, float]] = [("poisson", 0.5), ("binomial", 0.9)]
        for dist, share in cases:
            other = law(dist, rate, share)
            for number in NUMBERS[1:-1].tolist():
                found = lifetime(dist, rate, share, number)
                normal = stats.norm.ppf(number) * other.std() + rate
                assert abs(found - normal) < 1e-3 * other.std() + 1
        assert 1 <= lifetime("poisson", rate, 0.5, 0.0) < lifetime("poisson", rate, 0.5, LAST)


class TestMoments:
    @pytest.mark.parametrize("rate", RATES)
    @pytest.mark.parametrize("share", SHARES)
    @pytest.mark.parametrize("dist", ["binomial", "poisson", "constant"])
    def test_mean_and_variance_by_the_formula(self, dist: Dist, rate: float, share: float) -> None:
        rest = rate - 1
        numbers = (np.arange(4096) + 0.5) / 4096
        lives = np.array([lifetime(dist, rate, share, number) for number in numbers.tolist()], np.float64)
        deviation = math.sqrt(rest) + 1e-9
        assert abs(lives.mean() - rate) < 2e-3 * deviation + 2e-4
        if dist == "constant":
            variance = (rate - math.floor(rate)) * (1 - rate + math.floor(rate))
        elif dist == "poisson" or share > 0.9999 or not rest:
            variance = rest
        else:
            variance = rest * (1 - rest / math.ceil(rest / (1 - share)))
            assert rest * share - 1e-6 <= variance <= rest * share + 1 + 1e-6  # trials are rounded up, by less than one
        assert abs(lives.var() - variance) < 0.02 * variance + 3e-3

    @given(
        st.sampled_from(["binomial", "poisson", "constant"]),
        st.floats(1, 1e4),
        st.floats(1e-9, 1),
        st.lists(st.floats(0, LAST), min_size=2, max_size=20),
    )
    def test_one_or_more_and_growing_with_the_number(
        self, dist: Dist, rate: float, share: float, numbers: list[float]
    ) -> None:
        lives = [lifetime(dist, rate, share, number) for number in sorted(numbers)]
        assert lives[0] >= 1
        assert lives == sorted(lives)
        assert all(type(life) is int for life in lives)

    def test_a_rate_of_one_is_one_and_none_is_without_an_end(self) -> None:
        for dist in ("binomial", "poisson", "constant"):
            assert {lifetime(dist, 1, 0.3, number) for number in NUMBERS.tolist()} == {1}
            assert lifetime(dist, None, 0.3, 0.5) == FOREVER


class TestArguments:
    @pytest.mark.parametrize("rate", [0, 0.999, -1, math.inf, math.nan, np.float64("nan")])
    def test_a_rate_below_one_or_without_an_end_is_refused(self, rate: float) -> None:
        with pytest.raises(ArgumentError, match="1 or more"):
            check_rate(rate)

    @pytest.mark.parametrize("rate", ["8", True, np.True_, [8], 8j])
    def test_a_rate_is_a_number(self, rate: object) -> None:
        with pytest.raises(KindError, match="a number of records"):
            check_rate(rate)

    def test_a_rate_as_it_was_given(self) -> None:
        assert check_rate(None) is None
        assert [check_rate(rate) for rate in (1, 8.0, np.int32(8), np.float32(1.5))] == [1, 8, 8, 1.5]
        assert type(check_rate(8.0)) is int

    @pytest.mark.parametrize("dist", ["gaussian", None, 1, "Binomial"])
    def test_a_distribution_that_there_is(self, dist: object) -> None:
        with pytest.raises(ArgumentError, match="'binomial', 'poisson' or 'constant'"):
            check_dist(dist)


class TestInMuxes:
    """What activated streams give, of muxes whose records say which stream they are of, and where they lie in it."""

    @staticmethod
    def lives(mux: Any, streams: int, batches: int) -> list[list[int]]:
        """Return how many records each stream gave in each activation, but the last one."""
        drawn = list(mux.batch(4096).take(batches))
        numbers = np.concatenate([batch["stream"] for batch in drawn])
        places = np.concatenate([batch["place"] for batch in drawn])
        begins = [np.flatnonzero(places[numbers == stream] == 0) for stream in range(streams)]
        return [np.diff(begin).tolist() for begin in begins]

    @staticmethod
    def streams(count: int) -> list[hr.Dataset]:
        places = np.arange(4096)
        return [hr.Dataset({"stream": np.full(4096, number), "place": places}) for number in range(count)]

    @pytest.mark.parametrize("dist", ["binomial", "poisson", "constant"])
    @pytest.mark.parametrize("rate", [2, 16.5])
    def test_by_the_share_of_a_seat_among_equal_ones(self, dist: Dist, rate: float) -> None:
        mux = hr.StochasticMux(self.streams(5), 4, rate, mode="single_active", dist=dist, seed=1)
        found = [life for lives in self.lives(mux, 5, 3 * math.ceil(rate)) for life in lives]
        assert len(found) > 3000
        counts = np.bincount(found)
        expected = law(dist, rate, 1 / 4).pmf(np.arange(len(counts)) - 1)
        assert of_counts(counts, expected) > ALARM
        if dist == "binomial":
            other = law(dist, rate, 0.9).pmf(np.arange(len(counts)) - 1)
            assert of_counts(counts, other) < ALARM

    def test_by_the_share_of_the_turns_where_weights_differ(self) -> None:
        weights = [0.6, 0.3, 0.1]
        mux = hr.StochasticMux(self.streams(3), 3, 16, weights=weights, mode="single_active", seed=2)
        for found, share in zip(self.lives(mux, 3, 16), weights, strict=True):
            counts = np.bincount(found)
            expected = law("binomial", 16, share).pmf(np.arange(len(counts)) - 1)
            assert of_counts(counts, expected) > ALARM

    def test_a_shorter_stream_gives_the_smaller_of_its_length_and_its_lifetime(self) -> None:
        lengths = [3, 16, 40]
        datasets = [hr.Dataset(np.full(length, number)) for number, length in enumerate(lengths)]
        mux = hr.StochasticMux(datasets, 2, 16, dist="poisson", seed=0)
        mux.batch(4096).take(30).list()
        done = mux.stats()
        ended = done.endings / np.maximum(done.endings + done.evictions, 1)
        for number, length in enumerate(lengths):
            chance = stats.poisson(15).sf(length - 2)  # a lifetime of at least the length: both end together
            many = int(done.endings[number] + done.evictions[number])
            assert stats.binomtest(int(done.endings[number]), many, chance).pvalue > ALARM
            mean = done.records[number] / done.activations[number]
            assert abs(mean - sum(stats.poisson(15).sf(np.arange(length) - 1))) < 0.3
        assert done.longest.tolist()[:2] == done.shortest.tolist()[:2] == [3, 16]
        assert ended[0] == 1
