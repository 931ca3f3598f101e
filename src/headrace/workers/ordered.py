"""The engine: a map over jobs whose results come in the order of the jobs, bounded in number and in bytes.

Inline, threads, processes and executors differ only in the pool. Nothing is read from the jobs before there is room for
the result, so a consumer that pauses stops the producers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Self

from headrace.workers.prefetch import Prefetch
from headrace.workers.work import Done, Failed, Pool, Ticket


class Ordered:
    """Results of jobs, one after the other, each with its job.

    An error in making the jobs (they may be drawn from a stream) comes when the results before it have been handed out.

    Args:
        pool: Who does them.
        jobs: What there is to do; drawn from only as far as the bounds allow.
        prefetch: The bounds. A pool that runs nothing by itself is never ahead.

    >>> from headrace.workers.inline import InlinePool
    >>> from headrace.workers.work import Desk
    >>> results = Ordered(InlinePool(lambda job: (job * 10, None)), iter([1, 2, 3]), Prefetch())
    >>> [(job, done.value) for job, done in results]
    [(1, 10), (2, 20), (3, 30)]
    """

    __slots__ = ("_hand", "_jobs", "_largest", "_old", "_pool", "_prefetch", "ready")

    def __init__(self, pool: Pool, jobs: Iterator[Any], prefetch: Prefetch) -> None:
        self._pool = pool
        self._jobs: Iterator[Any] | None = jobs
        self._prefetch = prefetch
        self._hand: deque[tuple[Any, Ticket, Pool]] = deque()
        self._old: Pool | None = None
        self._largest = 0
        self.ready = 0
        """How many results lay ready when the last one was asked for: 0 where it had to be waited for."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Any, Done | Failed]:
        self._fill()
        hand = self._hand
        if not hand:
            raise StopIteration
        self.ready = int(hand[0][1].ready())
        job, ticket, pool = hand.popleft()
        outcome = ticket.result()
        if self._old is not None and (not hand or hand[0][2] is not self._old):
            self._old.close()
            self._old = None
        if type(outcome) is Done:
            self._largest = max(self._largest, outcome.nbytes)
        if pool.size:
            self._fill()  # the workers go on while the consumer works
        return job, outcome

    def _fill(self) -> None:
        hand, pool = self._hand, self._pool
        while self._jobs is not None and len(hand) < self._room():
            try:
                job = next(self._jobs)
            except StopIteration:
                self._jobs = None
                return
            except Exception as error:
                self._jobs = None
                hand.append((None, _Broken(error), pool))
                return
            hand.append((job, pool.submit(job), pool))

    def _room(self) -> int:
        """Return how many jobs may be in hand now."""
        size = self._pool.size
        if not size:
            return 1
        depth = self._prefetch.depth(size)
        if not self._largest:
            return min(depth, size)  # until it is known how large a result is
        return max(1, min(depth, self._prefetch.nbytes // self._largest))

    def first(self, job: Any) -> None:
        """Hand in a job whose result comes next, before those that are in hand."""
        self._hand.appendleft((job, self._pool.submit(job), self._pool))

    def replace(self, pool: Pool) -> None:
        """Give all further jobs to another pool; the one before is closed when its last result was handed out."""
        if self._old is not None:
            self._old.close()
        self._old, self._pool = self._pool, pool
        if not self._hand:
            self._old.close()
            self._old = None

    def close(self) -> None:
        """Let the pool go; what was in hand is dropped."""
        self._jobs = None
        self._hand.clear()
        self._pool.close()
        if self._old is not None:
            self._old.close()


class _Broken:
    """Stands where the job would be that could not be made."""

    __slots__ = ("_error",)

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def ready(self) -> bool:
        return True

    def result(self) -> Failed:
        return Failed(self._error, 0.0)
