"""Fetching ahead: a few threads that bring what will be asked for, soonest first, as far as there is room."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from headrace.core.errors import HeadraceError
from headrace.stores.fetched.crew import Stopped
from headrace.stores.fetched.room import Need
from headrace.stores.manifest import Part

_THREADS = 2  # parts at once, so that one's end and the next one's beginning overlap; pieces come side by side anyway
_PAUSES = (0.01, 0.25)  # seconds between two looks for room: at first, and at most
_PATIENCE = 60.0  # seconds without room after which the threads end; the next part that is opened starts them again


class Ahead:
    """Parts that are expected, and threads that end when there is nothing to do for them.

    Args:
        bring: Fetches a part; returns False if there is no room for it now.
        release: Told which parts were brought, and are not expected any more, though nobody has asked for them.
    """

    def __init__(self, bring: Callable[[Part, Need], bool], release: Callable[[Part], object]) -> None:
        self.stopped = False  # set by whoever no longer needs it; a plain flag, for it may be set while a lock is held
        self._bring = bring
        self._release = release
        self._brought: dict[str, Part] = {}
        self._lock = threading.Lock()
        self._queue: deque[Part] = deque()
        self._ranks: dict[str, int] = {}
        self._listed: frozenset[str] = frozenset()
        self._running = 0

    def expect(self, parts: Sequence[Part]) -> None:
        """Bring these, instead of what was expected so far."""
        unique = list({part.digest: part for part in parts}.values())
        with self._lock:
            self._ranks = {part.digest: rank for rank, part in enumerate(unique)}
            self._listed = frozenset(self._ranks)
            self._queue = deque(unique)
            for digest in self._brought.keys() - self._ranks:
                self._release(self._brought.pop(digest))
            self._start()

    def use(self, part: Part) -> Need:
        """Take note that a part is asked for; return what it may take room from."""
        with self._lock:
            self._ranks.pop(part.digest, None)
            self._brought.pop(part.digest, None)
            if self._ranks:
                self._start()
            return Need(dict(self._ranks), -1, self._listed)

    def lose(self, gone: Iterable[str]) -> None:
        """Take note that parts had to go; those that were brought will be brought again."""
        with self._lock:
            lost = [part for part in map(self._brought.get, gone) if part is not None]
            for part in lost:
                del self._brought[part.digest]
            if lost:
                waiting = [part for part in (*self._queue, *lost) if part.digest in self._ranks]
                self._queue = deque(sorted(waiting, key=lambda part: self._ranks[part.digest]))
                self._start()

    def _start(self) -> None:
        while self._running < min(_THREADS, len(self._queue)):
            self._running += 1
            try:
                # Not a daemon: one that is in the middle of a call into a library when Python ends may crash it.
                threading.Thread(target=self._run, name="headrace-ahead", daemon=False).start()
            except RuntimeError:  # Python is about to end, or there are too many threads
                self._running -= 1
                return

    def _run(self) -> None:
        pause, longest = _PAUSES
        tried_until = time.monotonic() + _PATIENCE
        while True:
            with self._lock:
                part = self._next()
                if part is not None and time.monotonic() > tried_until:
                    self._queue.appendleft(part)
                    part = None
                if part is None:
                    self._running -= 1
                    return
                self._brought[part.digest] = part  # before it is, or another thread might push it out unnoticed
                need = Need(dict(self._ranks), self._ranks[part.digest], self._listed)
            brought = self._has_brought(part, need)
            self.lose(need.gone)
            if brought:
                pause, tried_until = _PAUSES[0], time.monotonic() + _PATIENCE
                with self._lock:
                    if part.digest not in self._ranks:
                        self._release(part)
                    self._start()
                continue
            with self._lock:
                self._brought.pop(part.digest, None)
                if self._ranks.get(part.digest) == need.rank:
                    self._queue.appendleft(part)
                if self._running > 1:  # one is enough to look for room
                    self._running -= 1
                    return
            time.sleep(pause)
            pause = min(2 * pause, longest)

    def _next(self) -> Part | None:
        if self.stopped or not threading.main_thread().is_alive():
            return None
        while self._queue:
            part = self._queue.popleft()
            if part.digest in self._ranks:  # or else it was asked for meanwhile
                return part
        return None

    def _has_brought(self, part: Part, need: Need) -> bool:
        try:
            return self._bring(part, need)
        except (HeadraceError, Stopped):  # told by who opens it
            return True
        except RuntimeError:  # no threads any more: Python is about to end
            self.stopped = True
            return True
