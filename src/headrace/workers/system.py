"""What worker processes ask of the operating system: to outlive nobody, and to leave signals to their parent."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_PR_SET_PDEATHSIG = 1
_LEFT_TO_THE_PARENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def leave_signals_alone() -> None:
    """Let the parent decide what Ctrl-C and its like mean: they reach all processes of a terminal or of a job.

    The handlers do nothing. They are not ``SIG_IGN``, which programs started from here would inherit.
    """
    for number in _LEFT_TO_THE_PARENT:
        signal.signal(number, _nothing)
        signal.siginterrupt(number, False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal by doing nothing."""


@contextmanager
def signals_held() -> Iterator[None]:
    """Let signals wait while a process is made: none is lost in between, and none is handled by its copy."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def restore_signals() -> None:
    """Undo what a process that was forked inherited: handlers of its parent, and its way to hear of signals."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler) and not isinstance(handler, signal.Handlers):
            signal.signal(number, signal.SIG_DFL)


def die_with(parent: int) -> None:
    """End this process, whatever it is doing, as soon as its parent has ended.

    Args:
        parent: Its process number, as it was when this process was made.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True, name="headrace-parent").start()
    if os.getppid() != parent:  # it ended before it was watched
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def watch_process(number: int) -> int | None:
    """Return a descriptor that becomes readable when a process ends; None where the system has no such thing."""
    try:
        return os.pidfd_open(number)
    except (AttributeError, OSError):
        return None


def readable(descriptors: list[int], seconds: float | None) -> set[int]:
    """Wait until some descriptors can be read or have come to their end, or the time is up; returns those."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(None if seconds is None else max(0, seconds * 1000))}
