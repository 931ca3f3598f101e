"""Chunks that are held: each read once, however many threads ask, and never more bytes than were allowed."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import StoreError
from headrace.cubes.gathering.chunks import Chunks, Grid
from tests.cubes.oracle import Held, chunked


def ten(**more: Any) -> tuple[Held, Grid]:
    """Return a variable of ten chunks of 40 bytes each."""
    variable = chunked("a", ("x",), np.arange(50.0, dtype=np.float64), (5,), **more)
    assert variable.edges is not None
    return variable, Grid(variable.edges, 8)


def numbers(*given: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(given, np.int64)


def read(variable: Held) -> list[int]:
    return [chunk[0] for call in variable.calls for chunk in call]


def values(chunks: Chunks, variable: Held, grid: Grid, *wanted: int) -> list[float]:
    return [float(array[0]) / 5 for array in chunks.get(variable, grid, numbers(*wanted))]


def test_what_is_held_is_not_read_again() -> None:
    variable, grid = ten()
    chunks = Chunks(1000)
    assert values(chunks, variable, grid, 3, 1) == [3, 1]
    assert values(chunks, variable, grid, 1, 2, 3) == [1, 2, 3]
    assert variable.calls == [[(3,), (1,)], [(2,)]]
    assert chunks.nbytes == 120


def test_the_least_recently_used_makes_room() -> None:
    variable, grid = ten()
    chunks = Chunks(120)
    for wanted in (0, 1, 2, 0, 3, 0, 1):
        values(chunks, variable, grid, wanted)
    assert read(variable) == [0, 1, 2, 3, 1]
    assert chunks.nbytes == 120


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), unique=True, min_size=1), max_size=8), st.integers(0, 500))
def test_a_bound_holds_whatever_is_asked_for(asked: list[list[int]], limit: int) -> None:
    variable, grid = ten()
    chunks = Chunks(limit)
    for wanted in asked:
        before = len(read(variable))
        seen = []
        for places, arrays in chunks.each(variable, grid, numbers(*wanted)):
            assert len(arrays) * 40 <= max(limit, 40)
            assert chunks.nbytes <= limit
            assert [array[0] / 5 for array in arrays] == [wanted[place] for place in places]
            seen += [wanted[place] for place in places]
        assert sorted(seen) == sorted(wanted)
        fresh = read(variable)[before:]
        assert len(set(fresh)) == len(fresh)


def test_chunks_that_are_held_come_first_so_that_they_need_not_be_read_again() -> None:
    variable, grid = ten()
    chunks = Chunks(120)
    values(chunks, variable, grid, 7, 8, 9)
    list(chunks.each(variable, grid, numbers(*range(10))))
    assert sorted(read(variable)) == list(range(10))


def test_a_chunk_above_the_bound_is_given_and_not_held() -> None:
    variable, grid = ten()
    chunks = Chunks(39)
    assert values(chunks, variable, grid, 3) == [3]
    assert values(chunks, variable, grid, 3) == [3]
    assert chunks.nbytes == 0
    assert read(variable) == [3, 3]


def test_the_bound_can_be_raised_and_is_never_lowered() -> None:
    variable, grid = ten()
    chunks = Chunks(40)
    chunks.reserve(80)
    chunks.reserve(10)
    assert chunks.limit == 80
    values(chunks, variable, grid, 1, 2)
    assert chunks.nbytes == 80


def test_variables_do_not_mix() -> None:
    variable, grid = ten()
    other = chunked("b", ("x",), -variable.array, (5,))
    chunks = Chunks(1000)
    assert values(chunks, variable, grid, 1) == [1]
    assert values(chunks, other, grid, 1) == [-1]


# Threads


def test_threads_that_want_the_same_chunk_wait_for_one_read() -> None:
    gate = threading.Event()
    variable, grid = ten(gate=gate)
    chunks = Chunks(1000)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(values, chunks, variable, grid, 4) for _ in range(8)]
        _until(lambda: bool(variable.calls))
        gate.set()
        assert [one.result(30) for one in asked] == [[4]] * 8
    assert variable.calls == [[(4,)]]


def test_different_chunks_are_read_at_the_same_time() -> None:
    gate = threading.Event()
    variable, grid = ten(gate=gate)
    chunks = Chunks(1000)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(values, chunks, variable, grid, *wanted) for wanted in ((1, 2), (2, 3), (4,))]
        _until(lambda: len(variable.calls) == 3)  # no read waits for another one
        gate.set()
        assert [one.result(30) for one in asked] == [[1, 2], [2, 3], [4]]
    assert sorted(read(variable)) == [1, 2, 3, 4]


def test_many_threads_in_any_order_read_each_chunk_once() -> None:
    variable, grid = ten()
    chunks = Chunks(1000)
    rng = np.random.default_rng(0)
    orders = [rng.permutation(10)[: rng.integers(1, 10)] for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda order: values(chunks, variable, grid, *order.tolist()), orders))
    assert found == [order.tolist() for order in orders]
    assert len(read(variable)) == len(set(read(variable)))


def test_many_threads_and_little_room() -> None:
    variable, grid = ten()
    chunks = Chunks(80)
    rng = np.random.default_rng(0)
    orders = [rng.permutation(10) for _ in range(100)]

    def all_of(order: np.ndarray[Any, Any]) -> list[float]:
        found = {}
        for places, arrays in chunks.each(variable, grid, order):
            found.update({place: float(array[0]) / 5 for place, array in zip(places, arrays, strict=True)})
        return [found[place] for place in range(10)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(all_of, orders)) == [order.tolist() for order in orders]
    assert chunks.nbytes <= 80


def test_a_failure_is_raised_to_all_who_wait_and_not_held() -> None:
    gate = threading.Event()
    variable, grid = ten(gate=gate, broken=frozenset({(4,)}))
    chunks = Chunks(1000)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(values, chunks, variable, grid, *wanted) for wanted in ((4,), (4,), (4, 5), (4,))]
        _until(lambda: len(variable.calls) >= 1)
        gate.set()
        for one in asked:
            with pytest.raises(StoreError, match=r"'a': chunk \(4,\)"):
                one.result(30)
    variable.broken = frozenset()
    assert values(chunks, variable, grid, 4) == [4]


def test_who_wants_a_chunk_that_was_read_beside_a_damaged_one_gets_it() -> None:
    gate = threading.Event()
    variable, grid = ten(gate=gate, broken=frozenset({(4,)}))
    chunks = Chunks(1000)
    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(values, chunks, variable, grid, 3, 4)
        _until(lambda: len(variable.calls) == 1)
        waiting = pool.submit(values, chunks, variable, grid, 3)
        gate.set()
        with pytest.raises(StoreError, match="chunk"):
            failing.result(30)
        assert waiting.result(30) == [3]


def test_an_interrupted_read_leaves_nobody_waiting() -> None:
    class Interrupted(Held):
        def read(self, wanted: Any) -> Any:
            if not self.calls:
                self.calls.append(list(wanted))
                raise KeyboardInterrupt
            return super().read(wanted)

    variable, grid = ten()
    broken = Interrupted("a", ("x",), variable.array, variable.edges)
    chunks = Chunks(1000)
    with pytest.raises(KeyboardInterrupt):
        chunks.get(broken, grid, numbers(1))
    assert values(chunks, broken, grid, 1) == [1]


# Other processes


def test_it_arrives_empty() -> None:
    variable, grid = ten()
    chunks = Chunks(1000)
    chunks.reserve(2000)
    values(chunks, variable, grid, 1)
    other = pickle.loads(pickle.dumps(chunks))
    assert (other.nbytes, other.limit) == (0, 2000)
    assert values(other, variable, grid, 1) == [1]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_begins_anew_even_while_a_thread_reads() -> None:
    gate = threading.Event()
    variable, grid = ten(gate=gate)
    chunks = Chunks(1000)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def child() -> None:
        variable.gate = None
        answers.put((chunks.nbytes, values(chunks, variable, grid, 2, 1)))

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(values, chunks, variable, grid, 1)
        _until(lambda: bool(variable.calls))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: that is the point
            process = context.Process(target=child)
            process.start()
        assert answers.get() == (0, [2, 1])
        process.join(30)
        assert process.exitcode == 0
        gate.set()
        assert reading.result(30) == [1]


def _until(done: Any) -> None:
    waiting = threading.Event()
    for _ in range(3000):
        if done():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not come to that in 30 seconds")
