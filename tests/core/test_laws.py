"""The laws, on streams whose times are known beforehand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.laws import analysed
from headrace.core.meter import Meter


def meter(size: int, items: int, seconds: float, waited: float, service: float, nbytes: int = 0) -> Meter:
    """Return a meter as a run would have left it: all times in seconds."""
    return Meter(
        "inline" if not size else f"{size} threads",
        size,
        delivered=items,
        records=items,
        delivered_bytes=nbytes,
        waited=waited,
        service=service,
        began=100.0,
        ended=100.0 + seconds,
    )


def test_inline_the_thread_does_both() -> None:
    seen = analysed([meter(0, 100, seconds=4.0, waited=3.0, service=3.0)], count=8)
    assert seen.verdict == "inline"
    assert seen.rate == 25
    assert seen.headspace == 100  # the consumer takes 10 ms an item
    assert seen.thread.demand == pytest.approx(0.04)
    assert seen.thread.utilisation == 1.0


@pytest.mark.parametrize(("workers", "rate"), [(0, 25), (1, 100 / 3), (2, 200 / 3), (3, 100), (8, 100)])
def test_workers_bring_what_the_slower_of_both_lets_through(workers: int, rate: float) -> None:
    """30 ms to make an item, 10 ms to consume it."""
    inline = meter(0, 100, seconds=4.0, waited=3.0, service=3.0)
    assert analysed([inline], count=8).predict(inline, workers) == pytest.approx(rate)


def test_no_more_jobs_run_than_there_are_cores() -> None:
    inline = meter(0, 100, seconds=4.0, waited=3.0, service=3.0)
    seen = analysed([inline], count=2)
    assert seen.predict(inline, 8) == pytest.approx(2 / 0.04)  # 40 ms of work for each item, two cores
    assert seen.enough(inline) == 2


def test_what_waits_for_disks_is_not_bound_by_cores() -> None:
    four = meter(4, 100, seconds=2.5, waited=1.5, service=10.0)  # on one core, four at once: they wait for something
    seen = analysed([four], count=1)
    assert seen.concurrency == pytest.approx(4.4)
    assert seen.predict(four, 4) == pytest.approx(seen.rate)
    assert seen.predict(four, 2) == pytest.approx(seen.rate / 2)


def test_the_copy_out_of_shared_memory_costs_the_consumer_time() -> None:
    inline = meter(0, 100, seconds=4.0, waited=3.0, service=3.0, nbytes=100 * 400_000_000)
    seen = analysed([inline], count=8)
    assert seen.carried(inline) == pytest.approx(0.1)
    assert seen.predict(inline, 8) == pytest.approx(1 / 0.11)


def test_busy_workers_are_the_bottleneck_of_a_fast_consumer() -> None:
    two = meter(2, 100, seconds=5.0, waited=4.0, service=10.0)
    seen = analysed([two], count=8)
    assert seen.verdict == "consumer waits"
    assert seen.bottleneck.name == "2 threads"
    assert seen.bottleneck.utilisation == 1.0
    assert seen.predict(two, 2) == pytest.approx(20)  # what was measured
    assert seen.predict(two, 4) == pytest.approx(40)
    assert seen.predict(two, 0) == pytest.approx(1 / 0.11)
    assert seen.enough(two) == 7  # eight cores do 72.7 a second of 110 ms of work each: 70 is near enough


def test_a_slow_consumer_is_waited_for() -> None:
    two = meter(2, 100, seconds=10.0, waited=0.1, service=1.0)
    seen = analysed([two], count=8)
    assert seen.verdict == "data waits"
    assert seen.bottleneck.name == "the consumer"
    assert seen.predict(two, 8) == pytest.approx(seen.predict(two, 2))
    assert seen.enough(two) <= 1


def test_waiting_while_nobody_is_busy_is_told_apart() -> None:
    assert analysed([meter(4, 10, seconds=10.0, waited=9.0, service=2.0)], count=8).verdict == "handover"


def test_a_slow_part_upstream_starves_the_workers_downstream() -> None:
    source = meter(0, 100, seconds=10.0, waited=9.5, service=9.5)  # read in the thread that iterates
    maps = meter(4, 100, seconds=10.0, waited=9.8, service=2.0)
    seen = analysed([source, maps], count=8)
    assert seen.verdict == "data waits"  # the thread that iterates is the busiest: it reads
    assert seen.bottleneck is seen.thread
    assert seen.thread.demand == pytest.approx(0.097)
    assert seen.predict(maps, 8) == pytest.approx(seen.predict(maps, 4))  # more workers there bring nothing
    assert seen.predict(source, 2) > 2 * seen.rate  # here they do


def test_the_busier_of_two_parts_with_workers_is_the_bottleneck() -> None:
    first = meter(2, 100, seconds=10.0, waited=9.0, service=19.0)
    second = meter(2, 100, seconds=10.0, waited=9.0, service=4.0)
    seen = analysed([first, second], count=8)
    assert seen.bottleneck.demand == pytest.approx(0.19)
    assert seen.predict(second, 8) == pytest.approx(2 / 0.19)
    assert seen.predict(first, 4) == pytest.approx(4 / 0.19)


def test_parts_side_by_side_are_waited_for_in_turns() -> None:
    left = meter(1, 10, seconds=10.0, waited=4.0, service=4.0)
    right = meter(1, 10, seconds=10.0, waited=5.0, service=5.0)
    seen = analysed([left, right], [left, right], count=8)
    assert seen.waited == 9.0
    assert seen.headspace == pytest.approx(10)


def test_the_prefetch_that_is_deep_enough_follows_from_littles_law() -> None:
    busy = meter(4, 100, seconds=5.0, waited=4.9, service=20.0)
    assert analysed([busy], count=16).depth(busy) == 2 * 4 + 2
    idle = meter(4, 100, seconds=10.0, waited=0.0, service=10.0)
    assert analysed([idle], count=16).depth(idle) == 2 * 1 + 2


def test_nothing_yet() -> None:
    for seen in (analysed([]), analysed([Meter()])):
        assert seen.verdict == "nothing yet"
        assert seen.rate == 0
        assert math.isinf(seen.headspace)


@given(
    size=st.integers(0, 16),
    items=st.integers(0, 1000),
    seconds=st.floats(0, 1e4),
    waited=st.floats(0, 1),
    service=st.floats(0, 16),
    count=st.integers(1, 64),
)
def test_more_workers_are_never_predicted_to_be_slower(
    size: int, items: int, seconds: float, waited: float, service: float, count: int
) -> None:
    one = meter(size, items, seconds, waited * seconds, service * seconds * (size > 0) + waited * seconds * (not size))
    seen = analysed([one], count=count)
    rates = [seen.predict(one, workers) for workers in range(1, 20)]
    assert rates == sorted(rates)
    assert all(0 <= station.utilisation <= 1 for station in seen.stations)
    assert seen.depth(one) >= 2
    assert 0 <= seen.enough(one) <= 64
