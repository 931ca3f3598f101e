"""Work done in processes of their own, which hand over what they make through shared memory."""

from __future__ import annotations

import sys
import threading
import weakref
from dataclasses import dataclass, field
from typing import Any, Self

from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, KindError
from headrace.workers.work import Pool, StartMethod, Work

_METHODS = ("forkserver", "spawn", "fork")


@dataclass(frozen=True)
class Processes:
    """Workers that are processes: for Python code, which in threads would run in one of them at a time.

    They need no ``if __name__ == "__main__":``, since they do not run the main module, and take lambdas and functions
    written in a notebook. When a stream is left, a worker that is busy gets half a second to finish its batch, then it
    is killed. Ctrl-C and other signals to a whole program are for the program itself: workers do not react to them.

    Args:
        count: How many, at least 1.
        start_method: ``"forkserver"`` forks them from a small process that is started for that; ``"spawn"`` starts a
            fresh interpreter for each, which takes longer; ``"fork"`` copies this process, which is quick, and unsafe
            as soon as any library in it has started a thread.
        threads: How many threads BLAS, OpenMP and torch may use in each worker; this goes before environment
            variables such as ``OMP_NUM_THREADS``. None leaves it to them and to the environment.
        persistent: Whether they live on after a stream's end, for further streams, until ``close()``, the end of a
            ``with`` block, or the end of this object.

    >>> import headrace as hr
    >>> ds = hr.Dataset(range(6)).map(lambda x: x * x).batch(2)
    >>> ds.stream(workers=hr.Processes(2)).list()
    [array([0, 1]), array([4, 9]), array([16, 25])]
    >>> with hr.Processes(2, persistent=True) as pool:
    ...     print(len(ds.stream(workers=pool).list()), len(ds.stream(workers=pool).list()))
    3 3

    Raises:
        ArgumentError: A number below 1, or another start method.
        KindError: A number that is none.
    """

    count: int
    start_method: StartMethod = "forkserver"
    threads: int | None = 1
    persistent: bool = False
    _home: _Home = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", whole(self.count, "processes", 1))
        if self.threads is not None:
            object.__setattr__(self, "threads", whole(self.threads, "threads", 1))
        if self.start_method not in _METHODS:
            raise ArgumentError(
                f"start_method must be one of {', '.join(map(repr, _METHODS))}, got {self.start_method!r}"
            )
        if sys.platform == "win32":
            raise ArgumentError("processes need a system of the UNIX family; use Threads")
        object.__setattr__(self, "_home", _Home())
        if self.persistent:
            weakref.finalize(self, self._home.close)

    def open(self, work: Work, depth: int, copy: bool) -> Pool:
        from headrace.workers.pool import Crew, ProcessPool  # all that processes take loads when they are wanted

        if not self.persistent:
            crew = Crew(self.count, self.start_method, self.threads)
            return ProcessPool(crew, work, depth, copy, owner=None)
        return ProcessPool(self._home.crew(self), work, depth, copy, owner=self)

    @property
    def size(self) -> int:
        return self.count

    def words(self) -> str:
        return "1 process" if self.count == 1 else f"{self.count} processes"

    def close(self) -> None:
        """End workers that are persistent; what is still read from them fails. May be called again."""
        self._home.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        if self.persistent:
            raise KindError(
                "Processes(persistent=True) cannot be pickled: its workers belong to this process; "
                "make one where it is used"
            )
        return Processes, (self.count, self.start_method, self.threads, False)


class _Home:
    """Where persistent workers live."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._crew: Any = None

    def crew(self, settings: Processes) -> Any:
        """Return workers that run, the same ones as long as they do."""
        from headrace.workers.pool import Crew

        with self._lock:
            if self._crew is not None and not self._crew.is_usable:
                self._crew.close()
                self._crew = None
            if self._crew is None:
                self._crew = Crew(settings.count, settings.start_method, settings.threads)
            return self._crew

    def close(self) -> None:
        with self._lock:
            crew, self._crew = self._crew, None
        if crew is not None:
            crew.close()
