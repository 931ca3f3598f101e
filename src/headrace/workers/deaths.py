"""How a worker has died, in words."""

from __future__ import annotations

import signal
from typing import Any

_LONGEST = 200


def shown(job: Any) -> str:
    """Return a job for a message, shortened; jobs may hold items of the user's, whose ``repr`` may fail.

    >>> shown({"x": 1})
    "{'x': 1}"
    """
    try:
        text = repr(job)
    except Exception:
        return f"a {type(job).__qualname__}"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def words(worker: int, process: int | None, exit_code: int | None, job: str | None, crash: str) -> str:
    """Return the message for a worker that has died.

    Args:
        worker: Which.
        process: Its process number.
        exit_code: How it ended, a signal as a negative number; None where that is not known.
        job: What it worked on.
        crash: Where its code was when it crashed.

    >>> words(2, 4711, 3, "job 17", "")
    'worker 2 (process 4711) ended with exit code 3 while it worked on job 17'
    """
    busy = f" while it worked on {job}" if job else ""
    where = f"; it was here:\n{crash}" if crash else ""
    name = "process number unknown" if process is None else f"process {process}"
    return f"worker {worker} ({name}) {_how(exit_code)}{busy}{_why(exit_code)}{where}"


def of_nursery(process: int, exit_code: int | None) -> str:
    """Return the message for a nursery that has died, and the workers with it.

    >>> of_nursery(4711, 1)
    'the process 4711, which starts and watches the workers, ended with exit code 1, and they with it'
    """
    how = "has ended" if exit_code is None else _how(exit_code)
    return f"the process {process}, which starts and watches the workers, {how}, and they with it{_why(exit_code)}"


def _how(exit_code: int | None) -> str:
    if exit_code is None:
        return "has closed its connection"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:  # a signal without a name
        return f"was killed by signal {-exit_code}"


def _why(exit_code: int | None) -> str:
    if exit_code != -signal.SIGKILL:
        return ""
    return "; the system may have run out of memory: fewer workers, or smaller batches, need less"
