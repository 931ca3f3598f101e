"""Asking again: what fails for a while is tried with longer and longer pauses, until a deadline."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from headrace.core.errors import ArgumentError, UnreachableError

T = TypeVar("T")

_FIRST, _LONGEST = 0.05, 8.0  # pauses in seconds, before chance shortens them
_OWN = {"deadline": "HEADRACE_DEADLINE", "timeout": "HEADRACE_TIMEOUT"}


class Passing(Exception):
    """An answer that may be another when asked again: a busy server, a broken connection."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a place that does not answer.

    Args:
        deadline: No try begins later than this many seconds after the first one. 0 is a single try.
        timeout: A request that is silent for so many seconds has failed.
    """

    deadline: float = 60.0
    timeout: float = 20.0

    @classmethod
    def among(cls, options: Mapping[str, str]) -> tuple[Patience, dict[str, str]]:
        """Take ``deadline`` and ``timeout`` out of a back end's options; return what is left, too.

        Where they are not given, the environment's ``HEADRACE_DEADLINE`` and ``HEADRACE_TIMEOUT`` count.

        >>> Patience.among({"deadline": "5", "region": "eu-west-1"})
        (Patience(deadline=5.0, timeout=20.0), {'region': 'eu-west-1'})
        """
        given = {name: options.get(name, os.environ.get(variable)) for name, variable in _OWN.items()}
        seconds = {name: _seconds(value, name) for name, value in given.items() if value is not None}
        return cls(**seconds), {name: value for name, value in options.items() if name not in _OWN}

    def at_most(self, deadline: float) -> Patience:
        """Return the same with a nearer deadline."""
        return Patience(min(self.deadline, deadline), self.timeout)

    def ask(self, what: str, work: Callable[[], T]) -> T:
        """Do something until it does not fail with :class:`Passing`.

        Args:
            what: What is asked of whom, for the message.
            work: Asks once.

        Raises:
            UnreachableError: The deadline came first.
        """
        began, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                return work()
            except Passing as passing:
                pause = random.uniform(0.5, 1.0) * min(_LONGEST, _FIRST * 2 ** min(tries, 20))
                spent = time.monotonic() - began
                if spent + pause > self.deadline:
                    raise UnreachableError(
                        f"{what}: no usable answer in {spent:.1f} s and {tries} {'try' if tries == 1 else 'tries'}; "
                        f"the last: {str(passing).rstrip('.')}. Is the address right, and the server up? deadline= "
                        f"among the options, or HEADRACE_DEADLINE, says how long to try (now {self.deadline:g} s)"
                    ) from None
                time.sleep(pause)


def _seconds(value: str, name: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6 or (name == "timeout" and seconds == 0):
        raise ArgumentError(f"{name} must be a number of seconds, got {value!r}")
    return seconds
