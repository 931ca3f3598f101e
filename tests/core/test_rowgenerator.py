"""RowGenerator: each row draws as if alone, and what it draws is distributed as promised."""

from __future__ import annotations

from collections.abc import Callable
from math import erf, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError
from headrace.core.rowgenerator import RowGenerator

KEY = (1, 2)

addresses = st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)), min_size=1, max_size=40)
big = st.integers(-(2**63), 2**63 - 2)


def run(epochs: NDArray[np.int64], positions: NDArray[np.int64], highs: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Draw in every way; ``highs`` are bounds of each row's own."""
    rng = RowGenerator(KEY, epochs, positions)
    return [
        rng.random(),
        rng.integers(0, highs),
        rng.integers(-5, 5, size=3),
        rng.uniform(-1, highs, size=(2, 2)),
        rng.standard_normal(size=3),
        rng.normal(highs, 2.0),
        rng.integers(-(2**63), highs, size=2),
        rng.choice(7, size=2),
        rng.choice(np.array([[1.5, 2.5], [3.5, 4.5]])),
        rng.random(size=(1, 3)),
    ]


@given(rows=addresses, data=st.data())
def test_rows_draw_the_same_however_they_are_cut(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    epochs, positions = np.array(rows, np.int64).T
    highs = np.array(data.draw(st.lists(st.integers(1, 2**63 - 1), min_size=len(rows), max_size=len(rows))))
    whole = run(epochs, positions, highs)
    cut = data.draw(st.integers(0, len(rows)))
    for part in (slice(0, cut), slice(cut, None), slice(None, None, -1), slice(cut, cut + 1)):
        for drawn, expected in zip(run(epochs[part], positions[part], highs[part]), whole, strict=True):
            np.testing.assert_array_equal(drawn, expected[part])


def test_an_epoch_for_all_is_the_same_as_one_for_each() -> None:
    positions = np.arange(100)
    for epoch in (0, 3, 2**62):
        np.testing.assert_array_equal(
            RowGenerator(KEY, epoch, positions).random(2), RowGenerator(KEY, np.full(100, epoch), positions).random(2)
        )


def test_words_are_the_same_on_every_platform() -> None:
    rng = RowGenerator(KEY, 3, np.array([5, 6]))
    assert rng.random().tolist() == [0.08260189219147518, 0.8335008955406769]
    assert rng.integers(1000, size=3).tolist() == [[413, 17, 999], [880, 682, 573]]
    assert rng.integers(2**40, size=2).tolist() == [[1066691097870, 782464965688], [993906612979, 710744663461]]


def test_shapes_are_rows_and_then_the_size() -> None:
    rng = RowGenerator(KEY, 0, np.arange(4))
    assert len(rng) == 4
    assert rng.random().shape == (4,)
    assert rng.random(3).shape == (4, 3)
    assert rng.integers(5, size=(2, 3)).shape == (4, 2, 3)
    assert rng.standard_normal(()).shape == (4,)
    assert rng.standard_normal((3, 1)).shape == (4, 3, 1)
    assert rng.choice([[1, 2], [3, 4]], size=3).shape == (4, 3, 2)
    assert rng.random(0).shape == rng.standard_normal(0).shape == (4, 0)
    assert RowGenerator(KEY, 0, np.arange(0)).normal(size=2).shape == (0, 2)
    assert rng.integers(5).dtype == np.int64


@given(low=big, width=st.integers(1, 2**64 - 1))
def test_integers_lie_within_their_bounds(low: int, width: int) -> None:
    high = min(low + width, 2**63 - 1)
    drawn = RowGenerator(KEY, 0, np.arange(200)).integers(low, high)
    assert ((drawn >= low) & (drawn < high)).all()


def test_bounds_of_each_row_hold_for_all_its_draws() -> None:
    highs = np.array([1, 10, 2**40])
    drawn = RowGenerator(KEY, 0, np.arange(3)).integers(highs, size=500)
    assert drawn.max(axis=1).tolist() <= [0, 9, 2**40]
    assert drawn[0].max() == 0
    assert set(drawn[1].tolist()) == set(range(10))
    assert drawn[2].max() > 2**38


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.integers(0),
        lambda rng: rng.integers(5, 5),
        lambda rng: rng.integers(0, np.array([1, 0, 1])),
        lambda rng: rng.integers(1.5),
        lambda rng: rng.integers(np.array([1, 2])),
        lambda rng: rng.uniform(0, np.array([1.0, 2.0])),
        lambda rng: rng.normal(0, -1),
        lambda rng: rng.choice([]),
    ],
)
def test_bounds_that_cannot_be_meant_are_refused(draw: Callable[[RowGenerator], Any]) -> None:
    with pytest.raises(ArgumentError):
        draw(RowGenerator(KEY, 0, np.arange(3)))


# Statistics, with fixed keys and bounds of some eight standard deviations.


def kolmogorov(sample: NDArray[np.float64], cumulative: NDArray[np.float64]) -> float:
    """Return sqrt(n) times the greatest distance between a sample's distribution and the promised one."""
    n = len(sample)
    steps = np.arange(n + 1) / n
    return float(sqrt(n) * max((steps[1:] - cumulative).max(), (cumulative - steps[:-1]).max()))


def correlation(both: NDArray[np.float64]) -> float:
    return float(np.asarray(np.corrcoef(both))[0, 1])


DRAWN = {
    "rows": RowGenerator(KEY, 0, np.arange(100_000)).random(),
    "epochs": RowGenerator(KEY, np.arange(100_000), np.zeros(100_000, np.int64)).random(),
    "draws": RowGenerator(KEY, 0, np.array([7])).random(100_000)[0],
    "far rows": RowGenerator(KEY, 0, np.arange(100_000) * 2**40).random(),
    "keys": np.array([RowGenerator((word, 0), 0, np.array([0])).random()[0] for word in range(2000)]),
}


@pytest.mark.parametrize("along", DRAWN)
def test_random_is_uniform_and_uncorrelated(along: str) -> None:
    drawn = DRAWN[along]
    n = len(drawn)
    assert abs(drawn.mean() - 0.5) < 8 * sqrt(1 / 12 / n)
    assert abs(drawn.var() - 1 / 12) < 8 * sqrt(1 / 180 / n)
    assert kolmogorov(np.sort(drawn), np.sort(drawn)) < 5  # passed by chance once in 10**21
    for lag in (1, 2, 3, 64, 1000):
        assert abs(np.corrcoef(drawn[lag:], drawn[:-lag])[0, 1]) < 8 / sqrt(n - lag)


def test_rows_epochs_and_draws_are_independent_of_each_other() -> None:
    drawn = np.stack([RowGenerator(KEY, epoch, np.arange(2000)).random(8) for epoch in range(4)])
    flat = drawn.transpose(0, 2, 1).reshape(32, 2000)
    across = np.corrcoef(flat) - np.eye(32)
    assert abs(across).max() < 8 / sqrt(2000)
    beside = np.corrcoef(drawn.transpose(1, 0, 2).reshape(2000, 32)[:200]) - np.eye(200)
    assert abs(beside).max() < 8 / sqrt(32)


def test_every_bit_is_set_half_the_time() -> None:
    words = RowGenerator(KEY, 0, np.arange(50_000)).integers(-(2**63), 2**63 - 1).view(np.uint64)
    shares = np.array([((words >> np.uint64(bit)) & np.uint64(1)).mean() for bit in range(64)])
    assert abs(shares - 0.5).max() < 8 * 0.5 / sqrt(50_000)


@pytest.mark.parametrize("span", [2, 3, 10, 1000, 3 * 2**30, 2**32 - 1, 2**32, 3 * 2**32, 3 * 2**61])
def test_integers_come_equally_often(span: int) -> None:
    drawn = RowGenerator(KEY, 0, np.arange(100_000)).integers(span)
    bins = min(span, 100)
    counts = np.bincount((drawn.astype(object) * bins // span).astype(int), minlength=bins)
    expected = len(drawn) / bins
    assert ((counts - expected) ** 2 / expected).sum() < bins + 8 * sqrt(2 * bins)


def test_normal_is_normal() -> None:
    drawn = RowGenerator(KEY, 0, np.arange(2000)).standard_normal(51).reshape(-1)
    n = len(drawn)
    ordered = np.sort(drawn)
    assert abs(drawn.mean()) < 8 / sqrt(n)
    assert abs(drawn.var() - 1) < 8 * sqrt(2 / n)
    assert kolmogorov(ordered, np.array([0.5 * (1 + erf(value / sqrt(2))) for value in ordered])) < 5
    pairs = RowGenerator(KEY, 1, np.arange(50_000)).standard_normal(2)
    assert abs(correlation(pairs.T)) < 8 / sqrt(50_000)
    assert abs(correlation(pairs.T**2)) < 8 / sqrt(50_000)


def test_normal_and_uniform_are_moved_and_stretched() -> None:
    positions = np.arange(20_000)
    drawn = RowGenerator(KEY, 0, positions).normal(10.0, 0.5)
    assert abs(drawn.mean() - 10) < 8 * 0.5 / sqrt(len(drawn))
    assert abs(drawn.std() - 0.5) < 8 * 0.5 / sqrt(2 * len(drawn))
    flat = RowGenerator(KEY, 0, positions).uniform(-2.0, 6.0)
    assert -2.0 <= flat.min() < -1.9 < 5.9 < flat.max() < 6.0


def test_choice_takes_every_member() -> None:
    names = np.array(["a", "b", "c"])
    drawn = RowGenerator(KEY, 0, np.arange(3000)).choice(names, size=2)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == ["a", "b", "c"]
    assert abs(counts - 2000).max() < 8 * sqrt(6000 * 2 / 9)
