"""Turns at building in a folder: locks that the system lets go of when their holder dies, however it dies.

::

    <store>/leases/<key>.lock    locked by who builds; holds who that is and how far; gone when the turn is over
    <store>/leases/fence         a byte for each turn that was ever given: its length is the fence

No clock is asked: a holder that is alive keeps its turn, also one that is stopped. The locks are ``flock`` locks, which
exclude threads of one process too, and which NFS carries to other machines unless it was mounted without. Where it was,
two machines build the same version, and the first to publish it wins.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.core.errors import StoreError
from headrace.stores.disk import let_go, make_folders, speaking
from headrace.stores.leases.holder import Holder
from headrace.stores.leases.turns import LostError, Turn, key_of
from headrace.stores.leases.waiting import Waiting

_SHORTEST, _LONGEST = 0.001, 0.2  # seconds between two looks
_SAYING = 0.5  # seconds between two times that progress is written
_ROOM, _SAID = 4096, 256  # bytes for the holder's line, and letters of progress that surely fit into it

_held: set[int] = set()
_forking = threading.RLock()  # so that no lock is taken and not yet noted while another thread forks


def _leave_to_parent() -> None:
    """Close in a forked child the locks that its parent holds, which else would live as long as the child does."""
    for lock in _held:
        with suppress(OSError):
            os.close(lock)
    _held.clear()
    _forking.release()


os.register_at_fork(before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_leave_to_parent)


@dataclass(frozen=True)
class LocalTurns:
    """Gives turns at building in a store's folder, to whoever can lock files there.

    Args:
        root: The store's folder, absolute.
        patience: How many seconds to wait for another at most; None for as long as it lives.
    """

    root: Path
    patience: float | None = None

    @contextmanager
    def turn(
        self, id: str, version: str, done: Callable[[], bool], told: Callable[[str], None] | None = None
    ) -> Iterator[Turn | None]:
        """Wait until a version is ours to build, or is there: see :class:`~headrace.stores.leases.turns.Turns`."""
        path = self.root / "leases" / f"{key_of(id, version)}.lock"
        turn = self._wait(path, done, Waiting(f"{id!r} {version}", _SHORTEST, _LONGEST, self.patience, told))
        if turn is not None:
            try:
                if not done():
                    yield turn
                    return
            finally:
                turn.leave()
        yield None

    def _wait(self, path: Path, done: Callable[[], bool], waiting: Waiting) -> LocalTurn | None:
        while True:
            try:
                turn = self._taken(path)
            except StoreError:  # whoever may not write here may wait for another all the same
                if done():
                    return None
                raise
            if turn is not None or done():
                return turn
            waiting.pause(_holder(path))

    def _taken(self, path: Path) -> LocalTurn | None:
        """Take the turn if nobody holds it."""
        with speaking(self.root):
            if not path.parent.exists():
                make_folders(path.parent)
            lock = _locked(path)
            if lock is None:
                return None
            try:
                return LocalTurn(path, lock, _next_fence(path.parent / "fence"))
            except BaseException:
                _unlock(lock)
                raise


class LocalTurn:
    """A turn that is a lock.

    Args:
        path: The file that is locked.
        lock: It, open.
        fence: The number of this turn.
    """

    def __init__(self, path: Path, lock: int, fence: int) -> None:
        self.fence = fence
        self._path = path
        self._lock = lock
        self._holder = Holder.new()
        self._written = time.monotonic() - _SAYING
        self._write(self._holder)
        self._holder.begins()

    def _write(self, holder: Holder) -> None:
        os.pwrite(self._lock, holder.encode().ljust(_ROOM), 0)

    def say(self, text: str) -> None:
        """Write how far it is into the lock, now and then."""
        now = time.monotonic()
        if now - self._written >= _SAYING and self._holder.pid == os.getpid():
            self._written = now
            with suppress(OSError):  # a full disk is told by those who write what matters
                self._write(replace(self._holder, said=text[:_SAID]))

    def check(self) -> None:
        """Make sure that what is locked still is the lock that others look at.

        Raises:
            LostError: Somebody took the file away, and another has made a new one.
            StoreError: This is a child of the process that has the turn.
        """
        if self._holder.pid != os.getpid():
            raise StoreError(f"the turn is that of {self._holder}: it publishes, not the processes that it starts")
        with speaking(self._path):
            if os.path.exists(self._path) and not _is_at(self._path, self._lock):
                raise LostError(f"{self._path} was removed by hand while we built, and another builds now")

    def leave(self) -> None:
        """Let the next one have a turn; in a forked child, leave everything to the parent."""
        if self._holder.pid != os.getpid():
            return
        self._holder.ends()
        try:
            with suppress(OSError):  # what stays is an empty lock, which the next one takes
                if _is_at(self._path, self._lock):
                    os.unlink(self._path)
        finally:
            _unlock(self._lock)


def _locked(path: Path) -> int | None:
    """Lock a file, made for it where there is none, and return it open; None where another has locked it."""
    while True:
        with _forking:
            lock = _opened(path)
            _held.add(lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(path, lock):  # else its holder took it away, and this is nobody's lock any more
                    if fcntl.fcntl(lock, fcntl.F_GETFL) & os.O_RDWR:
                        return lock
                    os.unlink(path)  # of another user, who died; we make our own
            except BlockingIOError:
                _closed(lock)
                return None
            except BaseException:
                _closed(lock)
                raise
            _closed(lock)


def _opened(path: Path) -> int:
    """Open a lock; one of another user, that may not be written, for reading."""
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    except PermissionError as error:
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY)
        raise error


def _is_at(path: Path, lock: int) -> bool:
    """Say whether a path leads to an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(lock))
    except FileNotFoundError:
        return False


def _closed(lock: int) -> None:
    _held.discard(lock)
    os.close(lock)


def _unlock(lock: int) -> None:
    with _forking:
        _held.discard(lock)
        let_go(lock)


def _next_fence(path: Path) -> int:
    """Return a number higher than all before: files are appended to in one step, also by many processes."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
    try:
        os.write(file, b".")
        return os.lseek(file, 0, os.SEEK_CUR)
    finally:
        os.close(file)


def _holder(path: Path) -> Holder | None:
    """Return who holds a lock, as far as it is written there."""
    try:
        return Holder.decode(path.read_bytes())
    except OSError:
        return None
