"""The same batches, byte for byte, whoever makes them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace import Dataset, Processes, Threads
from tests.whole.pipelines import IN_BACKGROUND, PIPELINES, digests

NAMES = [name for name in PIPELINES if name != "tensors"]  # each process that loads torch takes a second for that


def in_processes(count: int) -> Executor:
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


# Each is made once, and serves all pipelines; what is started anew for each of them stands in BY_HAND.
KINDS: dict[str, Callable[[], Any]] = {
    "0": lambda: 0,
    "1 thread": lambda: Threads(1),
    "2 threads": lambda: Threads(2),
    "5 threads": lambda: Threads(5),
    "1 process": lambda: Processes(1, persistent=True),
    "2 processes": lambda: Processes(2, persistent=True),
    "5 processes": lambda: Processes(5, persistent=True),
    "2 processes, spawned": lambda: Processes(2, start_method="spawn", persistent=True),
    "2 processes, forked": lambda: Processes(2, start_method="fork", persistent=True),
    "an executor of 1 thread": lambda: ThreadPoolExecutor(1),
    "an executor of 5 threads": lambda: ThreadPoolExecutor(5),
    "an executor of 2 processes": lambda: in_processes(2),
    "auto": lambda: "auto",
}


@cache
def unbroken(name: str) -> list[str]:
    """Return what a pipeline gives without workers."""
    return digests(PIPELINES[name]({}))


@pytest.fixture(scope="module", params=KINDS)
def workers(request: pytest.FixtureRequest) -> Iterator[Any]:
    with ExitStack() as stack:
        made = KINDS[request.param]()
        if isinstance(made, Processes | Executor):
            stack.enter_context(made)
        yield made


@pytest.mark.parametrize("name", NAMES)
def test_all_kinds_of_workers_give_the_same_bytes(workers: Any, name: str) -> None:
    assert digests(PIPELINES[name]({"workers": workers})) == unbroken(name)


@pytest.mark.torch
def test_tensors_are_the_same_too() -> None:
    name = "tensors"
    expected = unbroken(name)
    assert digests(PIPELINES[name]({"workers": Threads(2)})) == expected
    assert digests(PIPELINES[name]({"workers": 1})) == expected
    assert digests(PIPELINES[name]({}).background(copy=False)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_views_of_shared_memory_hold_the_same_bytes(name: str) -> None:
    assert digests(PIPELINES[name]({"workers": 2, "copy": False})) == unbroken(name)


@pytest.mark.parametrize("name", NAMES)
def test_views_that_are_all_kept_hold_the_same_bytes(name: str) -> None:
    items = PIPELINES[name]({"workers": Processes(2), "copy": False, "prefetch": 2}).list()
    assert digests(items) == unbroken(name)


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("name", IN_BACKGROUND)
def test_a_stream_in_the_background_gives_the_same_bytes(name: str, copy: bool) -> None:
    assert digests(PIPELINES[name]({}).background(copy=copy)) == unbroken(name)


def test_in_the_background_there_may_be_workers_too() -> None:
    name = "right of the crossing"
    assert digests(PIPELINES[name]({"workers": 2}).background()) == unbroken(name)


@pytest.mark.parametrize("prefetch", [1, (3, 100)])
def test_how_far_workers_run_ahead_changes_nothing(prefetch: Any) -> None:
    for name, workers in (("random maps of records", Threads(3)), ("right of the crossing", 2)):
        assert digests(PIPELINES[name]({"workers": workers, "prefetch": prefetch})) == unbroken(name)


@pytest.mark.parametrize("method", ["explicit", "keyed"])
@pytest.mark.parametrize("workers", [Threads(3), 2], ids=["threads", "processes"])
def test_the_next_epochs_order_is_the_same_when_it_is_made_ahead(workers: Any, method: Any) -> None:
    ds = Dataset(n=np.arange(40_000)).shuffle(seed=5, method=method).batch(250)
    orders = [np.concatenate([batch["n"] for batch in ds.stream(3, workers=who)]) for who in (0, workers)]
    assert len(orders[0]) == 3 * 40_000
    assert np.array_equal(orders[0], orders[1])
    epochs = orders[1].reshape(3, 40_000)
    assert not np.array_equal(epochs[0], epochs[1])
    assert all(np.array_equal(np.sort(epoch), np.arange(40_000)) for epoch in epochs)


def test_a_state_that_some_workers_saved_is_resumed_by_others() -> None:
    name = "right of the crossing"
    whole = unbroken(name)
    found: list[str] = []
    state = None
    kinds: list[Any] = [0, Threads(2), 2, hr.Processes(1, start_method="spawn"), "auto", Threads(5), 5]
    for workers in kinds:
        stream = PIPELINES[name]({"workers": workers})
        with iter(stream if state is None else stream.resume(state)) as iterator:
            found += digests(item for _, item in zip(range(5), iterator))
            state = iterator.state_dict()
    assert found == whole[: 5 * len(kinds)]
    assert len(whole) >= 5 * len(kinds)
