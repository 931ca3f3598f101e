"""Processor time of a process and all that it started; Linux tells of the others, elsewhere only its own is counted."""

from __future__ import annotations

import os
import resource
from pathlib import Path


class ProcessorTime:
    """Counts the processor time of this process, of those that it started, and of those that these started.

    It begins when it is made; looking for the others is not counted.
    """

    def __init__(self) -> None:
        others = _others()
        self._began = _own() + others

    def seconds(self) -> float:
        """Return the processor time so far."""
        own = _own()
        return own + _others() - self._began


def _own() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def _others() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = ended.ru_utime + ended.ru_stime
    parents, ticks = _living()
    tick = os.sysconf("SC_CLK_TCK")
    below = {os.getpid()}
    while True:  # from parents to their children, until no more are found
        more = {pid for pid, parent in parents.items() if parent in below} - below
        if not more:
            return seconds
        seconds += sum(ticks[pid] for pid in more) / tick
        below |= more


def _living() -> tuple[dict[int, int], dict[int, int]]:
    """Return the parent of each process, and its ticks with those of its children that have ended."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # ended in the meantime
            continue
        pid = int(path.parent.name)
        parents[pid], ticks[pid] = int(words[1]), sum(map(int, words[11:15]))
    return parents, ticks
