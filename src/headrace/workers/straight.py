"""A run without workers: each job is done when its result is asked for, with next to nothing around it."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

from headrace.core.batch import Batch
from headrace.core.ledger import Ledger
from headrace.core.meter import Laps
from headrace.core.sizes import nbytes_of, records_in
from headrace.workers.work import Desk, Done, Failed, Work

_WEIGHED = 16  # results: of so many one is weighed, where a job is one item


class Straight:
    """What a ``Running`` is, of work that the consumer does itself: the same results in less time.

    Args:
        work: What there is to do.
        jobs: One after the other.
        ledger: Where is kept what is measured.
    """

    __slots__ = ("_jobs", "_ledger", "_nbytes", "_one", "_run", "_unweighed")

    def __init__(self, work: Work, jobs: Iterator[Any], ledger: Ledger) -> None:
        self._run = work.open(Desk(flushes=True))
        self._one = getattr(self._run, "one", None)
        self._jobs: Iterator[Any] | None = jobs
        self._ledger = ledger
        self._nbytes = 0
        self._unweighed = 0
        ledger.meter.workers, ledger.meter.size = "inline", 0

    def next(self) -> tuple[Any, Done | Failed]:
        """Do the next job, and return the result with it; None for a job that could not be made.

        Raises:
            StopIteration: There are no more.
        """
        began = perf_counter()
        try:
            job = self._next_job()
        except StopIteration:
            raise
        except Exception as error:
            return None, Failed(error, 0.0)
        try:
            value, notes = self._run(job)
        except Exception as error:
            return job, Failed(error, perf_counter() - began)
        if self._unweighed and len(value) == 1:
            self._unweighed -= 1  # batches are alike as a rule, and weighing one costs as much as a small one does
        else:
            self._nbytes = nbytes_of(value)
            self._unweighed = _WEIGHED - 1
        meter = self._ledger.meter
        if meter.began is None:
            meter.began = began
        meter.ended = now = perf_counter()
        return job, Done(value, notes, now - began, self._nbytes)

    def _next_job(self) -> Any:
        if self._jobs is None:
            raise StopIteration
        try:
            return next(self._jobs)
        except Exception:
            self._jobs = None
            raise

    def handed_out(self, done: Done, laps: Laps, items: int, records: int) -> None:
        """Note what came: how long each stage took, and how many items and records it is."""
        meter = self._ledger.meter
        if laps:
            meter.add(laps)
        seconds = done.seconds
        meter.waited += seconds
        meter.service += seconds
        meter.delivered += items
        meter.delivered_bytes += done.nbytes
        meter.records += records

    def one(self, epoch: int, step: int) -> Any:
        """Return the item of a step, and note that it was handed out: a job without all that is said around it.

        The jobs do not know of it: ``renew`` them before the next one.
        """
        assert self._one is not None
        began = perf_counter()
        item = self._one(epoch, step)
        if self._unweighed:
            self._unweighed -= 1
        else:
            self._weigh(item)
        meter = self._ledger.meter
        meter.ended = now = perf_counter()
        meter.waited += now - began
        meter.service += now - began
        meter.delivered += 1
        meter.delivered_bytes += self._nbytes
        meter.records += item._length if type(item) is Batch else records_in(item)
        return item

    def _weigh(self, item: Any) -> None:
        """Weigh an item, and note what the work has measured since the last time."""
        self._nbytes = nbytes_of(item)
        self._unweighed = _WEIGHED - 1
        self._ledger.meter.add(self._flushed())

    def _flushed(self) -> Laps:
        flush = getattr(self._run, "flush", None)
        laps: Laps = {} if flush is None else flush()
        return laps

    def renew(self, jobs: Iterator[Any]) -> None:
        """Go on with other jobs."""
        self._jobs = jobs

    def close(self) -> None:
        """Note what is not told of yet, and let go of the work."""
        self._jobs = None
        self._ledger.meter.add(self._flushed())
        self._run, self._one = _ended, None


def _ended(job: Any) -> tuple[Any, Any]:
    raise RuntimeError("the run was closed")
