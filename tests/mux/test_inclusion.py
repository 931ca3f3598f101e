"""Who sits how often: odds beside brute force, the law of the seats worked out exactly, and what muxes do."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import headrace as hr
from headrace.mux.inclusion import inclusion, odds, speeds
from headrace.mux.lifetimes import Dist
from tests.mux.laws import ALARM, Floats, endless, occupied, of_means

Law = dict[tuple[int, ...], float]

some_weights = st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=9)


def conditional_poisson(own: Any, seats: int) -> Law:
    """Return the chance of each set of streams, in proportion to the product of their odds."""
    sets = {who: prod(own[stream] for stream in who) for who in combinations(range(len(own)), seats)}
    total = sum(sets.values())
    return {who: chance / total for who, chance in sets.items()}


def included(law: Law, count: int) -> Floats:
    """Return the probability of each stream to be in the set."""
    return np.array([sum(chance for who, chance in law.items() if stream in who) for stream in range(count)])


def at_rest(own: Floats, speed: Floats, lives: dict[int, float], seats: int) -> tuple[Law, Floats]:
    """Work out the law of the sets in the long run of turns, and the share of the turns that each stream has.

    The chain is the mux's: a turn goes to a seat in proportion to its speed; the stream there has one record less to
    give; with its last one the seat goes to one of those without a seat (itself among them), by the odds.

    Args:
        own: The odds.
        speed: The speeds.
        lives: The chance of each lifetime.
        seats: How many there are.
    """
    sitting = list(product(range(len(own)), range(1, max(lives) + 1)))
    places = [who for who in product(sitting, repeat=seats) if len({stream for stream, _ in who}) == seats]
    number = {who: place for place, who in enumerate(places)}
    moves = np.zeros((len(places), len(places)))
    turns = np.zeros((len(places), len(own)))
    for who in places:
        total = sum(speed[stream] for stream, _ in who)
        for seat, (stream, left) in enumerate(who):
            chance = speed[stream] / total
            turns[number[who], stream] += chance
            others = {one for place, (one, _) in enumerate(who) if place != seat}
            free = [one for one in range(len(own)) if one not in others]
            after: Iterable[tuple[tuple[int, int], float]] = [((stream, left - 1), 1.0)]
            if left == 1:
                weight = sum(own[one] for one in free)
                after = [((one, life), own[one] / weight * part) for one in free for life, part in lives.items()]
            for entry, part in after:
                moves[number[who], number[(*who[:seat], entry, *who[seat + 1 :])]] += chance * part
    system = np.vstack([moves.T - np.eye(len(places)), np.ones(len(places))])
    rest = np.linalg.lstsq(system, np.r_[np.zeros(len(places)), 1.0], rcond=None)[0]
    law: Law = {}
    for who, chance in zip(places, rest.tolist(), strict=True):
        streams = tuple(sorted(stream for stream, _ in who))
        law[streams] = law.get(streams, 0.0) + chance
    return law, rest @ turns


class TestOdds:
    @given(some_weights, st.integers(1, 9))
    def test_the_inclusion_probabilities_by_brute_force(self, weights: list[float], seats: int) -> None:
        assume(seats <= len(weights))
        array = np.array(weights)
        wanted = inclusion(array, seats)
        assert wanted.sum() == pytest.approx(seats)
        assert (wanted <= 1).all()
        reached = included(conditional_poisson(odds(array, seats).tolist(), seats), len(weights))
        assert reached == pytest.approx(wanted, rel=3e-5)  # those that always sit do so but for a part of 1e9

    @given(some_weights, st.integers(1, 9))
    def test_speed_times_inclusion_is_in_proportion_to_the_weights(self, weights: list[float], seats: int) -> None:
        assume(seats <= len(weights))
        array = np.array(weights)
        given = speeds(array, seats) * inclusion(array, seats)
        assert given / given.sum() == pytest.approx(array / array.sum())
        assert speeds(array, seats).min() == 1

    @given(
        st.lists(st.floats(-300, 0).map(lambda power: 10.0**power), min_size=1, max_size=12),
        st.integers(1, 12),
        st.floats(-8, 308),
    )
    def test_weights_however_different_have_odds(self, weights: list[float], seats: int, scale: float) -> None:
        assume(seats <= len(weights))
        array = np.array(weights) * 10.0**scale
        assume((array > 0).all() and np.isfinite(array).all())
        for found in (odds(array, seats), speeds(array, seats)):
            assert (found > 0).all()
            assert np.isfinite(found).all()

    @pytest.mark.parametrize("few", [1, 3])
    @pytest.mark.parametrize("seats", [1, 2, 3, 4])
    def test_some_that_are_as_good_as_nothing(self, few: int, seats: int) -> None:
        for least in (1e-9, 1e-17, 1e-100, 5e-324):
            array = np.array([1.0] * 3 + [least] * few)
            if seats <= len(array):
                reached = included(conditional_poisson(odds(array, seats).tolist(), seats), len(array))
                assert reached[:3] == pytest.approx(min(1, seats / 3), rel=1e-5)
                assert speeds(array, seats).min() == 1

    @pytest.mark.parametrize("seats", [2, 50, 700, 1497, 1499])
    @pytest.mark.parametrize("kind", ["lognormal", "zipf", "two"])
    def test_many_streams(self, kind: str, seats: int) -> None:
        rng = np.random.default_rng(0)
        weights = {
            "lognormal": rng.lognormal(size=1500),
            "zipf": 1 / np.arange(1.0, 1501),
            "two": np.repeat([1.0, 3.0], [1000, 500]),
        }[kind]
        wanted = inclusion(weights, seats)
        own = odds(weights, seats)
        free = wanted < 1 - 1e-9
        left = seats - int((~free).sum())
        if left:
            assert self.by_recursion(own[free], left) == pytest.approx(wanted[free], rel=2e-5)

    @staticmethod
    def by_recursion(own: Floats, seats: int) -> Floats:
        """Return inclusion probabilities from the chances of all numbers of successes, trial by trial."""
        low, high = -100.0, 100.0
        while high - low > 1e-9:
            middle = (low + high) / 2
            low, high = (middle, high) if (1 / (1 + np.exp(-middle) / own)).sum() < seats else (low, middle)
        trials = 1 / (1 + np.exp(-high) / own)
        chances = np.zeros(len(own) + 1)
        chances[0] = 1.0
        for trial in trials.tolist():
            chances[1:] = chances[1:] * (1 - trial) + chances[:-1] * trial
            chances[0] *= 1 - trial
        found = np.empty(len(own))
        for place, trial in enumerate(trials.tolist()):  # takes the trial out again, from the side that is stable
            without = 0.0
            if trial < 0.5:
                for number in range(seats):
                    without = (chances[number] - trial * without) / (1 - trial)
            else:
                for number in range(len(own), seats - 1, -1):
                    without = (chances[number] - (1 - trial) * without) / trial
            found[place] = trial * without / chances[seats]
        return found

    def test_weights_of_none_never_sit(self) -> None:
        weights = np.array([0.0, 2.0, 0.0, 1.0, 1.0])
        assert odds(weights, 2)[[0, 2]].tolist() == speeds(weights, 2)[[0, 2]].tolist() == [0, 0]
        assert (odds(weights, 2)[[1, 3, 4]] == odds(weights[weights > 0], 2)).all()


LIVES: list[dict[int, float]] = [{1: 1.0}, {2: 1.0}, {1: 0.5, 3: 0.5}, {1: 0.7, 2: 0.1, 3: 0.2}]


class TestLaw:
    """The seats' law is conditional Poisson sampling, whatever the lifetimes are."""

    @pytest.mark.parametrize("lives", LIVES)
    @pytest.mark.parametrize("weights", [[0.45, 0.35, 0.2], [0.4, 0.3, 0.2, 0.1]])
    def test_worked_out(self, weights: list[float], lives: dict[int, float]) -> None:
        array = np.array(weights)
        own = odds(array, 2)
        law, turns = at_rest(own, speeds(array, 2), lives, 2)
        wanted = conditional_poisson(own.tolist(), 2)
        assert law == pytest.approx(wanted, abs=1e-9)
        assert turns == pytest.approx(array, rel=2e-5)

    @pytest.mark.parametrize("lives", LIVES[:3])
    @pytest.mark.parametrize("weights", [[0.7, 0.2, 0.1], [0.55, 0.25, 0.15, 0.05]])
    def test_worked_out_where_one_always_sits_and_has_more_turns(
        self, weights: list[float], lives: dict[int, float]
    ) -> None:
        array = np.array(weights)
        _, turns = at_rest(odds(array, 2), speeds(array, 2), lives, 2)
        assert turns == pytest.approx(array, rel=2e-5)

    def test_odds_that_are_just_the_weights_would_not_do(self) -> None:
        array = np.array([0.45, 0.35, 0.2])
        _, turns = at_rest(array, np.ones(3), {1: 0.5, 3: 0.5}, 2)
        assert abs(turns[2] / 0.2 - 1) > 0.1

    @pytest.mark.parametrize(("dist", "rate"), [("constant", 2), ("poisson", 3), ("binomial", 8)])
    def test_of_a_mux(self, dist: Dist, rate: int) -> None:
        weights = np.array([0.4, 0.3, 0.2, 0.1])
        law = conditional_poisson(odds(weights, 2).tolist(), 2)
        runs = []
        for seed in range(24):
            mux = hr.StochasticMux(endless(4), 2, rate, weights.tolist(), "single_active", dist=dist, seed=seed)
            time = occupied(mux, 250 * rate, skip=20 * rate)
            assert time.keys() <= law.keys()
            runs.append([time.get(who, 0.0) for who in law])
        assert of_means(runs, [*law.values()]) > ALARM
        other = conditional_poisson((weights * [1, 1, 1, 1.2]).tolist(), 2)
        assert of_means(runs, [*other.values()]) < ALARM

    def test_what_an_activated_stream_gives_at_most_does_not_matter_but_on_average(self) -> None:
        """A stream that ends sooner sits less, in proportion: the odds of the law are those of choice times stay."""
        own, stay = np.array([1.0, 0.8, 0.5, 0.3]), np.array([1.0, 2.0, 1.0, 3.0])
        law = self.with_lives_of_their_own(own, stay)
        assert law == pytest.approx(conditional_poisson((own * stay).tolist(), 2), abs=1e-9)

    @staticmethod
    def with_lives_of_their_own(own: Floats, stay: Floats) -> Law:
        """Work out the law where each stream has a constant lifetime of its own, on two seats."""
        sitting = [(stream, left) for stream in range(len(own)) for left in range(1, int(stay[stream]) + 1)]
        places = [(one, other) for one in sitting for other in sitting if one[0] != other[0]]
        number = {who: place for place, who in enumerate(places)}
        moves = np.zeros((len(places), len(places)))
        for one, other in places:
            for seat, (moving, staying) in enumerate([(one, other), (other, one)]):
                after = [((moving[0], moving[1] - 1), 1.0)]
                if moving[1] == 1:
                    free = [stream for stream in range(len(own)) if stream != staying[0]]
                    after = [((stream, int(stay[stream])), own[stream] / own[free].sum()) for stream in free]
                for entry, chance in after:
                    then = (staying, entry) if seat else (entry, staying)
                    moves[number[one, other], number[then]] += chance / 2
        system = np.vstack([moves.T - np.eye(len(places)), np.ones(len(places))])
        rest = np.linalg.lstsq(system, np.r_[np.zeros(len(places)), 1.0], rcond=None)[0]
        law: Law = {}
        for (one, other), chance in zip(places, rest.tolist(), strict=True):
            who = (min(one[0], other[0]), max(one[0], other[0]))
            law[who] = law.get(who, 0.0) + chance
        return law
