"""Memory that processes share, without a name that could be left behind.

A segment is an anonymous file in memory, mapped. Who has its descriptor can map it; when the last descriptor and the
last map are gone, so is the memory, whatever way the processes ended.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError

Bytes = NDArray[np.uint8]


class Map(mmap.mmap):
    """A map that knows the descriptor it was made of, and closes it when the last view of it has died."""

    fd: int = -1
    length: int = 0
    _close = staticmethod(os.close)  # at the very end of a process the module is empty

    def release(self) -> None:
        """Close the descriptor; the map stays."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            self._close(fd)

    def __del__(self) -> None:
        self.release()


class Segment:
    """Anonymous shared memory, mapped to be read and written.

    Args:
        size: In bytes; rounded up to whole pages. Pages take memory once they are written to.

    The map lives for as long as anything views it: the segment itself, an array, a view of a view, a tensor.

    >>> segment = Segment(100)
    >>> segment.root[:3] = 1, 2, 3
    >>> other = Segment.adopt(os.dup(segment.fd), segment.size)
    >>> other.root[:4].tolist()
    [1, 2, 3, 0]

    Raises:
        OSError: There is no memory, or no descriptor left.
    """

    def __init__(self, size: int) -> None:
        pages = -(-max(1, size) // mmap.PAGESIZE)
        fd = _anonymous_file(pages * mmap.PAGESIZE)
        self._map = _mapped(fd, pages * mmap.PAGESIZE, private=False)
        self.root: Bytes = self.fresh()

    @classmethod
    def adopt(cls, fd: int, size: int, private: bool = False) -> Segment:
        """Map a segment that another process has made.

        Args:
            fd: Its descriptor, which is the segment's from now on.
            size: In bytes, as the maker's ``size`` says.
            private: Whether what is written here stays here: pages are copied when they are written to.
        """
        self = object.__new__(cls)
        self._map = _mapped(fd, size, private)
        self.root = self.fresh()
        return self

    @property
    def fd(self) -> int:
        """The descriptor, to be sent to another process.

        Raises:
            ArgumentError: It has been closed.
        """
        if self._map.fd < 0:
            raise ArgumentError("the descriptor of this segment is closed; it can be mapped by no other process")
        return self._map.fd

    @property
    def size(self) -> int:
        """How many bytes there are, a multiple of a page."""
        return self._map.length

    def fresh(self) -> Bytes:
        """Return another array over all of it.

        NumPy lets the base of a view of a view be the array where they begin, so every view of this one, and of its
        views, holds it; and a weak reference to it tells when the last of them has died.
        """
        return np.frombuffer(memoryview(self._map), np.uint8)

    def close(self) -> None:
        """Close the descriptor; may be called again. What is mapped stays."""
        self._map.release()


def find(array: NDArray[Any]) -> Map | None:
    """Return the map of the segment that an array lies in, or None.

    >>> segment = Segment(64)
    >>> find(segment.root[8:].view(np.int32)).length == segment.size, find(np.zeros(3))
    (True, None)
    """
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else None
    return owner if isinstance(owner, Map) else None


def _mapped(fd: int, size: int, private: bool) -> Map:
    access = mmap.ACCESS_COPY if private else mmap.ACCESS_WRITE
    try:
        if sys.version_info >= (3, 13):
            made = Map(fd, size, access=access, trackfd=False)
        else:  # a map keeps a descriptor of its own
            made = Map(fd, size, access=access)
    except BaseException:
        os.close(fd)
        raise
    made.fd, made.length = fd, size
    return made


def _anonymous_file(size: int) -> int:
    """Return the descriptor of a file without a name, ``size`` zeros long."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("headrace", os.MFD_CLOEXEC)
    else:
        fd, path = tempfile.mkstemp(prefix="headrace-")
        os.unlink(path)
    try:
        os.ftruncate(fd, size)
    except BaseException:
        os.close(fd)
        raise
    return fd
