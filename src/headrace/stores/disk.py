"""The few things asked of a file system, and what to say when it refuses."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.core.errors import HeadraceError, StoreError
from headrace.core.syncing import sync_folder

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}  # how a file system says that it has none
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM}


@contextmanager
def speaking(path: Path, needed: Callable[[], str] = str) -> Iterator[None]:
    """Turn the system's refusals into errors that say what to do.

    Args:
        path: The store's folder, or the file that is written.
        needed: Says how much room the data needs, for a full disk.

    Raises:
        StoreError: For every ``OSError`` that is not one of our own.
    """
    try:
        yield
    except HeadraceError:
        raise
    except OSError as error:
        raise StoreError(_said(error, path, needed())) from error


def _said(error: OSError, path: Path, needed: str) -> str:
    if error.errno == errno.EROFS:
        return f"cannot write to {path}: the file system is read-only; choose a store elsewhere"
    if error.errno in _CLOSED:
        return f"cannot write to {path}: no permission ({error.filename or path} is read-only for this user)"
    if error.errno in _FULL:
        need = f"{needed}; " if needed else ""
        return f"cannot write {path}: {error.strerror}. {need}{_free(path)} bytes are free; nothing was published"
    return f"cannot write to {path}: {error.strerror or error}" + (f" ({error.filename})" if error.filename else "")


def _free(path: Path) -> int:
    """Return how much room is left where a path lies or would lie."""
    place = next(folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(place).free


def appear(written: Path, path: Path) -> bool:
    """Give a finished file its name in one step, and keep what has the name already.

    A hard link does it: it fails where the name is taken. File systems without links (FAT, some network shares) get a
    look and a rename instead, which is as good as long as all writers hold the store's lock.

    Returns:
        Whether the name was free.
    """
    try:
        os.link(written, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            return False
        os.rename(written, path)
    return True


def write_synced(path: Path, content: bytes) -> Path:
    """Write a file that is safe on disk when this returns, and return its path."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return path


def make_folders(*paths: Path) -> None:
    """Make folders that are not there yet, with those above them, so that they survive a power cut."""
    for path in paths:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in reversed(missing):
            sync_folder(folder.parent)


def take_lock(path: Path) -> int:
    """Wait for a lock that dies with its holder, and return the open file that holds it."""
    lock = _open(path, os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _open(path: Path, flags: int = 0) -> int:
    """Open a lock: for writing where that is allowed, since NFS locks nothing else; another user's may not be."""
    try:
        return os.open(path, flags | os.O_RDWR, 0o666)
    except PermissionError:
        return os.open(path, flags | os.O_RDONLY, 0o666)


def let_go(lock: int) -> None:
    """Give a lock back."""
    fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough: a child that was forked meanwhile would hold it on
    os.close(lock)


def is_held(path: Path) -> bool:
    """Return whether somebody who is alive holds a lock."""
    try:
        lock = _open(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:  # another user's, who clears up after himself
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
