"""The same work on several things at once: in the thread that asks, with the help of threads that are kept.

Starting threads for each call would cost more than the threads: each new one asks the system for memory of its own, and
gives it back at its end. So there is one set of helpers in a process. They are started when they are first needed, end
when nobody has needed them for a while, and are daemons, which nothing waits for at the end. Whoever asks works, too,
and waits for no more than what a helper has begun: helpers that are busy, or that cannot be started, make it slower and
nothing else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

IDLE = 1.0
"""Seconds after which a helper that nobody needs ends."""

Thing = TypeVar("Thing")
Made = TypeVar("Made")


def side_by_side(work: Callable[[Thing], Made], things: Sequence[Thing]) -> list[Made]:
    """Return what some work makes of each thing, in their order. Safe in any thread, and after a fork.

    Raises:
        BaseException: What the work raised of the first thing of which it raised something, unless it was interrupted;
            those behind it that nobody has begun are left.

    >>> side_by_side(abs, [-1, 2, -3])
    [1, 2, 3]
    """
    job: _Job = _Job(work, things)
    if len(things) > 1:
        _helpers().ask(job, len(things) - 1)
    job.work()
    return job.wait()


class _Job:
    """Work on things that several threads take one by one."""

    def __init__(self, work: Callable[[Any], Any], things: Sequence[Any]) -> None:
        self._work = work
        self._things = things
        self._turn = threading.Condition(threading.Lock())
        self._next = self._begun = 0
        self._found: list[Any] = [None] * len(things)
        self._errors: dict[int, BaseException] = {}

    def work(self) -> None:
        """Take things until there are none left."""
        while True:
            with self._turn:
                at = self._next
                if at == len(self._things) or self._errors:
                    return
                self._next += 1
                self._begun += 1
            found, error = None, None
            try:
                found = self._work(self._things[at])
            except BaseException as raised:
                error = raised
            with self._turn:
                self._found[at] = found
                if error is not None:
                    self._errors[at] = error
                self._begun -= 1
                if not self._begun:
                    self._turn.notify_all()

    def wait(self) -> list[Any]:
        """Return what was made, once those who help are done."""
        with self._turn:
            while self._begun:
                self._turn.wait()
        errors = self._errors
        if errors:
            self._found = []  # what is raised leads here
            interrupts = (error for error in errors.values() if not isinstance(error, Exception))
            raise next(interrupts, errors[min(errors)])
        return self._found


class _Helpers:
    """Threads that help with jobs: one less than there are processors at most, since whoever asks works as well."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Job] = SimpleQueue()
        self._lock = threading.Lock()
        self._most = _processors() - 1
        self._count = 0

    def ask(self, job: _Job, count: int) -> None:
        """Ask so many helpers at most."""
        with self._lock:
            for number in range(min(count, self._most)):
                if number >= self._count and not self._started():
                    return
                self._queue.put(job)

    def _started(self) -> bool:
        """Start one more; say whether there was one to be had."""
        try:
            threading.Thread(target=self._help, daemon=True, name="chunks-helper").start()
        except RuntimeError:  # the system has no more of them, or the interpreter is about to end
            return False
        self._count += 1
        return True

    def _help(self) -> None:
        while True:
            try:
                job = self._queue.get(timeout=IDLE)
            except Empty:
                with self._lock:
                    if self._queue.empty():  # nobody has asked meanwhile
                        self._count -= 1
                        return
            else:
                job.work()
                del job  # it holds what was made


_lock = threading.Lock()
_kept: _Helpers | None = None


def _helpers() -> _Helpers:
    global _kept
    with _lock:
        if _kept is None:
            _kept = _Helpers()
        return _kept


def _begin_anew() -> None:
    """Forget, in a process that was forked off, the threads that it does not have."""
    global _kept, _lock
    _kept, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
