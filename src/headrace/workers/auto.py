"""``workers="auto"``: ways of working are tried on the first batches of the run itself, and the fastest is kept.

What is compared is the time from one item handed out to the next, the consumer's own work included, so a way of working
that makes batches faster than anybody wants them gains nothing by it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headrace.workers.inline import Inline, InlinePool
from headrace.workers.prefetch import Prefetch
from headrace.workers.threads import Threads
from headrace.workers.work import Desk, Pool, Work, Workers

_LEAST_JOBS = 8
_MOST_JOBS = 64
_SECONDS = 0.05  # that a way of working is measured for, at least
_GAIN = 0.95  # of the time of a simpler way, below which another is worth it
_QUICK = 2e-4  # seconds: what takes less gains nothing from a thread of its own
_SMALL = 1e-3  # seconds: what takes less gains nothing from a process of its own
_WORTH = 3.0  # seconds of work left, below which neither trials pay nor starting processes
_HOPELESS = 1.5  # times the best so far: a trial that is as slow after some items is over
_MOST = 8  # workers that are tried: who wants more says so


def cores() -> int:
    """Return how many processors this process may use, a container's limit included.

    >>> cores() >= 1
    True
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = Path("/sys/fs/cgroup/cpu.max")
    try:
        quota, period = limit.read_text().split()[:2]
    except (OSError, ValueError):  # no container, or one of another kind
        return allowed
    return allowed if quota == "max" else max(1, min(allowed, math.ceil(int(quota) / int(period))))


@dataclass(frozen=True)
class Auto:
    """Workers that are chosen as the run goes on; it begins inline.

    Args:
        processes: Makes so many workers that are processes.
    """

    processes: Callable[[int], Workers]

    def open(self, work: Work, depth: int, copy: bool) -> Pool:
        return InlinePool(work.open(Desk()))

    @property
    def size(self) -> int:
        return 0

    def words(self) -> str:
        return "auto"


@dataclass
class Trial:
    """A way of working, and how long an item took with it, in seconds."""

    workers: Workers
    seconds: float = math.inf

    def words(self) -> str:
        return f"{self.workers.words()} {self.seconds * 1e3:.3g} ms"


class Tuner:
    """Goes through ways of working while items are handed out.

    Args:
        prefetch: The bounds; items that lie ready when a trial begins do not count.
        count: How many processors there are.
        left: How many items are left at the beginning; None where that is not known.
        processes: Makes so many workers that are processes.
    """

    def __init__(self, prefetch: Prefetch, count: int, left: int | None, processes: Callable[[int], Workers]) -> None:
        self._processes = processes
        self._may_start = True  # processes were not tried yet
        self._prefetch = prefetch
        self._cores = count
        self._left = math.inf if left is None else left
        self._trials: list[Trial] = [Trial(Inline())]
        self._jobs = 0
        self._items = 0
        self._began = 0.0
        self._waited = 0.0
        self._service = 0.0
        self._done = count < 1
        self._settled = False
        self.why = "trying: inline"
        """What was chosen and why, as far as that is known."""

    def handed_out(self, now: float, waited: float, service: float, items: int = 1) -> Workers | None:
        """Note that a job's items are handed out; return who works from now on, where that changes.

        Args:
            now: The time, of ``perf_counter``.
            waited: Seconds that they were waited for.
            service: Seconds that they took their worker.
            items: How many there are.
        """
        if self._done:
            return None
        self._jobs += 1
        self._left -= items
        measured = self._jobs - self._skipped
        if measured <= 0:
            self._began, self._waited, self._service, self._items = now, 0.0, 0.0, 0
            return None
        self._waited += waited
        self._service += service
        self._items += items
        seconds = now - self._began
        if measured < _LEAST_JOBS:
            return None
        hopeless = seconds > _HOPELESS * self._items * min(trial.seconds for trial in self._trials)
        clear = hopeless or (len(self._trials) == 1 and self._service < _QUICK * self._items)
        if seconds < _SECONDS and measured < _MOST_JOBS and not clear:
            return None
        self._trials[-1].seconds = seconds / max(self._items, 1)
        return self._next(seconds)

    @property
    def _skipped(self) -> int:
        """How many jobs of a trial do not count: the first, and those made by who worked before, or while it filled."""
        size = self._trials[-1].workers.size
        return 1 + (self._prefetch.depth(size) + size if size else 0)

    def _next(self, seconds: float) -> Workers | None:
        """A trial is over: begin another, or choose."""
        if len(self._trials) == 1:
            self._each = self._service / max(self._items, 1)
            if self._waited < (1 - _GAIN) * seconds:
                return self._choose(f"the consumer takes {1 - self._waited / seconds:.0%} of the time")
            if self._each < _QUICK:
                return self._choose("an item takes less time than to hand it over")
            if self._left * self._each < _WORTH:
                return self._choose("what is left is done before trials pay")
        following = self._following()
        if following is None:
            return self._choose()
        self._trials.append(Trial(following))
        self._jobs = 0
        self.why = f"trying: {following.words()}"
        return following

    def _following(self) -> Workers | None:
        """Return what is worth a trial."""
        tried = {trial.workers.words(): trial.seconds for trial in self._trials}
        inline = tried["inline"]
        if "1 thread" not in tried:
            return Threads(1)
        one = tried["1 thread"]
        if "2 threads" not in tried:
            return Threads(2) if self._cores > 1 else None
        two, many = tried["2 threads"], min(self._cores, _MOST)
        if two < 0.87 * one:  # threads run side by side
            return Threads(many) if many > 2 and f"{many} threads" not in tried else None
        heavy = self._each > _SMALL and self._left * self._each > _WORTH
        helped = min(one, two) < 0.6 * inline
        if not heavy or helped or not self._may_start:
            return None
        self._may_start = False
        return self._processes(many)

    @property
    def stays_inline(self) -> bool:
        """Whether it has settled for no workers, and has none."""
        return self._done and self._settled

    def failed(self, error: Exception) -> Workers | None:
        """Note that a way of working cannot be used here; return who works from now on."""
        self._trials.pop()
        return self._choose(f"no processes: {error}"[:300])

    def _choose(self, because: str = "") -> Workers | None:
        """Settle for the fastest; a simpler one is kept where the gain is small."""
        self._done = True
        best = self._trials[0]
        for trial in self._trials[1:]:
            if trial.seconds < _GAIN * best.seconds:
                best = trial
        measured = ", ".join(trial.words() for trial in self._trials)
        self.why = f"{best.workers.words()}: of {measured} an item on {self._cores} cores"
        self.why += f"; {because}" if because else ""
        self._settled = best is self._trials[-1] is self._trials[0]
        return None if best is self._trials[-1] else best.workers
