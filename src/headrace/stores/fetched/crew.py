"""Threads that are there while there is work for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Stopped(Exception):
    """The work is no longer wanted."""


class Crew:
    """A pool that begins with the first who needs it, and ends with the last.

    Args:
        threads: How many at most.
        name: Of the threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self.stopped = False  # set once, by whoever no longer wants the work
        self._threads = threads
        self._name = name
        self._lock = threading.Lock()
        self._users = 0
        self._pool: _Pool | None = None

    @contextmanager
    def working(self) -> Iterator[ThreadPoolExecutor]:
        """Give the pool, for the block."""
        with self._lock:
            self._users += 1
            if self._pool is None:
                self._pool = _Pool(self, self._threads, self._name)
            pool = self._pool
        try:
            yield pool
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._pool = None
                    pool.shutdown(wait=False)


class _Pool(ThreadPoolExecutor):
    def __init__(self, crew: Crew, threads: int, name: str) -> None:
        super().__init__(threads, name)
        self._crew = crew

    def submit(self, act: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if self._crew.stopped:
            raise Stopped
        return super().submit(act, *args, **kwargs)
