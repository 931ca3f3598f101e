"""Choices in proportion to weights: each number picks what the cumulated weights say, none a stream of no weight."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.mux.picker import Picker
from tests.mux.laws import ALARM, of_counts

LAST = 1 - 2.0**-53

some_weights = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-12, 1e12), st.integers(1, 9).map(float)), min_size=1, max_size=90
).filter(any)


def picked(weights: list[float], number: float) -> int:
    """Return the choice of a number, by exact arithmetic."""
    exact = [Fraction(weight) for weight in weights]
    wanted, total = Fraction(number) * sum(exact), Fraction(0)
    for choice, weight in enumerate(exact):
        total += weight
        if total > wanted:
            return choice
    raise AssertionError


class TestPicker:
    @given(some_weights, st.lists(st.floats(0, LAST), min_size=1, max_size=50))
    def test_of_each_number_what_the_cumulated_weights_say(self, weights: list[float], numbers: list[float]) -> None:
        picker = Picker(np.array(weights))
        chosen = picker(np.array(numbers))
        assert chosen.dtype == np.int64
        assert chosen.tolist() == [picker.one(number) for number in numbers]
        for number, choice in zip(numbers, chosen.tolist(), strict=True):
            exact = picked(weights, number)
            assert weights[choice] > 0
            if choice != exact:  # only by the rounding of a sum
                edge = sum(map(Fraction, weights[: max(choice, exact)])) / sum(map(Fraction, weights))
                assert abs(float(edge) - number) < 1e-13

    @given(some_weights)
    def test_the_first_and_the_last_number_pick_the_first_and_the_last_that_have_a_weight(
        self, weights: list[float]
    ) -> None:
        picker = Picker(np.array(weights))
        weighed = np.flatnonzero(weights).tolist()
        assert picker.one(0.0) == picker(np.zeros(1))[0] == weighed[0]
        if weights[weighed[-1]] > 1e-3 * sum(weights):
            assert picker.one(LAST) == picker(np.array([LAST]))[0] == weighed[-1]

    @given(some_weights)
    def test_numbers_side_by_side_pick_in_the_exact_proportions(self, weights: list[float]) -> None:
        many = 5000
        counts = np.bincount(Picker(np.array(weights))((np.arange(many) + 0.5) / many), minlength=len(weights))
        wanted = many * np.array(weights) / sum(weights)
        assert np.abs(counts - wanted).max() < 1 + 1e-6

    @pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 31, 32, 33, 1000, 2**16 + 1, 10**6 + 3])
    def test_equal_ones_by_a_product_that_never_reaches_their_number(self, count: int) -> None:
        picker = Picker(np.full(count, 0.1))
        edges = np.array([0.0, 0.5, LAST])
        assert picker(edges).tolist() == [0, count // 2, count - 1]
        assert [picker.one(number) for number in edges.tolist()] == [0, count // 2, count - 1]

    @pytest.mark.parametrize(
        "weights",
        [
            np.r_[np.full(2000, 1e-9), 1.0, np.full(2000, 1e-9)],  # the guide points far before most of what is chosen
            np.r_[1.0, np.full(4000, 1e-4)],
            1 / np.arange(1, 3001) ** 2,
            np.r_[np.zeros(50), 1.0, np.zeros(50), 2.0, np.zeros(50)],
        ],
        ids=["amid", "first", "zipf", "zeros"],
    )
    def test_skewed_weights_by_the_guide_as_by_halves(self, weights: np.ndarray) -> None:
        picker = Picker(weights)
        numbers = np.random.default_rng(0).random(20_000)
        tail = 1 - np.geomspace(1e-12, 0.5, 2000)
        for some in (numbers, tail, 1 - tail):
            assert picker(some).tolist() == [picker.one(number) for number in some.tolist()]

    def test_drawn_numbers_pick_in_proportion_and_five_percent_off_are_told(self) -> None:
        weights = np.array([0.5, 0.3, 0.15, 0.05])
        counts = np.bincount(Picker(weights)(np.random.default_rng(1).random(200_000)), minlength=4)
        assert of_counts(counts, weights) > ALARM
        assert of_counts(counts, weights * [1, 1.05, 1, 1]) < ALARM

    def test_weights_are_not_written_to_and_numbers_keep_their_shape(self) -> None:
        weights = np.array([1.0, 3.0])
        assert Picker(weights)(np.array([[0.1, 0.3], [0.2, 0.9]])).tolist() == [[0, 1], [0, 1]]
        assert weights.tolist() == [1.0, 3.0]
