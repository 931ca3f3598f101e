"""What a policy for errors decides of a record that failed, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, KindError


class _Skip:
    """What an ``on_error`` function returns to leave a record out.

    >>> import headrace as hr
    >>> def decide(error, record):
    ...     return 0 if record < 2 else hr.SKIP
    >>> hr.Stream([1, 2, 4]).map(lambda x: [][x], on_error=decide).list()
    [0]
    """

    def __repr__(self) -> str:
        return "SKIP"

    def __reduce__(self) -> str:
        return "SKIP"  # stays the one value when it travels


SKIP: Final = _Skip()
"""Returned by an ``on_error`` function: leave the record out."""

SKIP_RETURNED: Final = "it returned SKIP, which only an on_error function may; leave records out by filter()"


@dataclass(frozen=True)
class Failure:
    """A record that was left out, or replaced.

    Args:
        source: What it was read from, as a chain shows it.
        record: Its number in the source; of a stream's item its number in the stream.
        stage: The step that failed, as a chain shows it.
        error: The error that the step raised, equal in kind and text whoever worked; where is in its notes.
        epoch: Of the read.
        position: Of the read, in the order of the step that failed.
        replaced: Whether another record was put in its place.

    >>> import headrace as hr
    >>> stream = hr.Dataset([4, 0]).map(lambda x: 8 // x).stream(on_error="skip")
    >>> stream.list(), stream.errors[0].record, type(stream.errors[0].error).__name__
    ([2], 1, 'ZeroDivisionError')
    """

    source: str
    record: int
    stage: str
    error: BaseException
    epoch: int = 0
    position: int = 0
    replaced: bool = False

    def __str__(self) -> str:
        return f"record {self.record} of {self.source}: {self.stage}: {type(self.error).__name__}: {self.error}"


@dataclass(frozen=True)
class Retry:
    """Try a failed step again, then decide.

    Args:
        times: How often it is tried again, at least 1.
        wait: Seconds before the first try again; twice as long before each further one, a minute at most.
        then: What is done when it still fails: ``"raise"``, ``"skip"``, or a function of (error, record).
        only: The kinds of errors that are tried again; others are decided at once.

    >>> Retry(3, wait=0.5, then="skip").waits()
    [0.5, 1.0, 2.0]

    Raises:
        ArgumentError: ``times`` is below 1, or ``wait`` below 0.
        KindError: ``then`` or ``only`` is of a kind that cannot be used.
    """

    times: int = 3
    wait: float = 0.1
    then: Literal["raise", "skip"] | Callable[[Exception, Any], Any] = "raise"
    only: type[Exception] | tuple[type[Exception], ...] = Exception

    def __post_init__(self) -> None:
        whole(self.times, "times", 1)
        if isinstance(self.wait, bool) or not isinstance(self.wait, int | float):
            raise KindError(f"wait must be a number of seconds, got {self.wait!r}")
        if not 0 <= self.wait < float("inf"):
            raise ArgumentError(f"wait must be 0 seconds or more, got {self.wait!r}")
        kinds = self.only if isinstance(self.only, tuple) else (self.only,)
        if not kinds or not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
            raise KindError(f"only must be a kind of Exception, or a tuple of such, got {self.only!r}")
        if isinstance(self.then, Retry):
            raise KindError("then must be 'raise', 'skip' or a function of (error, record), got a Retry")
        check(self.then)

    def waits(self) -> list[float]:
        """Return how long is waited before each try again, in seconds."""
        return [min(self.wait * 2**number, 60.0) for number in range(self.times)]


OnError: TypeAlias = Literal["raise", "skip"] | Retry | Callable[[Exception, Any], Any]


def check(on_error: Any) -> OnError:
    """Return a policy for errors as it was given.

    Raises:
        ArgumentError: A word other than ``raise`` and ``skip``.
        KindError: No word, Retry or function.
    """
    if isinstance(on_error, str):
        if on_error not in ("raise", "skip"):
            raise ArgumentError(
                f"on_error must be 'raise', 'skip', a Retry, or a function of (error, record), got {on_error!r}"
            )
    elif not isinstance(on_error, Retry) and not callable(on_error):
        raise KindError(
            f"on_error must be 'raise', 'skip', a Retry, or a function of (error, record), got {on_error!r}"
        )
    policy: OnError = on_error
    return policy


def leaves_out(on_error: OnError) -> bool:
    """Say whether records may be left out under a policy.

    >>> leaves_out("raise"), leaves_out(Retry(2)), leaves_out(Retry(2, then="skip"))
    (False, False, True)
    """
    return (on_error.then if isinstance(on_error, Retry) else on_error) != "raise"
