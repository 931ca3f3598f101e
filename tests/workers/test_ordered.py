"""The engine: results in the order of the jobs, bounded in number and in bytes, whoever does them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.workers.inline import InlinePool
from headrace.workers.ordered import Ordered
from headrace.workers.prefetch import Prefetch
from headrace.workers.threads import ThreadPool
from headrace.workers.work import Done, Failed
from tests.workers.jobs import Call


def threads(function: Callable[[Any], Any], size: int) -> ThreadPool:
    return ThreadPool(Call(function), size)


def named(number: int, job: int) -> tuple[int, int]:
    return job, number


def value(pair: tuple[Any, Done | Failed]) -> Any:
    outcome = pair[1]
    return type(outcome.error) if isinstance(outcome, Failed) else outcome.value


class Counted:
    """Jobs without end, counted as they are drawn."""

    def __init__(self) -> None:
        self.drawn = 0

    def __iter__(self) -> Iterator[int]:
        for number in count():
            self.drawn += 1
            yield number


def settle(moment: Callable[[], Any]) -> Any:
    """Wait until a value stays the same for a while."""
    before, since = moment(), time.monotonic()
    while time.monotonic() - since < 0.05:
        time.sleep(0.005)
        now = moment()
        if now != before:
            before, since = now, time.monotonic()
    return before


@given(
    pauses=st.lists(st.integers(0, 3), max_size=25),
    size=st.integers(1, 5),
    depth=st.integers(1, 8),
)
@settings(max_examples=40)
def test_results_come_in_order_however_long_each_takes(pauses: list[int], size: int, depth: int) -> None:
    def work(job: int) -> int:
        time.sleep(pauses[job] / 1000)
        if pauses[job] == 3:
            raise KeyError(job)
        return job * 10

    results = Ordered(threads(work, size), iter(range(len(pauses))), Prefetch(depth))
    found = [(pair[0], value(pair)) for pair in results]
    results.close()
    assert found == [(job, KeyError if pause == 3 else job * 10) for job, pause in enumerate(pauses)]


@pytest.mark.parametrize(("size", "depth"), [(1, 1), (1, 7), (3, 2), (2, 6)])
def test_no_more_jobs_are_drawn_than_prefetch_allows_and_a_paused_consumer_stops_them(size: int, depth: int) -> None:
    jobs = Counted()
    results = Ordered(threads(lambda job: job, size), iter(jobs), Prefetch(depth))
    for taken in range(1, 30):
        next(results)
        assert jobs.drawn <= taken + depth
    assert settle(lambda: jobs.drawn) == 29 + depth  # and as many are, so that workers have something to do
    results.close()


def test_bytes_bound_what_is_ready_and_what_is_being_made() -> None:
    started: list[int] = []

    def work(job: int) -> Any:
        started.append(job)
        return np.zeros(1000, np.uint8)

    results = Ordered(threads(work, 3), iter(Counted()), Prefetch(50, nbytes=4500))
    next(results)
    for taken in range(2, 20):
        next(results)
        assert settle(lambda: len(started)) <= taken + 4
    assert len(started) == 19 + 4
    results.close()


def test_a_result_larger_than_the_bound_is_made_one_at_a_time() -> None:
    jobs = Counted()
    results = Ordered(threads(lambda job: np.zeros(1000), 2), iter(jobs), Prefetch(50, nbytes=10))
    for taken in range(1, 10):
        next(results)
        assert settle(lambda: jobs.drawn) <= taken + 2
    results.close()


def test_until_a_size_is_known_no_more_are_begun_than_there_are_workers() -> None:
    jobs, wait = Counted(), threading.Event()
    results = Ordered(threads(lambda job: wait.wait(10), 2), iter(jobs), Prefetch(50, nbytes=10))
    results._fill()
    assert jobs.drawn == 2
    wait.set()
    results.close()


@pytest.mark.parametrize("items", [1, 3, 8])
def test_with_several_items_in_a_job_the_bound_is_one_of_items(items: int) -> None:
    jobs = Counted()
    results = Ordered(threads(lambda job: [job] * items, 2), iter(jobs), Prefetch(8), lambda: items)
    for taken in range(1, 30):
        next(results)
        out = items - 1  # those of this result that are not handed out yet
        assert (jobs.drawn - taken) * items + out <= 8
    results.close()


def test_nobody_is_ahead_where_nobody_works_beside() -> None:
    jobs = Counted()
    done: list[int] = []

    def run(job: int) -> tuple[Any, Any]:
        done.append(job)
        return job, None

    results = Ordered(InlinePool(run), iter(jobs), Prefetch(9))
    for taken in range(1, 5):
        next(results)
        assert (jobs.drawn, len(done)) == (taken, taken)
        assert results.ready == 0


def test_an_error_in_making_jobs_comes_behind_the_results_before_it() -> None:
    def jobs() -> Iterator[int]:
        yield from range(4)
        raise OSError("no more")

    for size in (0, 3):
        pool = threads(lambda job: job, size) if size else InlinePool(lambda job: (job, None))
        results = Ordered(pool, jobs(), Prefetch(9))
        found = list(results)
        assert [value(pair) for pair in found] == [0, 1, 2, 3, OSError]
        assert found[-1][0] is None
        assert list(results) == []
        results.close()


def test_ctrl_c_while_a_job_is_made_does_not_wait_for_its_turn() -> None:
    def jobs() -> Iterator[int]:
        yield from range(2)
        raise KeyboardInterrupt

    results = Ordered(threads(lambda job: job, 2), jobs(), Prefetch(9))
    with pytest.raises(KeyboardInterrupt):
        list(results)
    results.close()


def test_a_job_may_be_put_first() -> None:
    results = Ordered(threads(lambda job: job, 2), iter(range(6)), Prefetch(4))
    found = [value(pair) for pair in islice(results, 2)]
    results.first(100)
    results.first(99)
    found += [value(pair) for pair in results]
    results.close()
    assert found == [0, 1, 99, 100, 2, 3, 4, 5]


def test_others_may_take_over_in_the_middle() -> None:
    pools = [threads(partial(named, number), 2) for number in range(3)]
    results = Ordered(pools[0], iter(range(30)), Prefetch(4))
    found = []
    for pair in results:
        found.append(value(pair))
        if len(found) == 10:
            results.replace(pools[1])
        if len(found) == 11:
            results.replace(pools[2])  # while results of the first are still to come
        if len(found) == 20:
            assert [pool._closed for pool in pools] == [True, True, False]
    results.close()
    assert [job for job, _ in found] == list(range(30))
    assert {who for _, who in found[:10]} == {0} and {who for _, who in found[20:]} == {2}
    assert all(pool._closed for pool in pools)


def test_an_inline_start_hands_over_to_workers_and_back() -> None:
    results = Ordered(InlinePool(lambda job: (job, None)), iter(range(20)), Prefetch(4))
    found = [value(next(results)) for _ in range(5)]
    pool = threads(lambda job: job, 2)
    results.replace(pool)
    found += [value(next(results)) for _ in range(5)]
    results.replace(InlinePool(lambda job: (job, None)))
    found += [value(pair) for pair in results]
    assert found == list(range(20))
    assert pool._closed


def test_closing_ends_it() -> None:
    pool = threads(lambda job: job, 2)
    results = Ordered(pool, iter(Counted()), Prefetch(4))
    next(results)
    results.close()
    results.close()
    assert pool._closed
    assert list(results) == []


def test_it_says_whether_a_result_lay_ready() -> None:
    slow, fast = threading.Event(), threading.Event()
    results = Ordered(threads(lambda job: slow.wait(10), 1), iter(range(3)), Prefetch(3))
    threading.Timer(0.05, slow.set).start()
    next(results)
    assert results.ready == 0
    fast.wait(0.05)
    next(results)
    assert results.ready == 1
    results.close()
