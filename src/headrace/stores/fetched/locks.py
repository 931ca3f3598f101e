"""Locks that die with their holder, and are never waited for without an end."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_POLL = (0.001, 0.05)  # seconds between two looks: at first, and at most

_held: set[int] = set()
_opening = threading.Lock()  # no child is forked between the opening of a lock and its being noted


def _close_in_child() -> None:
    """Close what the parent holds: or its locks would live on in the child if the parent is killed."""
    for lock in _held:
        with suppress(OSError):
            os.close(lock)  # and no unlocking, which would free the parent's
    _held.clear()
    _opening.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_opening.acquire, after_in_parent=_opening.release, after_in_child=_close_in_child)


def take(path: Path) -> int | None:
    """Take a lock; None while somebody else has it.

    Raises:
        OSError: The file cannot be made or locked.
    """
    while True:
        lock = _locked(path, _open)
        if lock is None or _is_at(lock, path):
            return lock
        free(lock)  # its holder took the file away between our opening and our locking


def seize(folder: Path) -> list[int] | None:
    """Lock all files of a folder, so that nobody can begin to map one; None if one is mapped, by any process.

    Raises:
        OSError: One cannot be read or locked.
    """
    locks: list[int] = []
    try:
        for path in sorted(folder.iterdir()):
            lock = _locked(path, lambda path: os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            if lock is None:
                break
            locks.append(lock)
        else:
            return locks
    except BaseException:
        release(locks)
        raise
    release(locks)
    return None


def release(locks: Iterable[int]) -> None:
    """Give locks back."""
    for lock in locks:
        free(lock)


def _locked(path: Path, opening: Callable[[Path], int]) -> int | None:
    """Open and lock a file; None while somebody else has a lock on it."""
    with _opening:
        lock = opening(path)
        _held.add(lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        free(lock)
        return None
    except BaseException:
        free(lock)
        raise
    return lock


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError as error:  # another user's
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        raise error


def _is_at(lock: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(lock), there)


def free(lock: int, path: Path | None = None) -> None:
    """Give a lock back; with a path, take its file away first, so that no files pile up."""
    if path is not None:
        with suppress(OSError):
            path.unlink()
    with _opening:
        _held.discard(lock)
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


@contextmanager
def holding(path: Path, patience: float) -> Iterator[bool]:
    """Hold a lock in the block, after waiting for it some seconds; gives whether it could be had."""
    lock = take(path)
    if lock is None:
        ends = time.monotonic() + patience
        for pause in pauses():
            time.sleep(pause)
            lock = take(path)
            if lock is not None or time.monotonic() > ends:
                break
    try:
        yield lock is not None
    finally:
        if lock is not None:
            free(lock)


def pauses() -> Iterator[float]:
    """Yield how long to wait between looks, for ever: short at first."""
    pause, longest = _POLL
    while True:
        yield pause
        pause = min(pause * 1.2, longest)
