"""Room in the cache folder: how much is used by all processes, and who has to go for a part that comes.

The folder looks like this. What is there at any moment can be told by every process from the names and locks alone, so
that one that is killed leaves nothing that counts for ever::

    parts/<digest>/<file>   whole parts; one that is mapped has a shared lock on the files, and the time of the folder
                            says when it was last opened, or, if it lies ahead: until when nobody else's fetching
                            ahead may push out a part that was fetched ahead, unless it is opened before
    tmp/<digest>.<bytes>/   a part that is being fetched: the bytes are reserved as long as its lock is held
    tmp/<digest>.gone.*/    a part that is being taken away
    locks/<digest>          held by the process that fetches the part
    lock                    held while room is counted and made
"""

from __future__ import annotations

import math
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from headrace.core.amounts import text_of
from headrace.stores.fetched import locks

KEPT = 120.0
"""Seconds for which a part that was fetched ahead is kept from others that are fetched ahead."""

_DIGITS = 64  # of a digest
_PATIENCE = 20.0  # seconds for the lock of the folder, which is held for as long as it takes to delete some parts


class NoRoom(Exception):
    """The cache cannot take a part; the text says why, and what to do.

    Args:
        said: The text.
        passing: Whether that is likely to change soon: others are fetching, and what they fetch may go again.
    """

    def __init__(self, said: str, passing: bool = False) -> None:
        super().__init__(said)
        self.passing = passing


class TooLarge(NoRoom):
    """It never can."""


@dataclass(frozen=True)
class Need:
    """Who wants room.

    Args:
        expected: The parts that this process will ask for, by digest: the lower the number, the sooner.
        rank: Of the part that comes; -1 if somebody waits for it. Those that are wanted sooner stay.
        listed: The expected ones, and those that were expected and have come into use since.
        gone: Gets the parts that had to go.
    """

    expected: Mapping[str, int] = field(default_factory=dict)
    rank: int = -1
    listed: Collection[str] = ()
    gone: list[str] = field(default_factory=list)

    @property
    def waited_for(self) -> bool:
        """Whether somebody waits."""
        return self.rank < 0


@dataclass(frozen=True)
class Room:
    """What counts and makes room.

    Args:
        root: The cache folder.
        limit: The most bytes of files in it; None for as many as the disk takes.
    """

    root: Path
    limit: int | None
    _sizes: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def parts(self) -> Path:
        """Where whole parts lie."""
        return self.root / "parts"

    @property
    def tmp(self) -> Path:
        """Where parts are that come or go."""
        return self.root / "tmp"

    def lock(self, digest: str) -> Path:
        """Return the lock of whoever fetches a part."""
        return self.root / "locks" / digest

    def reserve(self, digest: str, size: int, need: Need) -> tuple[Path, list[str]]:
        """Make room for a part whose lock the caller holds, and a folder for it to be fetched into.

        Returns:
            The folder, empty, and which parts had to go.

        Raises:
            NoRoom: There is none, and what could go would not suffice.
            OSError: The folder cannot be written to.
        """
        if self.limit is not None and size > self.limit:
            raise TooLarge(f"a part has {text_of(size)}, more than cache_bytes={self.limit}: raise that")
        with locks.holding(self.root / "lock", _PATIENCE) as held:
            if not held:
                raise NoRoom(f"another process has held {self.root / 'lock'} for {_PATIENCE:.0f} s")
            reserved = self._reserved(digest)
            gone = self._make(digest, size, reserved, need)
            place = self.tmp / f"{digest}.{size}"
            place.mkdir()
        return place, gone

    def _reserved(self, own: str) -> dict[str, int]:
        """Return what other live processes are fetching, by digest; leftovers of dead ones are cleared."""
        found = {}
        for name in os.listdir(self.tmp):
            digest, _, size = name.partition(".")
            if digest != own and size.isdecimal() and self._is_fetched(digest):
                found[digest] = int(size)
            else:
                shutil.rmtree(self.tmp / name, ignore_errors=True)
        return found

    def _is_fetched(self, digest: str) -> bool:
        lock = locks.take(self.lock(digest))
        if lock is None:
            return True
        locks.free(lock, self.lock(digest))
        return False

    def _make(self, digest: str, size: int, reserved: Mapping[str, int], need: Need) -> list[str]:
        there = {name: self.size_of(name) for name in self.digests() if name not in reserved and name != digest}
        coming = sum(reserved.values())
        excess = size + coming - shutil.disk_usage(self.parts).free
        if self.limit is not None:
            excess = max(excess, size + coming + sum(there.values()) - self.limit)
        gone: list[str] = []
        if excess <= 0:
            return gone
        candidates = self._by_use(there, need)
        if not self._suffices(candidates, there, excess):
            wanted = "the disk" if self.limit is None else f"cache_bytes={self.limit} or the disk"
            raise NoRoom(
                f"{wanted} has no room for a part of {text_of(size)}: {text_of(sum(there.values()) + coming)} are in "
                "use by readers or wanted sooner; allow more, or read fewer parts at once",
                passing=coming > 0,
            )
        for name in candidates:
            if excess <= 0:
                break
            if self.evict(name):
                excess -= there[name]
                gone.append(name)
        if excess > 0:
            raise NoRoom("parts that could have gone came into use at this moment", passing=True)
        return gone

    def _by_use(self, there: Mapping[str, int], need: Need) -> list[str]:
        """Return what may go, in this order: least recently used first, then what is expected, the latest first."""
        used = {name: self._used(name) for name in there if name not in need.expected}
        kept = math.inf if need.waited_for else time.time_ns()
        old = sorted((name for name, at in used.items() if at <= kept), key=used.__getitem__)
        later = [name for name in there if need.expected.get(name, -1) > need.rank]
        return old + sorted(later, key=need.expected.__getitem__, reverse=True)

    def _used(self, digest: str) -> int:
        try:
            return os.stat(self.parts / digest).st_mtime_ns
        except FileNotFoundError:
            return 0

    def _suffices(self, names: list[str], sizes: Mapping[str, int], excess: int) -> bool:
        """Tell whether enough can go, so that nothing goes in vain."""
        for name in names:
            with suppress(OSError):
                held = locks.seize(self.parts / name)
                if held is not None:
                    locks.release(held)
                    excess -= sizes[name]
            if excess <= 0:
                return True
        return False

    def evict(self, digest: str) -> bool:
        """Take a part away, if nobody has it open."""
        try:
            held = locks.seize(self.parts / digest)
        except OSError:  # of another user, for example
            return False
        if held is None:
            return False
        try:
            return self.discard(digest)
        finally:
            locks.release(held)

    def discard(self, digest: str) -> bool:
        """Take a part away, whoever has it open: who has goes on reading."""
        aside = self.tmp / f"{digest}.gone.{uuid.uuid4().hex}"
        try:
            os.rename(self.parts / digest, aside)
        except OSError:
            return False
        shutil.rmtree(aside, ignore_errors=True)
        return True

    def digests(self) -> list[str]:
        """Return which parts are there, sorted; not what a file manager leaves everywhere."""
        return sorted(name for name in os.listdir(self.parts) if len(name) == _DIGITS)

    def size_of(self, digest: str) -> int:
        """Return how many bytes the files of a part have."""
        if digest not in self._sizes:
            self._sizes[digest] = sum(size for _, size in self.files(digest))
        return self._sizes[digest]

    def files(self, digest: str) -> Iterator[tuple[str, int]]:
        """Yield names and sizes of a part's files."""
        with suppress(FileNotFoundError), os.scandir(self.parts / digest) as entries:
            for entry in entries:
                yield entry.name, entry.stat().st_size
