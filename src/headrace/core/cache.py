"""A cache bounded by the bytes that it holds, safe for threads and forks: the least recently used goes first."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Any, Generic, TypeVar

import numpy as np

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value", bound=np.ndarray[Any, Any])

ENTRY_BYTES = 1024
"""What an entry is taken to cost beside its content, so that millions of tiny arrays count too."""


class ByteCache(Generic[Name, Value]):
    """Arrays by name, made on first use; what does not fit is given out all the same, and not kept.

    Args:
        limit: How many bytes are held at most.
        idle: Seconds after which an array that nobody has asked for makes room when another one comes; None for ever.

    >>> cache = ByteCache(limit=10_000)
    >>> cache.get(3, np.arange).tolist()
    [0, 1, 2]
    """

    def __init__(self, limit: int, idle: float | None = None) -> None:
        self._limit = limit
        self._idle = idle
        self._held = 0
        self._entries: OrderedDict[Name, Value] = OrderedDict()
        self._used: dict[Name, float] = {}  # when each was asked for last
        self._free_locks()
        if hasattr(os, "register_at_fork"):  # a lock that another thread held stays locked for ever in the child
            os.register_at_fork(after_in_child=self._free_locks)

    def _free_locks(self) -> None:
        self._lock = threading.Lock()
        self._making: dict[Name, threading.Lock] = {}

    def get(self, name: Name, make: Callable[[Name], Value]) -> Value:
        """Return the array of this name, made by ``make(name)`` when it is not there; threads that ask wait for one."""
        found = self._find(name)
        if found is not None:
            return found
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making:
            found = self._find(name)
            if found is None:
                try:
                    found = make(name)
                    self._keep(name, found)
                finally:
                    with self._lock:
                        self._making.pop(name, None)
        return found

    def _find(self, name: Name) -> Value | None:
        with self._lock:
            found = self._entries.get(name)
            if found is not None:
                self._entries.move_to_end(name)
                self._used[name] = monotonic()
            return found

    def _keep(self, name: Name, value: Value) -> None:
        if value.nbytes + ENTRY_BYTES > self._limit:
            return
        with self._lock:
            now = monotonic()
            self._entries[name] = value
            self._used[name] = now
            self._held += value.nbytes + ENTRY_BYTES
            while self._held > self._limit or self._is_idle(now):
                oldest, dropped = self._entries.popitem(last=False)
                self._used.pop(oldest, None)  # a fork may have come between two lines of another thread
                self._held -= dropped.nbytes + ENTRY_BYTES

    def _is_idle(self, now: float) -> bool:
        """Say whether the one that was asked for the longest time ago is not worth its room any more."""
        return self._idle is not None and now - self._used.get(next(iter(self._entries)), now) > self._idle
