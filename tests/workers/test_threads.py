"""Threads as workers: what they answer, and that none is left."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest

from headrace import ArgumentError, KindError
from headrace.workers.threads import Threads
from headrace.workers.work import Desk, Done, Failed, Run
from tests.workers.jobs import Call, done


def alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "headrace"]


@pytest.fixture(autouse=True)
def _none_is_left() -> Any:
    yield
    gc.collect()
    until = time.monotonic() + 5
    while alive() and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive()


@dataclass(frozen=True)
class Opening(Call):
    """Work whose opening fails, or is looked at."""

    def open(self, desk: Desk) -> Run:
        self.function(desk)
        return super().open(desk)


def test_settings_are_checked_and_told() -> None:
    assert (Threads(1).words(), Threads(3).words(), Threads(3).size) == ("1 thread", "3 threads", 3)
    with pytest.raises(ArgumentError, match="threads must be"):
        Threads(0)
    for count in (1.5, "2", None, True):
        with pytest.raises(KindError, match="threads must be"):
            Threads(count)  # type: ignore[arg-type]


def test_each_thread_opens_the_work_once_and_has_a_number() -> None:
    desks: list[Desk] = []
    both = threading.Barrier(2, timeout=10)
    pool = Threads(2).open(
        Opening(lambda given: desks.append(given) if isinstance(given, Desk) else both.wait()), 4, True
    )
    for ticket in [pool.submit(job) for job in range(6)]:
        done(ticket.result())
    pool.close()
    assert sorted((desk.index, desk.count) for desk in desks) == [(0, 2), (1, 2)]
    assert desks[0].buffers is not desks[1].buffers


@pytest.mark.parametrize("kind", [ValueError, StopIteration, GeneratorExit, KeyboardInterrupt, SystemExit, MemoryError])
def test_an_error_of_any_kind_is_an_answer_and_the_thread_goes_on(kind: type[BaseException]) -> None:
    def work(job: int) -> int:
        if job == 1:
            raise kind("mine")
        return job

    pool = Threads(1).open(Call(work), 4, True)
    outcomes = [ticket.result() for ticket in [pool.submit(job) for job in range(3)]]
    pool.close()
    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Done]
    failed = outcomes[1]
    assert isinstance(failed, Failed) and type(failed.error) is kind


def test_work_that_cannot_be_opened_fails_each_job() -> None:
    def fail(desk: Desk) -> None:
        raise OSError("no such file")

    pool = Threads(2).open(Opening(fail), 4, True)
    for ticket in [pool.submit(job) for job in range(5)]:
        outcome = ticket.result()
        assert isinstance(outcome, Failed) and str(outcome.error) == "no such file"
    pool.close()


def test_closing_answers_the_jobs_that_nobody_has_begun() -> None:
    begun, wait = threading.Event(), threading.Event()

    def work(job: int) -> bool:
        begun.set()
        return wait.wait(10)

    pool = Threads(1).open(Call(work), 4, True)
    tickets = [pool.submit(job) for job in range(3)]
    begun.wait(10)
    threading.Timer(0.02, wait.set).start()
    pool.close()
    assert isinstance(tickets[0].result(), Done)
    for ticket in tickets[1:]:
        outcome = ticket.result()
        assert isinstance(outcome, Failed) and "closed before this job began" in str(outcome.error)
    pool.close()


def test_a_pool_that_nobody_holds_ends_its_threads() -> None:
    pool = Threads(3).open(Call(lambda job: job), 4, True)
    assert done(pool.submit(1).result()) == 1
    assert len(alive()) == 3
    del pool
    gc.collect()
    assert not alive()


def test_a_job_may_let_go_of_the_pool_itself() -> None:
    held: list[Any] = []
    pool = Threads(1).open(Call(lambda job: held.pop().close()), 4, True)
    held.append(pool)
    assert done(pool.submit(0).result()) is None
    pool.close()


def test_nothing_of_a_job_is_held_while_a_thread_waits() -> None:
    class Large:
        freed = threading.Event()

        def __del__(self) -> None:
            Large.freed.set()

    pool = Threads(1).open(Call(lambda job: Large()), 4, True)
    ticket = pool.submit(Large())
    done(ticket.result())
    del ticket
    assert Large.freed.wait(5)
    pool.close()
