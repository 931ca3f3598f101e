"""Work done in threads: for functions that let go of the interpreter's lock, and for reads that wait."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from headrace.core.arguments import whole
from headrace.workers.inline import answer
from headrace.workers.work import Desk, Done, Failed, Run, Work

_GRACE = 5.0  # seconds that closing waits for jobs that run; a thread cannot be stopped, and ends by itself after that


@dataclass(frozen=True)
class Threads:
    """Workers that are threads of this process.

    They share the data as it is and start at once. Use them where the time goes into NumPy, decoding, or waiting for
    disks and networks, all of which let other threads run meanwhile; Python code itself runs in one thread at a time.

    Args:
        count: How many, at least 1.

    >>> import headrace as hr
    >>> ds = hr.Dataset(range(6)).map(lambda x: x * x).batch(2)
    >>> ds.stream(workers=hr.Threads(2)).list()
    [array([0, 1]), array([4, 9]), array([16, 25])]

    Raises:
        ArgumentError: The count is below 1.
        KindError: It is no whole number.
    """

    count: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", whole(self.count, "threads", 1))

    def open(self, work: Work, depth: int, copy: bool) -> ThreadPool:
        return ThreadPool(work, self.count)

    @property
    def size(self) -> int:
        return self.count

    def words(self) -> str:
        return "1 thread" if self.count == 1 else f"{self.count} threads"


class ThreadTicket:
    """A job in a queue."""

    __slots__ = ("_done", "_outcome", "job")

    def __init__(self, job: Any) -> None:
        self.job = job
        self._done = threading.Lock()
        self._done.acquire()
        self._outcome: Done | Failed | None = None

    def settle(self, outcome: Done | Failed) -> None:
        self._outcome = outcome
        self._done.release()

    def ready(self) -> bool:
        return not self._done.locked()

    def result(self) -> Done | Failed:
        with self._done:  # a thread answers each job that it takes, and closing answers those that none has taken
            outcome = self._outcome
        assert outcome is not None
        return outcome


class ThreadPool:
    """Threads that take jobs from one queue."""

    def __init__(self, work: Work, count: int) -> None:
        self.size = count
        self._queue: SimpleQueue[ThreadTicket | None] = SimpleQueue()
        self._threads = [
            threading.Thread(
                target=_serve, args=(work, Desk(index=index, count=count), self._queue), daemon=True, name="headrace"
            )
            for index in range(count)
        ]
        self._closed = False
        for thread in self._threads:
            thread.start()

    def submit(self, job: Any) -> ThreadTicket:
        ticket = ThreadTicket(job)
        self._queue.put(ticket)
        return ticket

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        _drop(self._queue)
        for _ in self._threads:
            self._queue.put(None)
        until = monotonic() + _GRACE
        for thread in self._threads:
            if thread is not threading.current_thread():  # a job itself may let go of the last reference
                thread.join(max(0.0, until - monotonic()))

    def __del__(self) -> None:
        if getattr(self, "_threads", None) and not self._closed:
            self.close()


def _drop(queue: SimpleQueue[ThreadTicket | None]) -> None:
    """Answer the jobs that nobody has begun."""
    while True:
        try:
            ticket = queue.get_nowait()
        except Empty:
            return
        if ticket is not None:
            ticket.settle(Failed(RuntimeError("the workers were closed before this job began"), 0.0))


def _serve(work: Work, desk: Desk, queue: SimpleQueue[ThreadTicket | None]) -> None:
    """Do jobs until there are no more; knows the queue alone, so that a pool nobody holds can be collected."""
    run: Run | None = None
    while (ticket := queue.get()) is not None:
        if run is None:
            try:
                run = work.open(desk)
            except BaseException as error:
                ticket.settle(Failed(error, 0.0))
                ticket = None
                continue
        ticket.settle(answer(run, ticket.job))
        ticket = None  # while waiting for the next, nothing is held on to
