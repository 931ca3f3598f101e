"""This process's memory."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from headrace.core.amounts import text_of
from headrace.core.errors import NotFoundError, StoreError
from headrace.stores.backends.content import whole
from headrace.stores.backends.keys import checked_key
from headrace.stores.backends.protocol import Content, Entry

_PINNED = 600.0  # seconds for which a part that no manifest names yet is taken to be of a version in the making
_MANIFEST = re.compile(r"datasets/[^/]+/(\.replaced/)?[^/.][^/]*\.json")
_DIGEST = re.compile(rb"[0-9a-f]{64}")
_rooms: dict[str, Room] = {}
_opening = threading.Lock()


def _begin_anew() -> None:
    """Share nothing with the process that this one was forked from, nor wait for a lock that its threads held."""
    global _opening
    _rooms.clear()
    _opening = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)


@dataclass(frozen=True)
class Memory:
    """A :class:`~headrace.stores.backends.protocol.Backend` in this process's memory.

    All that are opened by one name share what they hold, until the process ends. It may be held to a **limit**: then
    whole versions go, the least recently read first. A version's manifest goes before its parts, and of them only
    those that no other manifest names; parts that were written or looked for and that no manifest names yet belong to
    a version in the making and stay for ten minutes. So no manifest names what is not there. Who builds a version
    from parts that are there already must :meth:`look` for them first, or write them again.

    Args:
        name: What follows ``memory://``.
        limit: In bytes; None for no limit. Of several that are given for one name, the last one counts.
    """

    name: str
    limit: int | None = None
    _process: int = field(default_factory=os.getpid, repr=False, compare=False)

    def __post_init__(self) -> None:
        with _opening:
            if self._process == os.getpid():
                room = _rooms.setdefault(self.name, Room())
                room.limit = self.limit if self.limit is not None else room.limit

    @property
    def url(self) -> str:
        """The address."""
        return f"memory://{self.name}"

    def check(self) -> None:
        """Make sure that this is the process whose memory is meant."""
        self._room()

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        """Return an object's bytes, or some of them: a view that cannot be written to."""
        return memoryview(self._room().read(checked_key(key), self.url))[start:stop]

    def look(self, key: str) -> Entry | None:
        """Return what is known of an object; None where there is none."""
        return self._room().look(checked_key(key))

    def put(self, key: str, content: Content) -> None:
        """Write an object, in the place of what has the key.

        Raises:
            StoreError: It does not fit, though all older versions have gone.
        """
        self._room().write(checked_key(key), bytes(whole(content)), self.url)

    def put_if_absent(self, key: str, content: Content) -> bool:
        """Write an object if there is none of this key."""
        return self._room().write(checked_key(key), bytes(whole(content)), self.url, replace=False)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield all objects whose keys begin with a prefix, sorted by key, as they are now."""
        yield from self._room().entries(prefix)

    def delete(self, key: str) -> None:
        """Take an object away."""
        self._room().remove(checked_key(key))

    def _room(self) -> Room:
        if self._process != os.getpid():
            raise StoreError(
                f"{self.url} lies in the memory of process {self._process}, and this is process {os.getpid()}: use "
                "threads, or a store that processes can share, such as a folder (/dev/shm/... is memory, too) or redis://"
            )
        return _rooms[self.name]


@dataclass
class _Object:
    content: bytes
    modified: float
    used: int = 0


@dataclass
class Room:
    """What is held under one name."""

    limit: int | None = None
    _objects: dict[str, _Object] = field(default_factory=dict)
    _pins: dict[str, float] = field(default_factory=dict)
    _size: int = 0
    _clock: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def read(self, key: str, url: str) -> bytes:
        """Return an object, which is now the most recently read."""
        with self._lock:
            found = self._objects.get(key)
            if found is None:
                raise NotFoundError(f"there is no {key!r} in {url}")
            self._clock += 1
            found.used = self._clock
            return found.content

    def look(self, key: str) -> Entry | None:
        """Return what is known of an object; a part that is looked for is kept for who may build on it."""
        with self._lock:
            found = self._objects.get(key)
            if found is None:
                return None
            self._pin(key)
            return Entry(key, len(found.content), found.modified)

    def write(self, key: str, content: bytes, url: str, replace: bool = True) -> bool:
        """Write an object, and let versions go until it fits."""
        with self._lock:
            old = self._objects.get(key)
            if old is not None and not replace:
                return False
            self._make_room(len(content) - (len(old.content) if old else 0), key, url)
            self.remove(key)
            self._clock += 1
            self._objects[key] = _Object(content, time.time(), self._clock)
            self._size += len(content)
            self._pin(key)
            if _MANIFEST.fullmatch(key):
                for part in _named(content):
                    self._pins.pop(part, None)
            return True

    def entries(self, prefix: str) -> list[Entry]:
        """Return the objects of a prefix, sorted."""
        with self._lock:
            chosen = sorted(key for key in self._objects if key.startswith(prefix))
            return [Entry(key, len(self._objects[key].content), self._objects[key].modified) for key in chosen]

    def remove(self, key: str) -> None:
        """Let one object go."""
        with self._lock:
            found = self._objects.pop(key, None)
            self._size -= len(found.content) if found else 0

    def _pin(self, key: str) -> None:
        if key.startswith("objects/"):
            self._pins[_part(key)] = time.monotonic() + _PINNED

    def _make_room(self, more: int, key: str, url: str) -> None:
        while self.limit is not None and self._size + more > self.limit:
            if not self._let_go(key):
                raise StoreError(
                    f"{url} is full: {text_of(self._size)} are held by the version that is being written, "
                    f"{key!r} needs {text_of(more)} more, and the limit is {text_of(self.limit)}. Give it more, or "
                    "choose another store"
                )

    def _let_go(self, but: str) -> bool:
        """Let the least recently read version go, and parts that nobody names; return whether there was anything."""
        manifests = {key: _named(one.content) for key, one in self._objects.items() if _MANIFEST.fullmatch(key)}
        parts: dict[str, list[str]] = {}
        for key in self._objects:
            if key.startswith("objects/"):
                parts.setdefault(_part(key), []).append(key)

        def used(manifest: str) -> int:
            files = [file for part in manifests[manifest] for file in parts.get(part, ())]
            return max(self._objects[key].used for key in (manifest, *files))

        before = self._size
        oldest = min((key for key in manifests if key != but), key=used, default=None)
        if oldest is not None:
            self.remove(oldest)
            del manifests[oldest]
        named = set[str]().union(*manifests.values())
        now = time.monotonic()
        self._pins = {part: until for part, until in self._pins.items() if until > now}
        for part in parts.keys() - named - self._pins.keys():
            for key in parts[part]:
                self.remove(key)
        return self._size < before


def _part(key: str) -> str:
    return key.split("/", 2)[1]


def _named(manifest: bytes) -> set[str]:
    """Return the digests that a manifest names, its parts among them."""
    return {digest.decode() for digest in _DIGEST.findall(manifest)}
