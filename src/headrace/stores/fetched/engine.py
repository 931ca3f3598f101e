"""Bringing a part here: found in the cache folder, waited for, fetched into it, or else held in memory."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from headrace.core.errors import HeadraceError, HeadraceWarning
from headrace.core.warn import warn
from headrace.stores.backends.protocol import Backend
from headrace.stores.fetched import locks
from headrace.stores.fetched.buffers import Buffers, Busy
from headrace.stores.fetched.cache import Cache
from headrace.stores.fetched.crew import Crew
from headrace.stores.fetched.lending import Lending
from headrace.stores.fetched.memory import Memory
from headrace.stores.fetched.room import KEPT, Need, NoRoom, TooLarge
from headrace.stores.manifest import Part
from headrace.stores.transfer.download import download, load

_PATIENCE = 30.0  # seconds in which another process's fetching of a part does not get on at all
_BRIEFLY = 2.0  # seconds to wait for others to finish with room that they have reserved
_ASKING = 0.3  # seconds to wait for others to close what they are done with
_TIMES, _FEW = 4, 8  # how often all parts come again, and of how many at least, until that is told
_THREADS = (
    12  # for what is waited for, and again for what is fetched ahead: some 8 hear the network, others check and write
)


@dataclass(frozen=True)
class Stats:
    """What a shelf has done in this process.

    Args:
        fetched: Parts that were fetched.
        bytes: That they have in files.
        hits: Parts that were found in the cache folder when they were opened.
        waits: Parts that another process, or a thread that fetches ahead, was just fetching.
        evicted: Parts that had to go.
        held: Parts that were fetched into memory, for want of a place in the folder.
    """

    fetched: int = 0
    bytes: int = 0
    hits: int = 0
    waits: int = 0
    evicted: int = 0
    held: int = 0


class Engine:
    """What brings parts; it knows nothing of who asks.

    Args:
        backend: Where they are kept.
        cache: The folder, or None.
        memory: For what the folder cannot take.
        lending: The tables that are open.
        verify: Whether sums are taken of what is found in the folder.
    """

    def __init__(self, backend: Backend, cache: Cache | None, memory: Memory, lending: Lending, verify: bool) -> None:
        self.backend = backend
        self.cache = cache
        self.memory = memory
        self.lending = lending
        self.verify = verify
        self.ahead = Crew(_THREADS, "headrace-ahead")
        self._now = Crew(_THREADS, "headrace-fetch")
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()
        self._warned = False
        self._fetched: set[str] = set()
        self._again: int | None = 0  # fetches of parts that had been fetched before; None when that was told
        self._asked_in_vain = -math.inf  # when; one does not wait for the same answer with each part

    def stats(self) -> Stats:
        """Return what was done so far."""
        with self._lock:
            return Stats(**self._counted)

    def _count(self, **more: int) -> None:
        with self._lock:
            self._counted.update(more)

    def obtain(self, part: Part, need: Need) -> Buffers:
        """Return a part, which somebody waits for.

        Raises:
            DamageError: It is not there, or is not what was written.
            StoreError: It cannot be fetched.
        """
        if self.cache is not None and not self.memory.has(part):
            try:
                return self._cached(self.cache, part, need)
            except NoRoom as problem:
                self._say(str(problem))
            except HeadraceError:
                raise
            except OSError as problem:
                self._say(f"{problem.strerror or problem} ({problem.filename or self.cache.root})")
        found = self.memory.get(part, self._load, need)
        assert found is not None, "for what is waited for there is always room"
        return found

    def bring(self, part: Part, need: Need, begun: Callable[[], object]) -> bool:
        """Fetch a part that nobody waits for yet; return False if there is no room for it now.

        Args:
            part: What is fetched.
            need: What it may take room from.
            begun: Called when it has room.

        Raises:
            StoreError: It cannot be fetched.
            Stopped: It is no longer wanted.
        """
        if self.cache is not None:
            try:
                if not self.cache.has(part):
                    with self.cache.claiming(part) as ours:
                        if ours:  # or else somebody is fetching it already
                            self._fetch(self.cache, part, need, self.ahead, begun)
                else:
                    self.cache.mark(part, KEPT)
                return True
            except Busy:
                return False
            except NoRoom:
                self.lending.spare(part.size, need.listed, waited_for=False)  # and then it is tried again
                return False
            except HeadraceError:
                raise
            except OSError:
                pass  # told when the part is opened

        def load(part: Part) -> Buffers:
            begun()
            return self._loaded(part, self.ahead)

        return self.memory.get(part, load, need) is not None

    def release(self, part: Part) -> None:
        """Take note that a part that was brought is not expected any more."""
        if self.cache is not None:
            self.cache.mark(part, 0.0)

    def _cached(self, cache: Cache, part: Part, need: Need) -> Buffers:
        """Find a part in the folder, wait for who is fetching it, or fetch it."""
        began = since = time.monotonic()
        seen: object = None
        waited = False
        for pause in locks.pauses():
            try:
                found = self._find(cache, part)
                if found is not None:
                    self._count(**{"waits" if waited else "hits": 1})
                    return found
                with cache.claiming(part) as ours:
                    if ours:
                        return self._fetch(cache, part, need, self._now)
            except Busy:
                pass
            except TooLarge:
                raise
            except NoRoom as problem:
                if self.lending.spare(part.size, need.listed, waited_for=True):
                    continue
                if not problem.passing and self._asked_in_vain > began - _PATIENCE:
                    raise
                if time.monotonic() - began > (_BRIEFLY if problem.passing else _ASKING):
                    self._asked_in_vain = time.monotonic()
                    raise
                self.lending.ring()
            waited = True
            now = cache.progress(part)
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > _PATIENCE:
                break
            time.sleep(pause)
        raise NoRoom(f"another process has been fetching {part.digest} and has not got on for {_PATIENCE:.0f} s")

    def _find(self, cache: Cache, part: Part) -> Buffers | None:
        return cache.find(part, self.verify)

    def _fetch(
        self, cache: Cache, part: Part, need: Need, crew: Crew, begun: Callable[[], object] | None = None
    ) -> Buffers:
        """Fetch a part that was claimed into the folder, if nobody else has done that just before."""
        found = self._find(cache, part)
        if found is not None:
            self._count(waits=1)
            return found
        cache.room.discard(part.digest)  # damaged, or it would have been found
        with cache.reserving(part, need) as (place, gone), crew.working() as pool:
            need.gone.extend(gone)
            self._count(evicted=len(gone))
            if begun is not None:
                begun()
            download(self.backend, part, place, pool)
            self._note(part)
            return cache.adopt(part, place, 0.0 if need.waited_for else KEPT)

    def _load(self, part: Part) -> Buffers:
        return self._loaded(part, self._now)

    def _loaded(self, part: Part, crew: Crew) -> Buffers:
        with crew.working() as pool:
            files = load(self.backend, part, pool)
        self._count(held=1)
        self._note(part)
        return Buffers(f"{self.backend.url}/objects/{part.digest}", files)

    def _note(self, part: Part) -> None:
        """Count a fetch, and warn when parts come again and again: a random order over more than there is room for."""
        with self._lock:
            self._counted.update(fetched=1, bytes=part.size)
            if self._again is None or part.digest not in self._fetched:
                self._fetched.add(part.digest)
                return
            self._again += 1
            if self._again < _TIMES * max(len(self._fetched), _FEW):
                return
            times, self._again = self._counted["fetched"], None
        where = "memory" if self.cache is None else f"the cache {self.cache.root}"
        warn(
            f"{len(self._fetched)} parts of {self.backend.url} were fetched {times} times, since {where} has no room "
            "for all that the order reads in turns: raise cache_bytes, or read by block_shuffle(memory=...) of less",
            HeadraceWarning,
        )

    def _say(self, problem: str) -> None:
        if not self._warned:
            self._warned = True
            assert self.cache is not None
            warn(
                f"the cache {self.cache.root} cannot take a part, which is held in memory instead and fetched again "
                f"when it is needed again: {problem}",
                HeadraceWarning,
            )
