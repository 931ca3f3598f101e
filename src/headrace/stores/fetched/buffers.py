"""Files as arrays: mapped with a lock that lives as long as the map, or held in memory."""

from __future__ import annotations

import errno
import fcntl
import io
import mmap
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Buffer: TypeAlias = memoryview | mmap.mmap

_MOST_HEADER = 1 << 16


@dataclass(frozen=True)
class Buffers:
    """The files of a part.

    Args:
        where: They came from, for messages.
        files: The content of each.
    """

    where: str
    files: Mapping[str, Buffer]

    def __truediv__(self, name: str) -> Held:
        return Held(f"{self.where}/{name}", self.files.get(name))


@dataclass(frozen=True)
class Held:
    """A file of a part, at hand."""

    where: str
    content: Buffer | None

    def __str__(self) -> str:
        return self.where

    def array(self) -> NDArray[Any]:
        """Return the array in a ``.npy`` file, read-only, without a copy; it keeps the file at hand.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no such file, or cut.
        """
        if self.content is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", self.where)
        front = io.BytesIO(self.content[:_MOST_HEADER])
        version = np.lib.format.read_magic(front)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        if version == (3, 0):  # as 2.0, in UTF-8; NumPy reads it through this door alone
            shape, fortran, dtype = np.lib.format._read_array_header(front, version)  # type: ignore[attr-defined]
        else:
            shape, fortran, dtype = read(front)
        if dtype.hasobject:
            raise ValueError("it holds objects")
        try:
            return np.ndarray(shape, dtype, self.content, front.tell(), order="F" if fortran else "C")
        except TypeError as error:  # what NumPy says of a buffer that is too small
            raise ValueError(str(error)) from error


class Busy(Exception):
    """Somebody takes the file away right now."""


def mapped(path: Path, size: int) -> mmap.mmap | None:
    """Map a file and hold a shared lock on it for as long as the map lives; None if its size is another.

    The map keeps the open file, and the open file the lock: so this costs no descriptor beside the map's own (none at
    all on Linux from Python 3.13 on), needs nobody to free it, and a child that was forked holds it too for as long as
    it may read the map.

    Raises:
        Busy: It is about to be taken away.
        OSError: There is none, or it cannot be read.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy from error
        found = os.fstat(file)
        if found.st_nlink == 0:
            raise Busy
        if found.st_size != size or size == 0:
            return None
        return _map(file, size)
    finally:
        os.close(file)


def _map(file: int, size: int) -> mmap.mmap:
    if sys.version_info >= (3, 13) and sys.platform == "linux":
        return mmap.mmap(file, size, access=mmap.ACCESS_READ, trackfd=False)
    return mmap.mmap(file, size, access=mmap.ACCESS_READ)
