"""The engine: a map over jobs whose results come in the order of the jobs, bounded in number and in bytes.

Inline, threads, processes and executors differ only in the pool. Nothing is read from the jobs before there is room for
the result, so a consumer that pauses stops the producers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
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
        weigh: Says how many items the next job will be, at most; then a number that a user gave is one of items.

    >>> from headrace.workers.inline import InlinePool
    >>> from headrace.workers.work import Desk
    >>> results = Ordered(InlinePool(lambda job: (job * 10, None)), iter([1, 2, 3]), Prefetch())
    >>> [(job, done.value) for job, done in results]
    [(1, 10), (2, 20), (3, 30)]
    """

    __slots__ = ("_each", "_hand", "_items", "_jobs", "_old", "_out", "_pool", "_prefetch", "_weigh", "ready")

    def __init__(
        self, pool: Pool, jobs: Iterator[Any], prefetch: Prefetch, weigh: Callable[[], int] | None = None
    ) -> None:
        self._pool = pool
        self._jobs: Iterator[Any] | None = jobs
        self._prefetch = prefetch
        self._weigh = _one if weigh is None else weigh
        self._hand: deque[tuple[Any, Ticket, Pool, int]] = deque()
        self._items = 0  # in hand
        self._out = 0  # of the result that was handed out last, those that wait for their turn
        self._old: Pool | None = None
        self._each = 0.0  # bytes of an item, the largest so far
        self.ready = 0
        """How many results lay ready when the last one was asked for: 0 where it had to be waited for."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Any, Done | Failed]:
        self._out = 0
        self._fill()
        hand = self._hand
        if not hand:
            raise StopIteration
        self.ready = int(hand[0][1].ready())
        job, ticket, _, items = hand.popleft()
        self._items -= items
        self._out = max(0, items - 1)
        outcome = ticket.result()
        if self._old is not None and (not hand or hand[0][2] is not self._old):
            self._old.close()
            self._old = None
        if type(outcome) is Done and items:
            self._each = max(self._each, outcome.nbytes / max(items, 1))
        if self._pool.size:
            self._fill()  # the workers go on while the consumer works
        return job, outcome

    def _fill(self) -> None:
        hand, pool = self._hand, self._pool
        while self._jobs is not None and self._has_room():
            items = self._weigh()
            try:
                job = next(self._jobs)
            except StopIteration:
                self._jobs = None
                return
            except Exception as error:
                self._jobs = None
                hand.append((None, _Broken(error), pool, 0))
                return
            hand.append((job, pool.submit(job), pool, items))
            self._items += items

    def _has_room(self) -> bool:
        """Say whether one more job may be in hand now."""
        jobs, size = len(self._hand) + (self._out > 0), self._pool.size
        if not jobs:
            return True
        if not size or (not self._each and jobs >= size):  # until it is known how large a result is
            return False
        items, bounds = self._items + self._out + self._weigh(), self._prefetch
        if items * self._each > bounds.nbytes:
            return False
        return (jobs < bounds.depth(size)) if bounds.batches is None else (items <= bounds.batches)

    def first(self, job: Any) -> None:
        """Hand in a job whose result comes next, before those that are in hand."""
        self._hand.appendleft((job, self._pool.submit(job), self._pool, 0))

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


def _one() -> int:
    return 1


class _Broken:
    """Stands where the job would be that could not be made."""

    __slots__ = ("_error",)

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def ready(self) -> bool:
        return True

    def result(self) -> Failed:
        return Failed(self._error, 0.0)
