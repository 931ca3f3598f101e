"""Parts that nothing refers to: found, and taken away once that is safe.

A writer sends parts before the manifest that refers to them. So what nobody refers to is garbage only if

* no writer has noted under ``tmp/`` that it relies on it, and
* it is older than a grace, by the clock of the place where it lies: the clock of this machine does not matter.

The parts are listed before the manifests and the notes are read: what comes to be needed meanwhile is seen. Before
parts go this is said (see :mod:`headrace.stores.versions.going`), manifests and notes are read once more, and each
part's age is looked at again: who needs a part that lies there anew has made it young.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from headrace.core.amounts import text_of
from headrace.core.errors import NotFoundError, StoreError
from headrace.stores.backends.protocol import Backend, Entry
from headrace.stores.catalog import OBJECTS, Catalog
from headrace.stores.manifest import Manifest
from headrace.stores.versions.going import going

USED = ".used"
"""What is written into the folder of a part that lies there and is needed again: it makes the part young."""

_NOTES = "tmp/"
_AT_ONCE = 1000  # parts that go after manifests and notes were read
_PATIENCE = 30.0  # seconds that writers wait for a collector, at least
_OLD_NOTE = 7 * 86400.0  # seconds after which a writer's note is that of a dead one


@dataclass(frozen=True, repr=False)
class Garbage:
    """What was found.

    Args:
        parts: How many parts nothing refers to, and nobody relies on.
        bytes: How many bytes they have where they are kept.
        young: How many more there are that are younger than the grace, or whose age is not known.
        dry_run: Whether they are there still.
    """

    parts: int
    bytes: int
    young: int
    dry_run: bool

    def __repr__(self) -> str:
        done = "would go" if self.dry_run else "are gone"
        young = f"; {self.young:,} more are younger than the grace, or of no known age" if self.young else ""
        return f"{self.parts:,} parts of {text_of(self.bytes)} {done}{young}"


def collect(catalog: Catalog, grace: float, dry_run: bool) -> Garbage:
    """Take away the parts that no version refers to.

    Args:
        catalog: Of the store.
        grace: How many seconds old they must be, at least.
        dry_run: Whether to look only.

    Raises:
        StoreError: A manifest cannot be read, so that it cannot be told which parts it needs; or a part cannot go.
    """
    backend = catalog.backend
    parts, began = _parts(backend), time.monotonic()
    now = _time_there(backend) if grace > 0 and parts else None
    spared = _needed(catalog) | _relied_on(backend, now)
    unused = {digest: entries for digest, entries in parts.items() if digest not in spared}
    old = {digest: entries for digest, entries in unused.items() if grace <= 0 or _age(entries, now) >= grace}
    if not dry_run:
        patience = max(_PATIENCE, 10 * (time.monotonic() - began))
        old = {digest: old[digest] for digest in _take_away(catalog, old, grace, now, patience)}
    size = sum(entry.size for entries in old.values() for entry in entries)
    return Garbage(len(old), size, len(unused) - len(old), dry_run)


def _take_away(
    catalog: Catalog, old: Mapping[str, list[Entry]], grace: float, now: float | None, patience: float
) -> list[str]:
    """Take parts away that nobody has come to need meanwhile, and return which."""
    backend, left, gone = catalog.backend, dict(old), []
    while left:
        some = list(islice(left, _AT_ONCE))
        with going(backend, some, patience) as until:
            spared = _needed(catalog) | _relied_on(backend, now)
            for digest in some:
                if time.monotonic() > until:
                    break
                entries = left.pop(digest)
                if digest not in spared and not _is_young(backend, digest, grace, now):
                    for entry in entries:
                        backend.delete(entry.key)
                    gone.append(digest)
        patience *= 2  # should it have been too short even for reading
    return gone


def _is_young(backend: Backend, digest: str, grace: float, now: float | None) -> bool:
    """Tell whether somebody has come to need a part since it was listed, or where listings lag before that."""
    if grace <= 0:
        return False
    used = backend.look(f"{OBJECTS}{digest}/{USED}")
    return used is not None and _age([used], now) < grace


def _parts(backend: Backend) -> dict[str, list[Entry]]:
    """Return the objects of each part."""
    found: dict[str, list[Entry]] = {}
    for entry in backend.list(OBJECTS):
        found.setdefault(entry.key.removeprefix(OBJECTS).partition("/")[0], []).append(entry)
    return found


def _time_there(backend: Backend) -> float | None:
    """Return what time it is by the clock of the place; None where it keeps no times."""
    key = f"{_NOTES}{uuid.uuid4().hex}.time"
    backend.put(key, b"")
    try:
        entry = backend.look(key)
    finally:
        backend.delete(key)
    return None if entry is None else entry.modified


def _needed(catalog: Catalog) -> set[str]:
    needed: set[str] = set()
    for key, manifest in catalog.everything():
        if not isinstance(manifest, Manifest):
            raise StoreError(
                f"nothing was taken away, since {catalog.shown}/{key} cannot be read, and may need it: {manifest}; "
                "delete that version, or write it again"
            ) from manifest
        needed.update(part.digest for part in manifest.parts)
    return needed


def _relied_on(backend: Backend, now: float | None) -> set[str]:
    """Return the parts that writers who may be alive rely on; notes of those that surely are not go."""
    return {digest for note in list(_notes(backend, now)) for digest in note}


def _notes(backend: Backend, now: float | None) -> Iterator[list[str]]:
    for entry in backend.list(_NOTES):
        if not entry.key.endswith(".json") or "/" in entry.key.removeprefix(_NOTES):
            continue
        if now is not None and entry.modified is not None and now - entry.modified > _OLD_NOTE:
            backend.delete(entry.key)
            continue
        with suppress(NotFoundError, ValueError):  # its writer is done; or no note of ours
            yield json.loads(bytes(backend.get(entry.key)))


def _age(entries: list[Entry], now: float | None) -> float:
    """Return for how many seconds the youngest file of a part has been there; below 0 where that is not known."""
    times = [entry.modified for entry in entries]
    if now is None or None in times:
        return -1.0
    return now - max(time for time in times if time is not None)
