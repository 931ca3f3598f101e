"""The random numbers of a mux: uniform, unrelated by turn, activation, run and seed, the same in whatever blocks."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from headrace.mux.chances import Chances
from tests.mux.laws import ALARM, Floats, of_counts, of_table

MANY = 1 << 16


def uniform(numbers: Floats) -> float:
    """Return the chance of uniform numbers that lie so unevenly."""
    return float(stats.kstest(numbers, "uniform").pvalue)


def apart(one: Floats, other: Floats) -> float:
    """Return the chance of pairs of independent uniform numbers that lie so unevenly in a square."""
    return of_table(np.histogram2d(one, other, bins=8, range=[[0, 1], [0, 1]])[0])


def of_activations(chances: Chances, many: int, each: int) -> Floats:
    """Return the numbers of the first activations: float64 ``(many, each)``."""
    return np.array([list(islice(chances.activation(ordinal), each)) for ordinal in range(many)])


class TestTurns:
    @given(st.integers(0, 5000), st.lists(st.integers(0, 3000), max_size=5))
    def test_blocks_do_not_matter(self, first: int, sizes: list[int]) -> None:
        whole = Chances(3, 2).turns(first, max(sum(sizes), 1))
        chances = Chances(3, 2)
        place = 0
        for size in sizes:
            if size:
                assert chances.turns(first + place, size).tolist() == whole[place : place + size].tolist()
            place += size
        assert chances.turns(first, 1)[0] == whole[0]  # and back

    @pytest.mark.parametrize(
        ("seed", "epoch"), [(0, 0), (0, 1), (1, 0), (12345678901234567890, 2**32), (7, 2**200 + 1)]
    )
    def test_uniform_in_the_half_open_interval(self, seed: int, epoch: int) -> None:
        numbers = Chances(seed, epoch).turns(0, MANY)
        assert numbers.dtype == np.float64
        assert numbers.min() >= 0
        assert numbers.max() < 1
        assert uniform(numbers) > ALARM
        assert uniform(numbers**1.05) < ALARM

    def test_53_bits_of_which_each_is_fair(self) -> None:
        words = (Chances(0, 0).turns(0, MANY) * 2.0**53).astype(np.uint64)
        ones = [int(((words >> np.uint64(bit)) & np.uint64(1)).sum()) for bit in range(53)]
        assert min(stats.binomtest(count, MANY).pvalue for count in ones) * 53 > ALARM

    @pytest.mark.parametrize("lag", [1, 2, 3, 64, 1024, 4096])
    def test_numbers_of_later_turns_are_unrelated(self, lag: int) -> None:
        numbers = Chances(0, 0).turns(0, MANY)
        assert apart(numbers[:-lag], numbers[lag:]) > ALARM

    def test_a_relation_of_five_percent_is_told(self) -> None:
        one = Chances(0, 0).turns(0, MANY)
        other = np.where(Chances(1, 0).turns(0, MANY) < 0.05, one, Chances(2, 0).turns(0, MANY))
        assert apart(one, other) < ALARM

    def test_seeds_and_epochs_are_unrelated(self) -> None:
        runs = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (0, 2), (0, 2**32), (0, 2**64), (0, 2**32 + 1), (1, 2**32)]
        numbers = [Chances(seed, epoch).turns(0, MANY) for seed, epoch in runs]
        chances = [apart(one, other) for place, one in enumerate(numbers) for other in numbers[:place]]
        assert min(chances) * len(chances) > ALARM

    def test_the_turns_of_a_seed_stay_the_same_for_ever(self) -> None:
        found = Chances(0, 0).turns(1022, 4)
        assert (found * 2.0**53).astype(np.uint64).tolist() == FROZEN_TURNS


class TestActivations:
    def test_in_any_order_the_same(self) -> None:
        chances, others = Chances(5, 1), Chances(5, 1)
        ordinals = [0, 63, 64, 65, 1000, 3, 3, 64]
        found = {ordinal: list(islice(chances.activation(ordinal), 80)) for ordinal in ordinals}
        for ordinal in reversed(ordinals):
            assert list(islice(others.activation(ordinal), 80)) == found[ordinal]

    def test_side_by_side_they_do_not_disturb_each_other(self) -> None:
        chances = Chances(5, 1)
        alone = [list(islice(Chances(5, 1).activation(ordinal), 100)) for ordinal in (0, 64)]
        one, other = chances.activation(0), chances.activation(64)
        mixed = [(next(one), next(other)) for _ in range(100)]
        assert [list(numbers) for numbers in zip(*mixed, strict=True)] == alone

    def test_uniform_however_many_are_taken(self) -> None:
        numbers = of_activations(Chances(0, 0), 600, 100)
        assert uniform(numbers[:, :8].ravel()) > ALARM
        assert uniform(numbers[:, 8:].ravel()) > ALARM

    def test_unrelated_to_each_other_to_the_turns_and_to_other_runs(self) -> None:
        numbers = of_activations(Chances(0, 0), 4000, 8)
        chances = [apart(one, other) for one, other in pairwise(numbers.T)]
        chances += [apart(numbers[:-1, place], numbers[1:, other]) for place in (0, 1, 7) for other in (0, 1)]
        flat = numbers.ravel()
        chances += [apart(flat, Chances(seed, epoch).turns(0, len(flat))) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
        chances += [apart(flat, of_activations(Chances(*run), 4000, 8).ravel()) for run in ((0, 1), (1, 0), (0, 2**32))]
        assert min(chances) * len(chances) > ALARM

    def test_the_activations_of_a_seed_stay_the_same_for_ever(self) -> None:
        numbers = islice(Chances(0, 0).activation(1), 7, 10)  # the second of these is beyond those drawn with others
        assert [int(number * 2.0**53) for number in numbers] == FROZEN_ACTIVATION


class TestPermutations:
    def test_all_orders_alike(self) -> None:
        chances = Chances(0, 0)
        seen = Counter(tuple(chances.permutation(number, 4)) for number in range(12_000))
        assert set(seen) == set(permutations(range(4)))
        assert of_counts([*seen.values()], np.ones(24)) > ALARM
        assert of_counts([*seen.values()], np.r_[np.full(12, 1.1), np.full(12, 0.9)]) < ALARM

    def test_rounds_are_unrelated(self) -> None:
        chances = Chances(1, 0)
        numbers = {order: place for place, order in enumerate(permutations(range(3)))}
        found = [numbers[tuple(chances.permutation(number, 3))] for number in range(12_000)]
        table = np.zeros((6, 6))
        np.add.at(table, (found[:-1], found[1:]), 1)
        assert of_table(table) > ALARM

    @given(st.integers(0, 2000), st.integers(0, 50))
    def test_every_number_once(self, length: int, number: int) -> None:
        assert sorted(Chances(0, 0).permutation(number, length)) == list(range(length))


FROZEN_TURNS = [3523587476539896, 6108517565318439, 1287229339373269, 3921554847913326]
FROZEN_ACTIVATION = [432558846702102, 3605627174934729, 1040021184031471]
