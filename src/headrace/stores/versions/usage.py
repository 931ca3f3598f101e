"""How many bytes versions take up, and what they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.core.amounts import text_of
from headrace.core.errors import StoreError
from headrace.stores.bucket import Bucket
from headrace.stores.catalog import OBJECTS, Catalog
from headrace.stores.fetched.cache import Cache
from headrace.stores.fetched.shelf import Fetched
from headrace.stores.local import Folder
from headrace.stores.manifest import Manifest

_HEAD = ("DATASET", "VERSION", "RECORDS", "SIZE", "KEPT", "SHARED")


@dataclass(frozen=True)
class VersionUsage:
    """What a version takes up.

    Args:
        id: The dataset.
        version: The version.
        records: How many.
        bytes: Of its files as they are read; a part that occurs twice counts twice.
        kept: Of its parts where they are kept, each once, packed or not.
        shared: How many of these other versions have, too.
        replaced: Whether another version took its name.
    """

    id: str
    version: str
    records: int
    bytes: int
    kept: int
    shared: int
    replaced: bool = False

    def cells(self) -> tuple[str, ...]:
        """Return what a table shows of it."""
        name = f"{self.version} (replaced)" if self.replaced else self.version
        return self.id, name, f"{self.records:,}", text_of(self.bytes), text_of(self.kept), text_of(self.shared)


@dataclass(frozen=True)
class CacheUsage:
    """What the folder on this machine holds, in which parts of far stores are kept.

    Args:
        folder: The folder.
        bytes: In it, of parts of any store.
        of_these: Of the parts of the versions that were asked for.
    """

    folder: Path
    bytes: int
    of_these: int

    def __str__(self) -> str:
        return f"{self.folder} holds {text_of(self.bytes)} on this machine, {text_of(self.of_these)} of these versions"


@dataclass(frozen=True, repr=False)
class Usage:
    """What versions take up.

    Args:
        versions: Of each; of replaced ones, too.
        bytes: Of all their parts where they are kept, each once.
        parts: How many there are.
        garbage: How many bytes in the store belong to no version; None if that cannot be told, or was not asked.
        cache: What lies on this machine; None of a store that is a folder, or held in memory.
        unreadable: Why some manifests could not be read; their versions are left out.
    """

    versions: tuple[VersionUsage, ...]
    bytes: int
    parts: int
    garbage: int | None
    cache: CacheUsage | None
    unreadable: tuple[str, ...] = ()

    def __repr__(self) -> str:
        rows = [_HEAD, *(one.cells() for one in self.versions)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows] if self.versions else []
        lines.append(f"{text_of(self.bytes)} in {self.parts:,} part{'' if self.parts == 1 else 's'}")
        if self.garbage:
            lines.append(f"{text_of(self.garbage)} belong to no version")
        if self.cache is not None:
            lines.append(str(self.cache))
        return "\n".join((*lines, *self.unreadable))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if place < 2 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def usage(home: Folder | Bucket, id: str | None) -> Usage:
    """Return what the versions of a store take up.

    Args:
        home: The store.
        id: A dataset; None for all, and for what belongs to none.

    Raises:
        NotFoundError: There is no such dataset.
        StoreError: The store cannot be read.
    """
    catalog = home.catalog
    objects = _objects(catalog) if id is None else {}  # before the manifests: what comes meanwhile is no garbage
    found = list(catalog.everything())
    manifests = {one.digest: (key, one) for key, one in sorted(found, key=_current_last) if isinstance(one, Manifest)}
    users = Counter(digest for _, one in manifests.values() for digest in {part.digest for part in one.parts})
    chosen = [pair for pair in manifests.values() if id in (None, pair[1].id)]
    if id is not None and not any(key.startswith(f"datasets/{id}/") for key, _ in found):
        raise catalog.missing(id, None)
    chosen.sort(key=lambda pair: (pair[1].id, pair[1].sequence, pair[1].created))
    kept = _kept(one for _, one in chosen)
    unreadable = tuple(str(one) for key, one in found if isinstance(one, StoreError) and _is_of(key, id))
    garbage = None
    if id is None and not unreadable:
        garbage = sum(size for digest, size in objects.items() if digest not in users)
    return Usage(
        tuple(_of_version(key, one, users) for key, one in chosen),
        sum(kept.values()),
        len(kept),
        garbage,
        _cache(home, kept.keys()),
        unreadable,
    )


def _is_of(key: str, id: str | None) -> bool:
    return id is None or key.startswith(f"datasets/{id}/")


def _current_last(found: tuple[str, Manifest | StoreError]) -> bool:
    """Sort what is kept aside before what has the name: a manifest may be both."""
    return "/.replaced/" not in found[0]


def _objects(catalog: Catalog) -> dict[str, int]:
    """Return the size of each part that lies there."""
    found: Counter[str] = Counter()
    for entry in catalog.backend.list(OBJECTS):
        found[entry.key.removeprefix(OBJECTS).partition("/")[0]] += entry.size
    return found


def _kept(manifests: Iterable[Manifest]) -> dict[str, int]:
    return {part.digest: part.kept_size for one in manifests for part in one.parts}


def _of_version(key: str, manifest: Manifest, users: Counter[str]) -> VersionUsage:
    kept = _kept([manifest])
    shared = sum(size for digest, size in kept.items() if users[digest] > 1)
    replaced = "/.replaced/" in key
    return VersionUsage(
        manifest.id, manifest.version, manifest.length, manifest.size, sum(kept.values()), shared, replaced
    )


def _cache(home: Folder | Bucket, digests: Iterable[str]) -> CacheUsage | None:
    shelf = home.shelf
    if not isinstance(shelf, Fetched) or shelf.folder is None:
        return None
    cache = Cache(shelf.folder, shelf.limit)
    sizes = {digest: cache.room.size_of(digest) for digest in cache.digests()}
    return CacheUsage(shelf.folder, sum(sizes.values()), sum(sizes.get(digest, 0) for digest in digests))
