"""Bin packing as items come: each rule against one written down word by word."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.stages.packing import BestFit, Finder, FirstFit, Packing, Sizes, pack


class PlainBins:
    """The rules as they are told: every bin is looked at for each item."""

    def __init__(self, lengths: Sizes, strategy: str, open_bins: int) -> None:
        self.lengths = lengths
        self.strategy = strategy
        self.open_bins = open_bins
        self.open: list[list[int]] = []  # oldest first
        self.since: list[int] = []
        self.finished: list[list[int]] = []
        self.most_open = 0

    def pack(self, sizes: Sequence[Sizes]) -> list[list[int]]:
        self.sizes = sizes
        for number, size in enumerate(sizes):
            while self.open and len(self.finished) >= self.since[0] + 8 * self.open_bins:
                self.finish(0)
            self.put(number, size)
            self.most_open = max(self.most_open, len(self.open))
        while self.open:
            self.finish(0)
        return self.finished

    def put(self, number: int, size: Sizes) -> None:
        fitting = [at for at in range(len(self.open)) if all(np.array(self.room(at)) >= size)]
        if fitting:
            left = {at: self.total(at) for at in fitting}
            at = min(fitting, key=lambda at: (left[at] if self.strategy == "best_fit" else 0, at))
            self.open[at].append(number)
            if min(self.room(at)) == 0:
                self.finish(at)
        elif any(one == whole for one, whole in zip(size, self.lengths, strict=True)):
            self.finished.append([number])
        else:
            if len(self.open) == self.open_bins:
                self.finish(min(range(len(self.open)), key=lambda at: (self.total(at), at)))
            self.open.append([number])
            self.since.append(len(self.finished))

    def room(self, at: int) -> list[int]:
        used = np.sum([self.sizes[number] for number in self.open[at]], axis=0)
        return [int(left) for left in np.array(self.lengths) - used]

    def total(self, at: int) -> int:
        whole = int(np.lcm.reduce(self.lengths))
        return sum(room * (whole // length) for room, length in zip(self.room(at), self.lengths, strict=True))

    def finish(self, at: int) -> None:
        self.finished.append(self.open.pop(at))
        del self.since[at]


@st.composite
def problems(draw: st.DrawFn) -> tuple[Sizes, list[Sizes]]:
    """Lengths of bins of one to three columns, and items that are not empty and no larger."""
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple))
    sizes = st.tuples(*(st.integers(0, length) for length in lengths)).filter(any)
    return lengths, draw(st.lists(sizes, max_size=60))


@given(
    problem=problems(), strategy=st.sampled_from(["best_fit", "first_fit"]), open_bins=st.sampled_from([1, 2, 3, 5, 70])
)
def test_bins_are_those_of_the_rules_told_word_by_word(
    problem: tuple[Sizes, list[Sizes]], strategy: str, open_bins: int
) -> None:
    lengths, sizes = problem
    plain = PlainBins(lengths, strategy, open_bins)
    found = pack(sizes, Packing(lengths, strategy, open_bins))
    assert found == plain.pack(sizes)
    assert sorted(number for numbers in found for number in numbers) == list(range(len(sizes)))
    assert all(numbers == sorted(numbers) for numbers in found)
    assert plain.most_open <= open_bins


@pytest.mark.parametrize("strategy", ["best_fit", "first_fit"])
@pytest.mark.parametrize("open_bins", [1, 4, 100])
def test_long_runs_follow_the_rules_too(strategy: str, open_bins: int) -> None:
    draws = np.random.default_rng(0).lognormal(3, 1, 600).clip(1, 100).astype(int)
    sizes = [(size,) for size in draws.tolist()]
    assert pack(sizes, Packing((100,), strategy, open_bins)) == PlainBins((100,), strategy, open_bins).pack(sizes)


@pytest.mark.parametrize("strategy", ["best_fit", "first_fit"])
def test_a_bin_that_waits_in_vain_is_finished_after_eight_bins_for_each_that_may_be_open(strategy: str) -> None:
    sizes = [(50,), *[(60,)] * 100]
    found = pack(sizes, Packing((100,), strategy, open_bins=3))
    assert found.index([0]) == 24


@pytest.mark.parametrize("strategy", ["best_fit", "first_fit"])
def test_small_items_are_waited_for_however_many_a_bin_needs(strategy: str) -> None:
    found = pack([(1,)] * 5000, Packing((1000,), strategy, open_bins=1))
    assert [len(numbers) for numbers in found] == [1000] * 5


def test_little_is_left_empty_of_what_lengths_of_texts_are_like() -> None:
    draws = np.random.default_rng(0).lognormal(np.log(500) - 0.5, 1, 20_000).clip(1, 2048).astype(int)
    sizes = [(size,) for size in draws.tolist()]
    used = {
        (strategy, open_bins): draws.sum() / 2048 / len(pack(sizes, Packing((2048,), strategy, open_bins)))
        for strategy in ("best_fit", "first_fit")
        for open_bins in (8, 64)
    }
    assert used["best_fit", 8] > 0.98
    assert used["best_fit", 64] > 0.99
    assert used["first_fit", 64] > 0.985
    assert used["first_fit", 8] < used["best_fit", 8] < used["best_fit", 64]


@pytest.mark.parametrize("finder", [lambda: BestFit((9,)), lambda: FirstFit((9,), 4)])
def test_of_bins_that_are_alike_the_oldest_is_taken(finder: Callable[[], Finder]) -> None:
    bins = finder()
    for number in (2, 5, 8):
        bins.add(number, (4,))
    assert bins.find((4,)) == bins.fullest() == 2
    bins.remove(2, (4,))
    assert bins.find((3,)) == bins.fullest() == 5
    assert bins.find((5,)) is None
