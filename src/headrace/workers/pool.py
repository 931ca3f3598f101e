"""Processes that were given one work, as the engine sees them."""

from __future__ import annotations

import weakref
from typing import Any

from headrace.workers.crew import Crew as Crew
from headrace.workers.delivery import Delivery, Slip
from headrace.workers.work import Done, Failed, Work


class ProcessPool:
    """Processes that were given one work."""

    def __init__(self, crew: Crew, work: Work, depth: int, copy: bool, owner: Any) -> None:
        self.size = crew.count
        self._owner = owner  # lives as long as its workers are in use
        self._delivery = Delivery(crew, work, depth, copy)
        self._leave = self._delivery.close if owner is None else self._delivery.retire
        self._last = weakref.finalize(self, self._leave)
        try:
            self._delivery.begin()
        except BaseException:
            self.close()
            raise

    def submit(self, job: Any) -> ProcessTicket:
        return ProcessTicket(self, self._delivery.submit(job))

    def close(self) -> None:
        self._leave()
        self._last.detach()  # not before: closing may be interrupted, and has to be finished then


class ProcessTicket:
    """A job that was handed to processes."""

    __slots__ = ("_pool", "_slip")

    def __init__(self, pool: ProcessPool, slip: Slip) -> None:
        self._pool = pool
        self._slip = slip

    def ready(self) -> bool:
        return self._pool._delivery.is_ready(self._slip)

    def result(self) -> Done | Failed:
        return self._pool._delivery.result(self._slip)
