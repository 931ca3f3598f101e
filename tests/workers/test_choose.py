"""Workers as a user asks for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headrace import ArgumentError, KindError
from headrace.workers.auto import Auto
from headrace.workers.choose import as_workers
from headrace.workers.executors import Executors
from headrace.workers.inline import Inline
from headrace.workers.prefetch import Prefetch
from headrace.workers.processes import Processes
from headrace.workers.threads import Threads


def test_a_number_a_word_or_an_object_says_who_works() -> None:
    assert as_workers(0) == (Inline(), Prefetch())
    assert as_workers(3)[0] == Processes(3)
    assert isinstance(as_workers("auto")[0], Auto)
    for given in (Threads(2), Processes(1), Inline()):
        assert as_workers(given, 4) == (given, Prefetch(4))
    with ThreadPoolExecutor(3) as executor:
        made = as_workers(executor)[0]
        assert isinstance(made, Executors) and made.executor is executor
        assert (made.size, made.words()) == (3, "ThreadPoolExecutor(3)")


def test_a_prefetch_without_workers_asks_for_a_thread() -> None:
    assert as_workers(0, 2) == (Threads(1), Prefetch(2))
    assert as_workers(0, "1 MB") == (Threads(1), Prefetch(None, 1_000_000))


@pytest.mark.parametrize("workers", [-1, "all", "2", ""])
def test_what_cannot_be_meant_is_refused(workers: Any) -> None:
    with pytest.raises(ArgumentError, match="workers must be"):
        as_workers(workers)


@pytest.mark.parametrize("workers", [None, 2.0, [2], Threads, object(), True])
def test_another_kind_is_refused(workers: Any) -> None:
    with pytest.raises(KindError, match="workers must be"):
        as_workers(workers)
