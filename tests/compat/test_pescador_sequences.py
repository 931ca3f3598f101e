"""One seed draws what it drew on pescador, and many seeds together what they should."""

from __future__ import annotations

import statistics
from collections import Counter

import numpy as np
import pytest

import headrace.compat.pescador as pescador
from tests.compat import sequences


def test_each_program_has_its_letters() -> None:
    assert sequences.PROGRAMS.keys() == sequences.LETTERS.keys()


@pytest.mark.parametrize("name", sequences.PROGRAMS)
def test_a_program_draws_the_letters_that_it_drew_on_pescador(name: str) -> None:
    before = np.random.get_state()
    try:
        np.random.seed(5)
        assert "".join(sequences.PROGRAMS[name](pescador)) == sequences.LETTERS[name]
    finally:
        np.random.set_state(before)


@pytest.mark.parametrize("dist", ["constant", "binomial", "poisson"])
def test_a_tree_of_muxes_is_uniform_over_many_seeds(dist: str) -> None:
    """The law behind the one seed that pescador's own test of stacked muxes is written for."""
    counts: Counter[str] = Counter()
    for seed in range(20):
        pairs = [[pescador.Streamer(sequences.drawn, text) for text in half.split()] for half in ("ab cd", "ef gh")]
        inner = [
            pescador.StochasticMux(streams, 1, 4, mode="single_active", dist=dist, random_state=100 * seed + place)
            for place, streams in enumerate(pairs)
        ]
        np.random.seed(seed)
        counts.update(pescador.StochasticMux(inner, 2, None, mode="single_active", random_state=seed).iterate(500))
    expected = 20 * 500 / 8
    assert set(counts) == set("abcdefgh")
    # Items of one stay of a stream belong together: the counts spread more than independent ones, by its length.
    spread = statistics.pstdev(counts.values()) / np.sqrt(expected * 4)
    assert spread < 2, counts


@pytest.mark.parametrize("weights", [[0.7, 0.2, 0.1], [7, 2, 1]])
def test_weights_are_proportions_over_many_seeds(weights: list[float]) -> None:
    counts: Counter[str] = Counter()
    for seed in range(20):
        counts.update(pescador.ShuffledMux("abc", weights, random_state=seed).iterate(500))
    shares = np.array([counts[letter] for letter in "abc"]) / 10_000
    np.testing.assert_allclose(shares, [0.7, 0.2, 0.1], atol=5 * np.sqrt(0.25 / 10_000))


@pytest.mark.parametrize("dist", ["constant", "poisson", "binomial"])
def test_a_stream_stays_for_as_many_items_as_its_dist_says(dist: str) -> None:
    rate, share, trials = 8, 1 / 3, 10  # (rate - 1) / (1 - share) trials, whole ones
    laws = {
        "constant": (rate, 0.0),
        "poisson": (rate, rate - 1),
        "binomial": (1 + trials * (1 - share), trials * share * (1 - share)),
    }
    with pescador.StochasticMux("abc", 3, rate, dist=dist, random_state=0) as active:
        active.stream_weights_[:] = active.weights
        stays = np.array([active._lifetime(share, 0) for _ in range(4000)], dtype=float)
    mean, variance = laws[dist]
    assert abs(stays.mean() - mean) <= 5 * np.sqrt(variance / 4000)
    assert abs(stays.var() - variance) <= 5 * variance * np.sqrt(3 / 4000)
