"""All of an array's content as a digest: by several threads, and of a mapped file once for each of its versions."""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.keys.key import Place, digest_of

PIECE = 8 << 20
"""Bytes that one thread sums up at a time."""

_SIZE = 20  # bytes of a digest
_WORTH_KEEPING = 1 << 20  # bytes of a mapped file
_FRESH = 2_000_000_000  # nanoseconds in which a file may be written to again without another time
_THREADS = min(8, os.cpu_count() or 1)

_KNOWN: dict[str, str] = {}


@dataclass
class Contents:
    """Digests of whole arrays and files.

    Args:
        known: Those of files, by path, size, time and inode; kept for this process by default.
    """

    known: MutableMapping[str, str] = field(default_factory=lambda: _KNOWN)
    _arrays: dict[int, tuple[NDArray[Any], str]] = field(default_factory=dict)

    def of_array(self, array: NDArray[Any]) -> str:
        """Return a digest of dtype, shape and every byte of an array without Python objects, whatever its layout."""
        held = self._arrays.get(id(array))
        if held is None:
            name = _mapped_name(array)
            digest = None if name is None else self.known.get(name)
            if digest is None:
                digest = _of_array(array)
                if name is not None:
                    self.known[name] = digest
            held = self._arrays[id(array)] = (array, digest)
        return held[1]

    def of_file(self, path: str) -> str:
        """Return a digest of a file's bytes.

        Raises:
            OSError: It cannot be read.
        """
        about = os.stat(path)
        name = f"{_stamp(path, about)} all"
        digest = self.known.get(name)
        if digest is None:
            digest = _of_array(np.memmap(path, np.uint8, "r")) if about.st_size else digest_of([b""])
            if _is_settled(about):
                self.known[name] = digest
        return digest


def mapped_file(array: Any) -> str | None:
    """Return the file that an array shows a piece of; None for one in memory."""
    root = _root(array)
    return None if root is None or root.filename is None else os.fspath(root.filename)


def size_and_place(path: str) -> tuple[int, Place]:
    """Return a file's size, its name and when it was written, for a message."""
    about = os.stat(path)
    written = datetime.fromtimestamp(about.st_mtime, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return about.st_size, Place(Path(path).name, written=written)


def _root(array: Any) -> Any:
    """Return the array that lies on a mapped file, of which an array is a view."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
            return array
        array = array.base
    return None


def _mapped_name(array: NDArray[Any]) -> str | None:
    """Return what a piece of a file is known by; None where it may change without a sign of it."""
    root = _root(array)
    if root is None or root.filename is None or root.mode != "r" or array.nbytes < _WORTH_KEEPING:
        return None
    path = os.fspath(root.filename)
    try:
        about = os.stat(path)
    except OSError:
        return None
    if not _is_settled(about):
        return None
    begin = array.__array_interface__["data"][0] - root.__array_interface__["data"][0] + root.offset
    return f"{_stamp(path, about)} {begin} {array.dtype!r} {array.shape} {array.strides}"


def _stamp(path: str, about: os.stat_result) -> str:
    return f"{os.path.realpath(path)} {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}"


def _is_settled(about: os.stat_result) -> bool:
    return time.time_ns() - max(about.st_mtime_ns, about.st_ctime_ns) > _FRESH


def _of_array(array: NDArray[Any]) -> str:
    header = f"{array.dtype if array.dtype.names else array.dtype.str} {array.shape}"
    if array.dtype.names:  # field by field: what lies between them is chance
        return digest_of([header, *(_of_array(array[name]) for name in array.dtype.names)], _SIZE)
    if array.nbytes <= PIECE:
        return digest_of([header, _sha256(array)], _SIZE)
    with ThreadPoolExecutor(_THREADS) as threads:
        return digest_of([header, *threads.map(_sha256, _pieces(array))], _SIZE)


def _pieces(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Give rows that have about as many bytes as a piece."""
    rows = max(1, PIECE * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def _sha256(piece: NDArray[Any]) -> bytes:
    flat = np.ascontiguousarray(piece).reshape(-1)
    return hashlib.sha256(flat.view(np.uint8).data if flat.size else b"").digest()
