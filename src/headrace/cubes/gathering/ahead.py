"""Chunks that are read before they are asked for, by a thread that ends when there is nothing more to read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")

TOGETHER = 16
"""Chunks that are read in one call at most: those who need one of them wait for all."""


class Ahead(Generic[Key]):
    """Reads what is expected, in that order, while there is room for it.

    Args:
        pick: Returns which of some keys are to be read next, in one call; none where there is no room, or no need.
        read: Reads them. What it raises is not said here: whoever asks for them reads them again, and is told.
    """

    def __init__(self, pick: Callable[[Sequence[Key]], list[Key]], read: Callable[[list[Key]], object]) -> None:
        self._pick = pick
        self._read = read
        self._lock = threading.Lock()
        self._expected: Sequence[Key] = ()
        self._failed: set[Key] = set()
        self._running = False

    def expect(self, keys: Sequence[Key]) -> None:
        """Read these from now on, in the place of what was expected before; an empty list ends it.

        Returns at once, and without waiting for a lock where the list is empty: a finaliser may say so.
        """
        self._expected = keys
        if not keys:
            return
        with self._lock:
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="headrace-chunks-ahead", daemon=True).start()

    def _run(self) -> None:
        while True:
            wanted = self._expected
            keys = self._pick([key for key in wanted if key not in self._failed]) if wanted else []
            if not keys:
                with self._lock:
                    if self._expected is not wanted and self._expected:  # said meanwhile
                        continue
                    self._running = False
                    return
            try:
                self._read(keys)
            except Exception:  # said to whoever asks for one of these
                self._failed.update(keys)
