"""What a mux tells of what it has given: sums, seats, lengths; the same whichever way its streams are gone through."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import headrace as hr
from tests.mux.made import MUXES, dataset, generator, is_fast, slowly, some

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")

KINDS = [kind for kind in MUXES if kind not in ("chained lazily", "chained lazily for ever")]


def told(mux: Any) -> dict[str, list[int]]:
    stats = mux.stats()
    names = ("records", "activations", "evictions", "endings", "shortest", "longest")
    return {name: getattr(stats, name).tolist() for name in names}


@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_tell_the_same_at_every_step(kind: str) -> None:
    streams = [dataset(name, length) for name, length in enumerate((4, 1, 7, 2))]
    fast: Any = MUXES[kind](streams)
    slow: Any = slowly(MUXES[kind](streams))
    assert is_fast(fast)
    given: Counter[int] = Counter()
    many = len(some(slow, 60))
    with iter(fast) as one, iter(slow) as other:
        for item in one:
            assert next(other) == item
            given[item[0]] += 1
            if given.total() < many:  # whoever has looked beyond the last item knows that streams have ended
                assert told(fast) == told(slow)
            assert told(fast)["records"] == [given[name] for name in range(4)]
            if given.total() == 60:
                break


@pytest.mark.parametrize("make", [dataset, generator])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_adds_up(kind: str, make: Any) -> None:
    mux: Any = MUXES[kind]([make(name, length) for name, length in enumerate((4, 3, 7, 2))])
    given: Counter[int] = Counter()
    with iter(mux) as running:
        for name, _ in some(running, 75):
            given[name] += 1
        stats = mux.stats()
    assert stats.records.tolist() == [given[name] for name in range(4)]
    assert stats.step == given.total()
    np.testing.assert_allclose(stats.proportions.sum(), 1)
    left = stats.evictions + stats.endings
    assert (left <= stats.activations).all()
    ended = stats.endings > 0
    assert stats.longest[ended].tolist() == [length for length, one in zip((4, 3, 7, 2), ended, strict=True) if one]
    assert (stats.shortest[~ended] == -1).all() and (stats.longest[~ended] == -1).all()
    assert "records of 4 streams" in repr(stats)


@pytest.mark.parametrize("make", [dataset, generator])
def test_each_iteration_counts_for_itself_all_the_way_down(make: Any) -> None:
    inner = [hr.ShuffledMux([make((k, i), 3) for i in range(2)], seed=k) for k in range(3)]
    mux = hr.RoundRobinMux(inner)
    for _ in range(3):
        with iter(mux) as running:
            some(running, 12)
        assert mux.stats().records.tolist() == [4, 4, 4]
        assert [one.stats().step for one in inner] == [4, 4, 4]


@pytest.mark.parametrize("make", [dataset, generator])
def test_a_resumed_iteration_tells_what_it_has_given_since(make: Any) -> None:
    mux = hr.RoundRobinMux([make(name, 9) for name in range(3)])
    with iter(mux) as running:
        some(running, 7)
        state = running.state_dict()
    resumed = mux.resume(state)
    with iter(resumed) as running:
        some(running, 5)
        assert resumed.stats().records.tolist() == mux.stats().records.tolist() == [1, 2, 2]


@pytest.mark.parametrize("make", [dataset, generator])
def test_the_latest_iteration_is_told_of(make: Any) -> None:
    mux = hr.RoundRobinMux([make(name, 9) for name in range(2)])
    first, second = iter(mux), iter(mux)
    some(first, 3)
    some(second, 2)
    some(first, 4)
    assert mux.stats().records.tolist() == [1, 1]
    first.close()
    second.close()
    assert mux.stats().step == 2


def test_batches_and_steps_downstream_are_told_of_by_records() -> None:
    mux = hr.mix([hr.Stream(dataset(name, 50)) for name in range(2)], [3, 1])
    with iter(mux.batch(8)) as running:
        some(running, 3)
        assert mux.stats().records.tolist() == [18, 6]  # what was drawn ahead is not given yet


def test_before_and_without_an_iteration_all_is_zero() -> None:
    stats = hr.ShuffledMux([[1], [2]]).stats()
    assert stats.step == 0 and stats.proportions.tolist() == [0, 0]
    stats.records[:] = 9  # a copy
    mux = hr.ShuffledMux([[1], [2]])
    mux.stats().records[:] = 9
    assert mux.stats().step == 0


def test_a_fraction_of_evictions_is_by_lifetimes() -> None:
    for make in (dataset, generator):
        mux = hr.StochasticMux([make(name, 100) for name in range(4)], 2, 5, dist="constant", seed=1)
        with iter(mux) as running:
            some(running, 101)
            stats = mux.stats()
        assert stats.endings.sum() == 0
        assert 18 <= stats.evictions.sum() <= 20 and stats.activations.sum() == stats.evictions.sum() + 2
