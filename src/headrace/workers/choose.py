"""Workers as a user asks for them, by a number, a word or an object."""

from __future__ import annotations

from typing import Any

from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, KindError
from headrace.workers.auto import Auto
from headrace.workers.executors import Executors
from headrace.workers.inline import Inline
from headrace.workers.prefetch import Prefetch
from headrace.workers.processes import Processes
from headrace.workers.threads import Threads
from headrace.workers.work import Workers


def as_workers(value: Any, prefetch: Any = None) -> tuple[Workers, Prefetch]:
    """Return workers, and how far they run ahead.

    Args:
        value: 0 for none, a number of processes, ``"auto"``, Threads, Processes, or an executor.
        prefetch: A number of batches, an amount of memory, both, or None. With no workers it asks for a thread, since
            somebody has to read ahead.

    >>> as_workers(0)[0].words(), as_workers(0, prefetch=2)[0].words()
    ('inline', '1 thread')

    Raises:
        ArgumentError: A number below 0, or another word.
        KindError: Something else.
    """
    bounds = Prefetch.of(prefetch)
    if isinstance(value, str):
        if value != "auto":
            raise ArgumentError(f"workers must be a number, 'auto', Threads, Processes or an executor, got {value!r}")
        return Auto(Processes), bounds
    if isinstance(value, Inline | Threads | Processes | Executors | Auto):
        return value, bounds
    if callable(getattr(value, "submit", None)):
        return Executors(value), bounds
    if not hasattr(value, "__index__"):
        raise KindError(
            f"workers must be a number of processes, 'auto', Threads, Processes or an executor, got {value!r}, "
            f"a {type(value).__name__}"
        )
    count = whole(value, "workers", 0)
    if count:
        return Processes(count), bounds
    return (Inline() if prefetch is None else Threads(1)), bounds
