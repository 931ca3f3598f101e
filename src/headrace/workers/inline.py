"""Work done by whoever asks for it, when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

from headrace.core.sizes import nbytes_of
from headrace.workers.work import Desk, Done, Failed, Pool, Run, Work


def answer(run: Run, job: Any) -> Done | Failed:
    """Do a job, and say how it went; an error of whatever kind is an answer."""
    began = perf_counter()
    try:
        value, notes = run(job)
    except BaseException as error:
        return Failed(error, perf_counter() - began)
    return Done(value, notes, perf_counter() - began, nbytes_of(value))


class InlinePool:
    """Nobody beside the consumer: a job waits until its result is asked for."""

    __slots__ = ("_run",)
    size = 0

    def __init__(self, run: Run) -> None:
        self._run = run

    def submit(self, job: Any) -> InlineTicket:
        return InlineTicket(self._run, job)

    def close(self) -> None:
        """Nothing runs."""


class InlineTicket:
    """A job that runs when its result is asked for; Ctrl-C and the like are raised right there."""

    __slots__ = ("_job", "_run")

    def __init__(self, run: Run, job: Any) -> None:
        self._run = run
        self._job = job

    def ready(self) -> bool:
        return False

    def result(self) -> Done | Failed:
        began = perf_counter()
        try:
            value, notes = self._run(self._job)
        except Exception as error:
            return Failed(error, perf_counter() - began)
        return Done(value, notes, perf_counter() - began, nbytes_of(value))


@dataclass(frozen=True)
class Inline:
    """No workers at all."""

    def open(self, work: Work, depth: int, copy: bool) -> Pool:
        return InlinePool(work.open(Desk()))

    @property
    def size(self) -> int:
        return 0

    def words(self) -> str:
        return "inline"
