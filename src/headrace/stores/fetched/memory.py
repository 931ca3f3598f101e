"""Parts in memory, for when the cache folder cannot take them: a few, least recently used out."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable

from headrace.stores.fetched.buffers import Buffers
from headrace.stores.fetched.lending import Lending
from headrace.stores.fetched.room import Need
from headrace.stores.manifest import Part


class Memory:
    """Parts of one process.

    Args:
        limit: The most bytes of them; the one that is asked for is held in any case.
        lending: Their tables: what goes is closed.
    """

    def __init__(self, limit: float, lending: Lending) -> None:
        self.limit = limit
        self._lending = lending
        self._parts: OrderedDict[str, tuple[int, Buffers]] = OrderedDict()
        self._coming = 0  # bytes
        self._lock = threading.Lock()
        self._gates: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def get(self, part: Part, fetch: Callable[[Part], Buffers], need: Need) -> Buffers | None:
        """Return a part; of several threads that want it one fetches it, and the others wait.

        Returns:
            None where nobody waits for it, and there is no room that is not needed sooner.
        """
        with self._lock:
            gate = self._gates[part.digest]
        with gate:
            with self._lock:
                if part.digest in self._parts:
                    self._parts.move_to_end(part.digest)
                    return self._parts[part.digest][1]
                if not self._make_room(part.size, need):
                    return None
                self._coming += part.size
            try:
                found = fetch(part)
            finally:
                with self._lock:
                    self._coming -= part.size
            with self._lock:
                self._parts[part.digest] = (part.size, found)
            return found

    def has(self, part: Part) -> bool:
        """Return whether a part is there."""
        with self._lock:
            return part.digest in self._parts

    def _make_room(self, size: int, need: Need) -> bool:
        sizes = {name: size for name, (size, _) in self._parts.items()}
        excess = size + self._coming + sum(sizes.values()) - self.limit
        if excess <= 0:
            return True
        ages = self._lending.ages()
        old = [name for name in sizes if name not in need.expected]
        if not need.waited_for:
            old = [name for name in old if name not in ages or name not in need.listed]
        later = [name for name in sizes if need.expected.get(name, -1) > need.rank]
        names = sorted(old, key=lambda name: ages.get(name, 0))
        names += sorted(later, key=need.expected.__getitem__, reverse=True)
        if not need.waited_for and sum(sizes[name] for name in names) < excess:
            return False
        for name in names:
            if excess <= 0:
                break
            del self._parts[name]
            self._lending.close(name)
            need.gone.append(name)
            excess -= sizes[name]
        return True
