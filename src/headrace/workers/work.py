"""What is asked of workers, and what they answer: the contract between the engine and its back ends.

The *work* is a frozen description that can travel to another process. Each worker opens it once and then is handed
*jobs*, small values that say which part of the work is meant: a batch number, or an item and its number. What a worker
answers depends on the job alone, so it does not matter which of them does it, or when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from numpy.typing import NDArray

from headrace.core.buffers import Buffers


@dataclass
class Desk:
    """What a worker offers to the function that it runs.

    Args:
        buffers: Where batches are gathered; in a process of its own that is memory its reader shares.
        index: Which worker this is.
        count: How many there are.
        flushes: Whether the work need not send its measurements with each job: they are looked at only now and then,
            and asked for by ``flush`` at the end.
    """

    buffers: Buffers = field(default_factory=Buffers)
    index: int = 0
    count: int = 1
    flushes: bool = False


Run: TypeAlias = Callable[[Any], tuple[Any, Any]]
"""Takes a job, returns its value and notes: small things beside the value (times, failures), or None."""

StartMethod: TypeAlias = Literal["forkserver", "spawn", "fork"]
"""How worker processes are started."""

Place: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
"""Returns an equal array that lies in memory which processes share."""


class Work(Protocol):
    """What there is to do: a frozen description, which cloudpickle can carry to another process."""

    def open(self, desk: Desk) -> Run:
        """Return the function that answers jobs; called once in each worker, which calls it from one thread."""
        ...

    def share(self, place: Place) -> None:
        """Hold the large arrays of the sources in shared memory from now on.

        Called in the parent, before the work travels to another process.
        """
        ...

    def words(self) -> str:
        """Return what the work is, for messages."""
        ...


@dataclass(slots=True)
class Done:
    """What a job gave.

    Args:
        value: The value, its reader's own (or a view, where that was asked for).
        notes: What the function said beside it.
        seconds: How long the worker took.
        nbytes: How much memory the arrays of the value take.
    """

    value: Any
    notes: Any
    seconds: float
    nbytes: int


@dataclass(slots=True)
class Failed:
    """What went wrong in a job: the error that the function raised, of any kind."""

    error: BaseException
    seconds: float


class Ticket(Protocol):
    """A job that was handed in."""

    def ready(self) -> bool:
        """Say whether ``result`` would answer at once."""
        ...

    def result(self) -> Done | Failed:
        """Wait for what the job gave; called once.

        Raises:
            WorkerError: The worker died, or could not be given its work; says which, how, and on what job.
        """
        ...


class Pool(Protocol):
    """Workers that were given one work."""

    @property
    def size(self) -> int:
        """How many jobs run at the same time."""
        ...

    def submit(self, job: Any) -> Ticket:
        """Hand in a job; never waits."""
        ...

    def close(self) -> None:
        """Let the workers go, whatever they are doing; may be called again."""
        ...


class Workers(Protocol):
    """Workers as a user asks for them: ``Threads(2)``, ``Processes(4)``; a frozen description."""

    def open(self, work: Work, depth: int, copy: bool) -> Pool:
        """Start workers and give them the work.

        Args:
            work: What they do.
            depth: The most jobs that will be in hand at once.
            copy: Whether values are owned; else they may be views of shared memory, leased until the last view dies.
        """
        ...

    @property
    def size(self) -> int:
        """How many jobs run at the same time."""
        ...

    def words(self) -> str:
        """Return what they are, for reports: ``2 threads``."""
        ...
