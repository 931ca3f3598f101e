"""Arrays mapped from files, as they travel: the path and where in the file, and no content."""

from __future__ import annotations

import mmap
import os
import re
import sys
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import WorkerError
from headrace.workers.parts import address


class Place(NamedTuple):
    """Where an array lies.

    Args:
        path: Of the file.
        size: Of the file, in bytes.
        time: When the file was last written, in nanoseconds since 1970; None where the array can be written to, since
            then its owner changes the file.
        offset: Where in the file its first value lies.
        is_frozen: Whether it can not be written to.
    """

    path: str
    size: int
    time: int | None
    offset: int
    is_frozen: bool


def find(array: NDArray[Any]) -> Place | None:
    """Return where an array lies in the file it is mapped from; None without one, or where it may differ from it."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.filename is not None and _memory(base) is not None:
            return _within(array, base)
        base = base.base
    return None


def open_array(
    place: Place, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], kind: type[np.ndarray[Any, Any]]
) -> NDArray[Any]:
    """Map an array again; what is written to it stays in this process.

    Raises:
        WorkerError: The file is gone, or is not the one that it was.
    """
    whole = _open(place)
    array = np.ndarray(shape, dtype, whole, place.offset, strides)
    if place.is_frozen:
        array.flags.writeable = False
    if kind is np.ndarray:
        return array
    view: Any = array.view(kind)
    view._mmap, view.filename, view.offset, view.mode = _memory(whole), whole.filename, whole.offset, whole.mode
    made: NDArray[Any] = view
    return made


_opened: WeakValueDictionary[tuple[Any, ...], np.memmap[Any, Any]] = WeakValueDictionary()


def _open(place: Place) -> np.memmap[Any, Any]:
    """Map a whole file; once, for all arrays that lie in it."""
    try:
        found = os.stat(place.path)
        if found.st_size != place.size or place.time not in (None, found.st_mtime_ns):
            raise WorkerError(
                f"{place.path} has changed since the stream was started: it has {found.st_size:,} bytes, "
                f"it had {place.size:,}; leave files alone while arrays are mapped from them"
            )
        key = (place.path, place.size, found.st_ino, found.st_mtime_ns, place.is_frozen)
        whole = _opened.get(key)
        if whole is None:
            whole = _opened[key] = np.memmap(place.path, np.uint8, "r" if place.is_frozen else "c")
    except OSError as error:
        raise WorkerError(
            f"{place.path}, which an array of the dataset is mapped from, cannot be mapped in a worker: "
            f"{error.strerror or error}"
        ) from error
    return whole


def _within(array: NDArray[Any], owner: np.memmap[Any, Any]) -> Place | None:
    """Return an array's place in a mapped file."""
    path = os.path.abspath(os.fspath(owner.filename or ""))
    try:
        about = os.stat(path)
    except OSError:  # gone, though it is still mapped here: its content has to travel
        return None
    view = np.frombuffer(_memory(owner), np.uint8)
    inside = address(array) - address(view)
    mode = owner.mode
    if not 0 <= inside < len(view) or (mode == "c" and not _is_clean(address(view), len(view))):
        return None
    offset = owner.offset - owner.offset % mmap.ALLOCATIONGRANULARITY + inside
    time = about.st_mtime_ns if mode in ("r", "c") else None
    return Place(path, about.st_size, time, offset, not array.flags.writeable)


def _memory(owner: Any) -> Any:
    """Return the map below a memory-mapped array; None of one that was computed from another."""
    return owner._mmap


def _is_clean(start: int, length: int) -> bool:
    """Say whether a map that keeps what is written to it to itself is known to show the file as it is."""
    if sys.platform != "linux":
        return False
    with open("/proc/self/smaps", encoding="utf-8") as lines:
        inside = False
        for line in lines:
            bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
            if bounds:
                first, last = (int(bound, 16) for bound in bounds.groups())
                inside = first < start + length and start < last
            elif inside and line.startswith(("Anonymous:", "Swap:")) and line.split()[1] != "0":
                return False
    return True
