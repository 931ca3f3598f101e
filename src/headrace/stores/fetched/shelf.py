"""The shelf of a remote store: parts are fetched into a cache folder, and mapped there."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from headrace.core.errors import DamageError
from headrace.stores.backends.protocol import Backend
from headrace.stores.fetched.ahead import Ahead
from headrace.stores.fetched.cache import Cache
from headrace.stores.fetched.engine import Engine, Stats
from headrace.stores.fetched.lending import Lending
from headrace.stores.fetched.memory import Memory
from headrace.stores.files import File
from headrace.stores.layout import Layout
from headrace.stores.manifest import Part
from headrace.stores.mapped import Table, open_columns

_MEMORY = 512 << 20  # bytes of parts that are held in memory, where nothing else is said
_MOST_LOOKED_AT = 16  # parts of a version: more would make the opening of a large one slow
_THREADS = 16


@dataclass(frozen=True, eq=False)
class Fetched:
    """The parts of a remote store, on this machine when they are asked for.

    What is fetched lies in a folder that all processes of the machine share, whichever store it is of, bounded in
    bytes over all of them; what has not been used for longest goes first, and what somebody has open stays. Where the
    folder cannot take a part it is held in memory, after a warning: reading never fails because of the cache.

    Args:
        backend: The remote place.
        folder: The cache folder, absolute; None to hold parts in memory.
        limit: The most bytes in the folder; without one, of parts in memory (512 MiB, if None).
        verify: Take sums of what is found in the folder before it is used; what is fetched is checked in any case.
    """

    backend: Backend
    folder: Path | None
    limit: int | None
    verify: bool = False
    _live: dict[int, tuple[Engine, Ahead]] = field(default_factory=dict, init=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Fetched, (self.backend, self.folder, self.limit, self.verify)

    @property
    def place(self) -> Backend:
        """The remote place."""
        return self.backend

    @property
    def _running(self) -> tuple[Engine, Ahead]:
        """What works for this process: a child that was forked has neither the threads nor free locks."""
        if os.getpid() not in self._live:
            cache = None if self.folder is None else Cache(self.folder, self.limit)
            lending = Lending() if self.folder is None else Lending.at(self.folder)
            engine = Engine(self.backend, cache, Memory(self._memory, lending), lending, self.verify)
            ahead = Ahead(engine.bring, engine.release, lending.names)
            if self._live.setdefault(os.getpid(), (engine, ahead))[0] is engine:
                weakref.finalize(self, _stop, engine, ahead).atexit = False
        return self._live[os.getpid()]

    @property
    def _memory(self) -> float:
        """How many bytes of parts may be held in memory."""
        if self.backend.url.startswith("memory:"):  # where they lie in any case
            return math.inf
        return _MEMORY if self.folder is not None or self.limit is None else self.limit

    def check(self, parts: Iterable[Part]) -> None:
        """Make sure that parts are there and of the right size: some of them, where there are many.

        Raises:
            DamageError: Some are not; all that were found are named.
        """
        every = list(parts)
        looked_at = every[:: -(-len(every) // _MOST_LOOKED_AT) or 1]
        files = [File.of(part, name) for part in looked_at for name in part.files]
        with ThreadPoolExecutor(_THREADS, "headrace-check") as pool:
            problems = [problem for problem in pool.map(self._misfit, files) if problem]
        if problems:
            raise DamageError("; ".join(problems))

    def clean(self, parts: Iterable[Part]) -> None:
        """Take away what lies in the folder and is not what was written; it is fetched again when it is needed."""
        if self.folder is not None:
            Cache(self.folder, self.limit).verify({part.digest for part in parts})

    def _misfit(self, file: File) -> str:
        there = self.backend.look(file.key)
        if there is None:
            return f"{self.backend.url}/{file.key} is missing"
        if there.size != file.size:
            return f"{self.backend.url}/{file.key} has {there.size} bytes, expected {file.size}"
        return ""

    def open(self, part: Part, layout: Layout) -> Table:
        """Return a part's columns, fetched first where it is not in the folder.

        The table may be closed while nobody reads from it, when room is needed, and opens again by itself; views of
        its columns keep the part where it is.
        """
        again = partial(self._opened, part, layout)
        return self._running[0].lending.lend(part, layout, again(), again)

    def _opened(self, part: Part, layout: Layout) -> Table:
        engine, ahead = self._running
        need = ahead.use(part)
        found = engine.obtain(part, need)
        ahead.lose(need.gone)
        return open_columns(found, layout, part.length, allow_pickle=True)

    def expect(self, parts: Sequence[Part], who: object = None) -> None:
        """Begin to fetch parts that will be asked for, in this order, as far as there is room."""
        if parts or os.getpid() in self._live:
            self._running[1].expect(parts, who)

    def stats(self) -> Stats:
        """Return what was done in this process."""
        return self._running[0].stats()


def _stop(engine: Engine, ahead: Ahead) -> None:
    ahead.stopped = engine.ahead.stopped = True
