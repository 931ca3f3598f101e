"""The cache folder: whole parts, found by digest, each fetched by one process while the others wait."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from headrace.stores.fetched import locks
from headrace.stores.fetched.buffers import Buffer, Buffers, mapped
from headrace.stores.fetched.room import Need, Room
from headrace.stores.manifest import Part
from headrace.stores.sums import FileSum, count, digest_of, join


class Cache:
    """Parts in a folder that all processes of this machine share, whichever stores they read.

    Args:
        root: The folder, absolute; it is made when it is needed.
        limit: The most bytes of files in it, over all processes; None for as many as the disk takes.
    """

    def __init__(self, root: Path, limit: int | None) -> None:
        self.root = root
        self.room = Room(root, limit)
        self._trusted: set[str] = set()  # parts of other users whose sums are known to be right

    def find(self, part: Part, verify: bool = False) -> Buffers | None:
        """Return a part that is there, and keep it there for as long as one of its maps lives.

        Args:
            part: What is wanted.
            verify: Take the sums of its files, and not their sizes alone. Of what belongs to other users they are
                taken once in any case.

        Returns:
            None where it is missing, or not what was written.

        Raises:
            Busy: It may be there, and somebody else is about to take it away: try again.
            OSError: It cannot be read.
        """
        folder = self.room.parts / part.digest
        files: dict[str, Buffer] = {}
        try:
            for name, sum in part.files.items():
                found = mapped(folder / name, sum.bytes)
                if found is None:
                    return None
                files[name] = found
            if (verify or self._is_foreign(folder, part)) and not self._is_whole(folder, part):
                return None
        except FileNotFoundError:
            return None
        self.mark(part, 0.0)
        return Buffers(str(folder), files)

    def has(self, part: Part) -> bool:
        """Return whether a part is there, without a look into it.

        Raises:
            OSError: That cannot be told.
        """
        try:
            os.stat(self.room.parts / part.digest)
        except FileNotFoundError:
            return False
        return True

    def mark(self, part: Part, keep: float) -> None:
        """Note that a part is used, or that it is to be kept for some seconds because it will be."""
        _mark(self.room.parts / part.digest, keep)

    def _is_foreign(self, folder: Path, part: Part) -> bool:
        return part.digest not in self._trusted and os.stat(folder).st_uid not in (0, os.geteuid())

    def _is_whole(self, folder: Path, part: Part) -> bool:
        whole = all(_sum_of(folder / name) == sum for name, sum in part.files.items())
        if whole:
            self._trusted.add(part.digest)
        return whole

    @contextmanager
    def claiming(self, part: Part) -> Iterator[bool]:
        """Claim the right to fetch a part, for the block; gives whether nobody else has it.

        Raises:
            OSError: The folder cannot be made or written to.
        """
        path = self.room.lock(part.digest)
        try:
            lock = locks.take(path)
        except FileNotFoundError:
            for folder in (self.room.parts, self.room.tmp, path.parent):
                folder.mkdir(parents=True, exist_ok=True)
            lock = locks.take(path)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                locks.free(lock, path)

    @contextmanager
    def reserving(self, part: Part, need: Need) -> Iterator[tuple[Path, list[str]]]:
        """Give a folder for a part that was claimed, and which parts had to go; it is cleared in the end.

        Raises:
            NoRoom: There is none.
            OSError: The folder cannot be written to.
        """
        place, gone = self.room.reserve(part.digest, part.size, need)
        try:
            yield place, gone
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def adopt(self, part: Part, place: Path, keep: float) -> Buffers:
        """Let a part that was fetched into a folder appear, and return it; nobody can have taken it away."""
        _mark(place, keep)
        files: dict[str, Buffer] = {}
        for name, sum in part.files.items():
            found = mapped(place / name, sum.bytes)
            assert found is not None, "it was checked when it was written"
            files[name] = found
        os.rename(place, self.room.parts / part.digest)
        return Buffers(str(self.room.parts / part.digest), files)

    def progress(self, part: Part) -> object:
        """Return what changes as long as somebody's fetching of a part gets on."""
        with suppress(FileNotFoundError), os.scandir(self.room.tmp / f"{part.digest}.{part.size}") as entries:
            return sorted((entry.name, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in entries)
        return None

    def verify(self, wanted: Container[str] | None = None) -> list[str]:
        """Read parts, all or some, and take away those that are not what their names say; return these."""
        found = [digest for digest in self.digests() if wanted is None or digest in wanted]
        with ThreadPoolExecutor(os.cpu_count(), "headrace-verify") as pool:
            fits = list(pool.map(self._fits, found))
        damaged = [digest for digest, good in zip(found, fits, strict=True) if not good]
        for digest in damaged:
            self.room.discard(digest)
        return damaged

    def _fits(self, digest: str) -> bool:
        """Return whether a part's files are what its name says, which is a digest over their sums."""
        folder = self.room.parts / digest
        try:
            sums = {name: _sum_of(folder / name) for name, _ in self.room.files(digest)}
        except OSError:  # somebody has taken it away meanwhile, or it is another user's
            return True
        return Part(0, sums).digest == digest

    def clear(self) -> int:
        """Take away all parts that nobody has open; return how many bytes they had."""
        freed = 0
        for digest in self.digests():
            size = self.room.size_of(digest)
            if self.room.evict(digest):
                freed += size
        return freed

    def digests(self) -> list[str]:
        """Return which parts are there."""
        try:
            return self.room.digests()
        except OSError:  # there is none, or it is another user's
            return []


def _mark(folder: Path, keep: float) -> None:
    at = time.time() + keep
    with suppress(OSError):  # of another user, whose times are not ours to set
        os.utime(folder, (at, at))


def _sum_of(path: Path) -> FileSum:
    size = path.stat().st_size
    return FileSum(size, join(digest_of(path, piece) for piece in range(count(size))))
