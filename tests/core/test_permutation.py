"""Permutations: every index exactly once at every length, the same on every platform, and random to look at."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core import permutation
from headrace.core.cache import ByteCache
from headrace.core.errors import ArgumentError
from headrace.core.permutation import Keyed, explicit, look_up
from headrace.core.seeds import Key, key
from headrace.core.source import Indices

Permute: TypeAlias = Callable[[Key, int, int], Indices]


EXPLICIT_10 = [2, 8, 5, 0, 6, 4, 1, 3, 7, 9]
EXPLICIT_LAST = [5, 6, 1, 2, 3, 7, 8, 0, 4, 9]
KEYED = {
    2: [1, 0, 0, 0],
    3: [0, 2, 2, 1],
    10: [1, 2, 5, 0],
    1000: [450, 630, 635, 296],
    10**12: [64651423440, 738428893588, 738284757146, 764818668578],
    2**62: [3986859776091654425, 3263368482221949864, 3788144490723793037, 3277624391667547614],
}


def keyed(key: Key, epoch: int, n: int) -> Indices:
    return Keyed(n, key, epoch).forward(np.arange(n))


def with_numpy(key: Key, epoch: int, n: int) -> Indices:
    return np.random.default_rng([*key, epoch]).permutation(n)


both = pytest.mark.parametrize("permute", [explicit, keyed])


def is_permutation(indices: Indices) -> bool:
    if indices.dtype != np.int64 or (indices.size and (indices.min() < 0 or indices.max() >= indices.size)):
        return False
    seen = np.zeros(indices.size, np.bool_)
    seen[indices] = True
    return bool(seen.all())


@both
def test_has_every_index_once_at_every_small_length(permute: Permute) -> None:
    for n in range(2001):
        assert is_permutation(permute((7, 8), n % 3, n)), n


@both
@pytest.mark.parametrize("k", range(11, 25))
def test_has_every_index_once_around_powers_of_two(permute: Permute, k: int) -> None:
    for n in (2**k - 1, 2**k, 2**k + 1):
        assert is_permutation(permute((7, 8), 1, n)), n


@given(
    n=st.one_of(st.integers(1, 2**62), st.sampled_from([10**12, 2**62, 2**31, 2**62 - 1])),
    words=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    epoch=st.integers(0, 2**63 - 1),
    data=st.data(),
)
def test_a_keyed_one_of_any_length_is_undone_by_its_inverse(
    n: int, words: Key, epoch: int, data: st.DataObject
) -> None:
    order = Keyed(n, words, epoch)
    positions = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1)))
    indices = order.forward(positions)
    assert indices.dtype == np.int64
    assert ((indices >= 0) & (indices < n)).all()
    np.testing.assert_array_equal(order.inverse(indices), positions)
    np.testing.assert_array_equal(order.forward(order.inverse(positions)), positions)


def test_a_keyed_one_of_a_million_millions_is_undone_by_its_inverse() -> None:
    order = Keyed(10**12, (1, 2), 0)
    positions = np.random.default_rng(0).integers(0, 10**12, 300_000)
    indices = order.forward(positions)
    assert len(np.unique(indices)) == len(np.unique(positions))
    np.testing.assert_array_equal(order.inverse(indices), positions)


def test_a_keyed_one_keeps_shape_and_input() -> None:
    order = Keyed(1000, (1, 2), 0)
    positions = np.arange(600).reshape(2, 3, 100)[:, ::2, ::-1]
    before = positions.copy()
    np.testing.assert_array_equal(order.inverse(order.forward(positions)), before)
    np.testing.assert_array_equal(positions, before)
    assert order.forward(np.empty(0, np.int64)).shape == (0,)


@given(
    n=st.integers(1, 40_000),
    start=st.integers(0, 40_000),
    count=st.integers(0, 20_000),
    step=st.sampled_from([1, 2, 3, 100]),
)
def test_looking_up_in_blocks_gives_the_same(n: int, start: int, count: int, step: int) -> None:
    positions = np.arange(min(start, n), min(start + count * step, n), step)
    for scattered in (positions, positions[::-1], np.random.default_rng(count).permutation(positions)):
        found = look_up((7, 8), 1, n, scattered)
        np.testing.assert_array_equal(found, Keyed(n, (7, 8), 1).forward(scattered))
        found[:] = 0  # what is given out is the caller's own


@pytest.mark.parametrize("n", [-1, 2**62 + 1])
def test_a_keyed_one_of_an_impossible_length_is_refused(n: int) -> None:
    with pytest.raises(ArgumentError, match="length"):
        Keyed(n, (1, 2), 0)


def test_an_explicit_one_is_the_same_on_every_platform() -> None:
    assert explicit((1, 2), 3, 10).tolist() == EXPLICIT_10
    assert explicit((2**64 - 1, 0), 2**63 - 1, 10).tolist() == EXPLICIT_LAST


@pytest.mark.parametrize("n", [2, 3, 10, 1000, 10**12, 2**62])
def test_a_keyed_one_is_the_same_on_every_platform(n: int) -> None:
    assert Keyed(n, (1, 2), 3).forward(np.array([0, 1, n // 2, n - 1])).tolist() == KEYED[n]


@both
def test_key_and_epoch_each_make_another_order(permute: Permute) -> None:
    words = [(1, 2), (2, 1), (1, 3), (2, 2)]
    orders = {tuple(permute(word, epoch, 40).tolist()) for word in words for epoch in (*range(50), 2**32, 2**62)}
    assert len(orders) == 4 * 52


def test_recent_explicit_ones_are_kept_and_read_only() -> None:
    kept = explicit((3, 4), 0, 1000)
    assert explicit((3, 4), 0, 1000) is kept
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


def test_the_cache_keeps_to_its_bytes_and_forgets_the_longest_unused() -> None:
    made: list[int] = []

    def make(name: int) -> NDArray[np.uint8]:
        made.append(name)
        return np.zeros(1000, np.uint8)

    cache: ByteCache[int, NDArray[np.uint8]] = ByteCache(limit=3 * 2024)
    for name in (1, 2, 3, 1, 4, 1, 2):
        cache.get(name, make)
    assert made == [1, 2, 3, 4, 2]
    huge = cache.get(5, lambda _: np.zeros(10_000, np.uint8))
    assert huge.nbytes == 10_000
    cache.get(1, make)
    assert made == [1, 2, 3, 4, 2]


def test_threads_that_ask_for_one_array_wait_for_one_making() -> None:
    made: list[int] = []
    ready = threading.Barrier(8)

    def make(name: int) -> Indices:
        made.append(name)
        return np.random.default_rng(name).permutation(200_000)

    cache: ByteCache[int, Indices] = ByteCache(limit=1 << 30)
    found: list[Indices] = []

    def ask() -> None:
        ready.wait()
        found.append(cache.get(1, make))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert all(array is found[0] for array in found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_lock_held_in_a_thread_does_not_outlive_a_fork() -> None:
    code = (
        "import os, sys, threading, time, numpy as np\n"
        "from headrace.core.cache import ByteCache\n"
        "cache = ByteCache(10_000)\n"
        "begun, done = threading.Event(), threading.Event()\n"
        "def slow(name): begun.set(); done.wait(); return np.arange(name)\n"
        "thread = threading.Thread(target=cache.get, args=(3, slow)); thread.start(); begun.wait()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(len(cache.get(3, np.arange)))\n"
        "status = os.waitpid(child, 0)[1]; done.set(); thread.join()\n"
        "sys.exit(os.waitstatus_to_exitcode(status))\n"
    )
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False)
    assert ended.returncode == 3


def test_what_could_not_be_made_can_be_asked_for_again() -> None:
    cache: ByteCache[int, Indices] = ByteCache(limit=10_000)
    with pytest.raises(ZeroDivisionError):
        cache.get(1, lambda name: np.arange(name // 0))
    assert cache.get(1, np.arange).tolist() == [0]


# Statistics. Seeds are fixed, so the tests always come out the same; the bounds are some eight standard deviations
# off, where a fair permutation would land once in 10**14 tries.

SEEDS = range(25)


def orders(permute: Permute, n: int) -> Iterator[Indices]:
    return (permute(key(seed, "shuffle"), seed % 4, n) for seed in SEEDS)


def chi_squared(observed: NDArray[np.int64], expected: NDArray[np.float64] | float) -> float:
    return float(((observed - expected) ** 2 / expected).sum())


def lag_statistic(indices: Indices, lag: int) -> float:
    """Chi-squared of the distances between positions ``lag`` apart, modulo n, in 256 bins."""
    n = len(indices)
    distances = (indices[lag:] - indices[:-lag]) % n
    widths = np.diff(np.ceil(np.arange(257) * n / 256))
    return chi_squared(np.bincount(distances * 256 // n, minlength=256), (n - lag) * widths / n)


def class_statistic(indices: Indices, batch: int, classes: int = 10) -> float:
    """Chi-squared of the class counts of each batch over sorted labels, its mean over the batches."""
    n = len(indices)
    labels = (indices * classes // n)[: n // batch * batch].reshape(-1, batch)
    counts = np.stack([(labels == label).sum(axis=1) for label in range(classes)])
    return chi_squared(counts, batch / classes) / (n // batch)


@both
@pytest.mark.parametrize("n", [10_000, 65_536, 100_003])
@pytest.mark.parametrize("lag", range(1, 6))
def test_neighbours_are_as_far_apart_as_chance_puts_them(permute: Permute, n: int, lag: int) -> None:
    seen = [lag_statistic(indices, lag) for indices in orders(permute, n)]
    usual = [lag_statistic(indices, lag) for indices in orders(with_numpy, n)]
    freedom = 255
    assert max(seen) < freedom + 8 * np.sqrt(2 * freedom)
    assert abs(np.mean(seen) - np.mean(usual)) < 8 * np.sqrt(2 * 2 * freedom / len(SEEDS))


@both
@pytest.mark.parametrize(("n", "batch"), [(1000, 32), (50_000, 256), (100_003, 1024)])
def test_batches_over_sorted_labels_hold_the_classes_that_chance_gives(permute: Permute, n: int, batch: int) -> None:
    seen = [class_statistic(indices, batch) for indices in orders(permute, n)]
    usual = [class_statistic(indices, batch) for indices in orders(with_numpy, n)]
    spread = np.sqrt(2 * 9 / (n // batch))  # of a mean of n // batch sums, each of 9 degrees of freedom
    assert abs(np.mean(seen) - np.mean(usual)) < 8 * spread * np.sqrt(2 / len(SEEDS))
    assert max(abs(np.array(seen) - 9)) < 8 * spread


@both
@pytest.mark.parametrize("n", [2, 17, 64, 1000])
def test_every_index_comes_equally_often_to_every_place(permute: Permute, n: int) -> None:
    epochs = 1500
    first = np.array([permute((5, 6), epoch, n)[[0, n // 2, -1]] for epoch in range(epochs)])
    bins = min(n, 32)
    for place in first.T:
        widths = np.diff(np.ceil(np.arange(bins + 1) * n / bins))
        seen = chi_squared(np.bincount(place * bins // n, minlength=bins), widths * epochs / n)
        assert seen < bins - 1 + 8 * np.sqrt(2 * bins) + 8


@both
def test_epochs_are_as_unlike_as_independent_orders(permute: Permute) -> None:
    n = 50_000
    for one, other in ((0, 1), (1, 2), (0, 2**32)):
        first, second = permute((1, 2), one, n), permute((1, 2), other, n)
        assert (first == second).sum() < 20  # one in the mean
        assert abs(np.corrcoef(first, second)[0, 1]) < 8 / np.sqrt(n)


def test_what_auto_lists_at_once_stays_below_8_megabytes() -> None:
    assert permutation.EXPLICIT_LIMIT * 8 <= 2**23
