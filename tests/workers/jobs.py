"""What the tests let workers do, in a module that is quick to import there."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headrace.workers.processes import Processes
from headrace.workers.work import Desk, Done, Failed, Place, Pool, Run


@dataclass(frozen=True)
class Call:
    """Calls a function with each job; the notes say which worker did it."""

    function: Callable[[Any], Any]
    name: str = "the test's work"

    def open(self, desk: Desk) -> Run:
        return lambda job: (self.function(job), desk.index)

    def share(self, place: Place) -> None:
        pass

    def words(self) -> str:
        return self.name


@dataclass(frozen=True)
class Opened(Call):
    """Calls a function made anew in each worker, which keeps its state from job to job."""

    def open(self, desk: Desk) -> Run:
        made = self.function(desk)
        return lambda job: (made(job), desk.index)


@dataclass(frozen=True)
class Holding(Call):
    """Holds an array, which it lets be placed in shared memory."""

    array: Any = field(default_factory=lambda: np.arange(1 << 18))

    def share(self, place: Place) -> None:
        object.__setattr__(self, "array", place(self.array))

    def open(self, desk: Desk) -> Run:
        return lambda job: (self.array[job : job + 1].copy(), self.array.flags.writeable)


@contextmanager
def working(
    function: Callable[[Any], Any] | Call,
    workers: int | Processes = 1,
    depth: int = 4,
    copy: bool = True,
) -> Iterator[Pool]:
    """Open a pool, and close it afterwards."""
    settings = Processes(workers) if isinstance(workers, int) else workers
    pool = settings.open(function if isinstance(function, Call) else Call(function), depth, copy)
    try:
        yield pool
    finally:
        pool.close()


def done(outcome: Done | Failed) -> Any:
    """Return the value of a job that went well."""
    if isinstance(outcome, Failed):
        raise outcome.error
    return outcome.value


def answer(pool: Pool, job: Any) -> Any:
    """Hand in one job and return its value."""
    return done(pool.submit(job).result())


def square(job: int) -> int:
    return job * job


def identity(job: Any) -> Any:
    return job


def numbers(job: int) -> dict[str, Any]:
    """Return a column large enough for a slot."""
    return {"x": np.full(50_000, job), "name": f"job {job}"}


def about(job: Any) -> dict[str, Any]:
    """Return what a worker knows of its surroundings."""
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "cwd": os.getcwd(),
        "path": list(sys.path),
        "argv": list(sys.argv),
        "optimize": sys.flags.optimize,
        "utf8": sys.flags.utf8_mode,
        "stdin": sys.stdin.read(),
        "threads": threading.active_count(),
        "limit": os.environ.get("OMP_NUM_THREADS"),
        "main": getattr(sys.modules["__main__"], "__file__", None),
    }


def die(how: str) -> Any:
    """End this process in the middle of a job."""
    match how:
        case "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "exit 3":
            os._exit(3)
        case "exit 0":
            os._exit(0)
        case "abort":
            os.abort()
        case "kill the nursery":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        case "loop":
            while True:
                pass
        case "loop in C":
            sum(range(1 << 62))
        case "sleep":
            time.sleep(600)
        case "run a program":
            return subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, check=True).stdout
    return how


def fails(job: Any) -> Any:
    """Raise an error with a cause."""
    try:
        raise KeyError("inner")
    except KeyError as error:
        error.add_note("a note on the inner one")
        raise ValueError(f"job {job} is bad") from error
