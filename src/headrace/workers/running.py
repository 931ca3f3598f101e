"""A run: workers are started for some work, results come in order, measured: what cursors with workers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from headrace.core.errors import ArgumentError, WorkerError
from headrace.core.ledger import Ledger
from headrace.core.meter import Laps
from headrace.workers.auto import Auto, Tuner, cores
from headrace.workers.ordered import Ordered
from headrace.workers.prefetch import Prefetch
from headrace.workers.work import Done, Failed, Work, Workers

_SPARE = 3  # jobs beyond the prefetch: one whose result is awaited, and some that are asked for again


class Running:
    """Workers at work.

    Args:
        workers: Who works.
        work: What they do.
        jobs: What there is to do.
        prefetch: How far they run ahead.
        copy: Whether values are owned.
        ledger: Where is kept what is measured.
        left: How many items there are at most; None where that is not known.
        weigh: Says how many items the next job will be, where prefetch bounds these and not jobs.

    Raises:
        WorkerError: They cannot be started, or not be given the work.
    """

    def __init__(
        self,
        workers: Workers,
        work: Work,
        jobs: Iterator[Any],
        prefetch: Prefetch,
        copy: bool,
        ledger: Ledger,
        left: int | None = None,
        weigh: Callable[[], int] | None = None,
    ) -> None:
        self._work = work
        self._prefetch = prefetch
        self._copy = copy
        self._ledger = ledger
        self._asked = 0.0
        self._tuner: Tuner | None = None
        if isinstance(workers, Auto):
            self._tuner = Tuner(prefetch, cores(), left, workers.processes)
        self._results = Ordered(self._open(workers), jobs, prefetch, weigh)

    def _open(self, workers: Workers) -> Any:
        meter = self._ledger.meter
        meter.workers, meter.size = workers.words(), workers.size
        return workers.open(self._work, self._prefetch.depth(workers.size) + _SPARE, self._copy)

    def next(self) -> tuple[Any, Done | Failed]:
        """Wait for the next result, and return it with its job; None for a job that could not be made.

        Raises:
            StopIteration: There are no more.
        """
        self._asked = self._ledger.meter.start()
        return next(self._results)

    def handed_out(self, done: Done, laps: Laps, items: int, records: int) -> None:
        """Note what came: how long each stage took, and how many items and records it is."""
        meter = self._ledger.meter
        if laps:
            meter.add(laps)
        meter.deliver(self._asked, done.seconds, done.nbytes, items, records, self._results.ready)
        if self._tuner is not None and items:
            self._tune(self._tuner, done.seconds, items)

    def _tune(self, tuner: Tuner, seconds: float, items: int) -> None:
        now = perf_counter()
        workers = tuner.handed_out(now, now - self._asked, seconds, items)
        while workers is not None:
            try:
                self._results.replace(self._open(workers))
                break
            except (ArgumentError, WorkerError) as error:
                workers = tuner.failed(error)
        self._ledger.meter.why = tuner.why

    @property
    def is_straight(self) -> bool:
        """Whether it was found that no workers are best, so that a ``Straight`` run may go on in its place."""
        return self._tuner is not None and self._tuner.stays_inline

    def first(self, job: Any) -> None:
        """Hand in a job whose result comes next."""
        self._results.first(job)

    def close(self) -> None:
        """Let the workers go."""
        self._results.close()
