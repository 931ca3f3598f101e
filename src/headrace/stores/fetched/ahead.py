"""Fetching ahead: a few threads that bring what will be asked for, soonest first, as far as there is room."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple, TypeAlias

from headrace.core.errors import HeadraceError
from headrace.stores.fetched.crew import Stopped
from headrace.stores.fetched.room import Need
from headrace.stores.manifest import Part

_PARTS = (2, 12)  # at once: of large ones two, so that one's end overlaps the next one's beginning; of small ones more,
_BYTES = 96 << 20  # until so many bytes are on their way, which is a piece for each thread
_PAUSES = (0.01, 0.25)  # seconds between two looks for room: at first, and at most
_PATIENCE = 60.0  # seconds without room after which the threads end; the next part that is opened starts them again


Bring: TypeAlias = Callable[[Part, Need, Callable[[], object]], bool]


class _Wanted(NamedTuple):
    """What somebody expects: all of it, and what has not been asked for so far."""

    listed: frozenset[str]
    left: dict[str, Part]


class _Turn:
    """A lock that is held, until it is passed on for the first time."""

    def __init__(self, lock: threading.Lock) -> None:
        lock.acquire()
        self._lock: threading.Lock | None = lock

    def pass_on(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


class Ahead:
    """Parts that are expected, and threads that end when there is nothing to do for them.

    Args:
        bring: Fetches a part, and calls what it is given as soon as it has room for it; returns False if there is none.
        release: Told which parts were brought, and are not expected any more, though nobody has asked for them.
        there: Tells which parts this process has open, by digest: there is nothing to bring.
    """

    def __init__(
        self,
        bring: Bring,
        release: Callable[[Part], object],
        there: Callable[[], Container[str]] = tuple,
    ) -> None:
        self.stopped = False  # set by whoever no longer needs it; a plain flag, for it may be set while a lock is held
        self._bring = bring
        self._release = release
        self._there = there
        self._wanted: dict[object, _Wanted] = {}  # by who wants it
        self._left = False  # whether somebody has stopped expecting what is still in the queue
        self._brought: dict[str, Part] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._queue: deque[Part] = deque()
        self._ranks: dict[str, int] = {}
        self._listed: frozenset[str] = frozenset()
        self._running = 0

    def expect(self, parts: Sequence[Part], who: object = None) -> None:
        """Bring these, instead of what the same one expected so far, and in turns with what others expect.

        To expect nothing more waits for no lock: that may be said while an object is cleared away, at any moment.
        """
        if not parts:
            self._wanted.pop(who, None)
            self._left = True
            if self._lock.acquire(blocking=False):
                try:
                    self._leave()
                finally:
                    self._lock.release()
            return
        there = self._there()
        with self._lock:
            named = {part.digest: part for part in parts}
            self._wanted[who] = _Wanted(
                frozenset(named), {name: part for name, part in named.items() if name not in there}
            )
            others = [one for one, wanted in list(self._wanted.items()) if one != who and not wanted.left]
            for one in others:  # they have all that they wanted
                self._wanted.pop(one, None)
            every = zip_longest(*(wanted.left.values() for wanted in list(self._wanted.values())))
            missing = {part.digest: part for turn in every for part in turn if part is not None}
            self._ranks = {digest: rank for rank, digest in enumerate(missing)}
            self._queue = deque(missing.values())
            self._left = True
            self._leave()
            self._start()

    def _leave(self) -> None:
        """Forget what nobody expects any more."""
        if self._left:
            self._left = False
            self._listed = frozenset().union(*(wanted.listed for wanted in list(self._wanted.values())))
            self._ranks = {digest: rank for digest, rank in self._ranks.items() if digest in self._listed}
            for digest in self._brought.keys() - self._ranks:
                self._release(self._brought.pop(digest))

    def use(self, part: Part) -> Need:
        """Take note that a part is asked for; return what it may take room from."""
        with self._lock:
            self._leave()
            self._ranks.pop(part.digest, None)
            self._brought.pop(part.digest, None)
            for wanted in list(self._wanted.values()):
                wanted.left.pop(part.digest, None)
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
        while self._queue and self._running < min(self._at_once(), len(self._queue)):
            self._running += 1
            try:
                # Not a daemon: one that is in the middle of a call into a library when Python ends may crash it.
                threading.Thread(target=self._run, name="headrace-ahead", daemon=False).start()
            except RuntimeError:  # Python is about to end, or there are too many threads
                self._running -= 1
                return

    def _at_once(self) -> int:
        fewest, most = _PARTS
        return min(max(fewest, _BYTES // max(self._queue[0].size, 1)), most)

    def _run(self) -> None:
        pause, longest = _PAUSES
        tried_until = time.monotonic() + _PATIENCE
        while True:
            turn = _Turn(self._turn)  # room is taken in order, or what is wanted later would be pushed out again
            try:
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
                brought = self._has_brought(part, need, turn.pass_on)
                self.lose(need.gone)
                if not brought:
                    with self._lock:
                        self._brought.pop(part.digest, None)
                        if self._ranks.get(part.digest) == need.rank:
                            self._queue.appendleft(part)
                        if self._running > 1:  # one is enough to look for room
                            self._running -= 1
                            return
            finally:
                turn.pass_on()
            if brought:
                pause, tried_until = _PAUSES[0], time.monotonic() + _PATIENCE
                with self._lock:
                    if part.digest not in self._ranks:
                        self._release(part)
                    self._start()
            else:
                time.sleep(pause)
                pause = min(2 * pause, longest)

    def _next(self) -> Part | None:
        if self.stopped or not threading.main_thread().is_alive():
            return None
        self._leave()
        while self._queue:
            part = self._queue.popleft()
            if part.digest in self._ranks:  # or else it was asked for meanwhile
                return part
        return None

    def _has_brought(self, part: Part, need: Need, begun: Callable[[], object]) -> bool:
        try:
            return self._bring(part, need, begun)
        except (HeadraceError, Stopped):  # told by who opens it
            return True
        except RuntimeError:  # no threads any more: Python is about to end
            self.stopped = True
            return True
