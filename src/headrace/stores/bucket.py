"""A store far away: parts are prepared on this machine, sent, and then a version appears, in one step or not at all.

There is no lock. What makes a version is one conditional creation, of its manifest: of several who publish one name,
one succeeds. Parts are named by their content, so two builders of the same records write the same bytes to the same
keys. Three things stand in for the lock that a store on disk has:

* A writer notes under ``tmp/`` which parts it relies on *before* it looks which of them are there. Who collects what
  nobody refers to spares those, and whatever is younger than a grace; see :mod:`headrace.stores.versions.garbage`.
* After its version has appeared it waits for those who are taking parts of it away at this moment, looks once more
  whether all parts are there, and sends again what is not. See :mod:`headrace.stores.versions.going`.
* Places among the versions are claimed by conditional creation too, so that they stay in order while listings lag.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from headrace.core.errors import DamageError, NotFoundError, StoreError
from headrace.stores.backends.protocol import Backend
from headrace.stores.building.stages import About
from headrace.stores.catalog import OBJECTS, Catalog
from headrace.stores.disk import speaking
from headrace.stores.files import File
from headrace.stores.free import check_free, parents_of, taken
from headrace.stores.leases.remote import RemoteTurns
from headrace.stores.local import Folder
from headrace.stores.manifest import Manifest, Part
from headrace.stores.packing import SUFFIXES, Codec
from headrace.stores.sending import Sending
from headrace.stores.shelves import Shelf
from headrace.stores.transfer.upload import upload
from headrace.stores.versions.garbage import USED, Garbage, collect
from headrace.stores.versions.going import wait_for_collectors

_PART_BYTES = 64 << 20
_THREADS = 8  # that send: what one takes to answer, others use
_PARTS = 4  # sent at once
_JUST_NOW = 60.0  # seconds for which no collector takes a part for old


@dataclass(frozen=True)
class Bucket:
    """The writing side of a store far away.

    Args:
        backend: Where it lies.
        shelf: Its parts, for readers on this machine.
        desk: A folder on this machine in which parts are prepared; made when it is needed.
        compression: How files of parts are packed.
        lease: For how many seconds a builder may be silent before another takes over.
    """

    backend: Backend
    shelf: Shelf
    desk: Path
    compression: Codec | None = None
    lease: float = 60.0

    @property
    def catalog(self) -> Catalog:
        """The reading side: what there is."""
        return Catalog(self.backend)

    @property
    def part_bytes(self) -> int:
        """Parts are what is fetched and what is kept: few enough to ask for, small enough to choose from."""
        return _PART_BYTES

    @property
    def turns(self) -> RemoteTurns:
        """Who builds a missing version."""
        return RemoteTurns(self.backend, self.lease)

    @contextmanager
    def staging(self, about: About | None = None) -> Iterator[Path]:
        """Give a folder of one's own on this machine to prepare parts in; see :meth:`Folder.staging`.

        Who may not write far away is told now, and not when everything is prepared.
        """
        with self.relying_on(()):
            pass
        with Folder(self.desk).staging(about) as stage:
            yield stage

    def check(self, id: str, version: str, taking: bool) -> None:
        """Make sure that a name may be given, before much is written for it."""
        check_free(self.catalog, id, version, taking)

    def sending(self, stage: Path) -> Sending:
        """Give what sends parts while the next ones are made."""
        return Sending(self.backend, self.compression, stage)

    def publish(self, stage: Path, draft: Manifest, taking: bool = False, sending: Sending | None = None) -> Manifest:
        """Send the parts that were made, and make the version appear."""
        self.check(draft.id, draft.version, taking)
        with self.relying_on(draft.parts):
            parts = self._send(stage, draft.parts, sending)
            manifest = replace(draft, parts=parts, sequence=self._claim(draft), parents=parents_of(self.catalog, draft))
            if taking:
                self._take_over(manifest)
            elif not self.backend.put_if_absent(self.catalog.key(draft.id, draft.version), manifest.encode()):
                raise taken(draft.id, draft.version)
            self._check_again(stage, manifest)
        return manifest

    @contextmanager
    def relying_on(self, parts: tuple[Part, ...]) -> Iterator[None]:
        """Note which parts must not be taken away, until the manifest says so."""
        note = f"tmp/{uuid.uuid4().hex}.json"
        self.backend.put(note, json.dumps(sorted({part.digest for part in parts})).encode())
        try:
            yield
        finally:
            with suppress(StoreError):  # who collects garbage takes it away, too
                self.backend.delete(note)

    def _send(self, stage: Path, parts: tuple[Part, ...], sending: Sending | None = None) -> tuple[Part, ...]:
        """Send the parts that lie in the stage; others are there already, as shared ones of a derived version are."""
        made = [part for part in {part.digest: part for part in parts}.values() if (stage / part.digest).is_dir()]
        with speaking(self.desk), ThreadPoolExecutor(_THREADS, "headrace-upload") as pool:
            with ThreadPoolExecutor(_PARTS, "headrace-send") as several:
                sent = list(several.map(partial(self._send_one, stage, sending, pool), made))
        there = {part.digest: part for part in sent}
        return tuple(there.get(part.digest, part) for part in parts)

    def _send_one(self, stage: Path, sending: Sending | None, pool: Executor, part: Part) -> Part:
        sent = None if sending is None else sending.sent(part.digest, _JUST_NOW)
        if sent is not None:
            return sent  # whether it is there still is looked for in the end
        self._renew(part)
        return upload(self.backend, stage / part.digest, part, self.compression, pool, reuse=True, scratch=stage)

    def _renew(self, part: Part) -> None:
        """Make a part young that lies there already, perhaps as garbage: it is about to be needed again."""
        first = f"{OBJECTS}{part.digest}/{next(iter(part.files), '')}"
        ways = (first,) if self.compression is None else (first, f"{first}.{SUFFIXES[self.compression]}")
        if any(self.backend.look(key) is not None for key in ways):
            self.backend.put(f"{OBJECTS}{part.digest}/{USED}", b"")

    def _claim(self, draft: Manifest) -> int:
        """Return a place among the versions that nobody else has, behind all that are known."""
        for sequence in count(self.catalog.last(draft.id) + 1):
            said = json.dumps({"version": draft.version}).encode()
            if self.backend.put_if_absent(self.catalog.claim(draft.id, sequence), said):
                return sequence
        raise AssertionError("numbers have no end")

    def _take_over(self, manifest: Manifest) -> None:
        """Move a name to a new manifest; of several who do so at once the last has it, and no other is lost."""
        self._keep(manifest)
        key = self.catalog.key(manifest.id, manifest.version)
        with suppress(NotFoundError, DamageError):  # of a damaged one nothing could be read anyway
            self._keep(self.catalog.read(key))
        self.backend.put(key, manifest.encode())

    def _keep(self, manifest: Manifest) -> None:
        key = self.catalog.kept(manifest.id, manifest.version, manifest.digest)
        self.backend.put_if_absent(key, manifest.encode())

    def _check_again(self, stage: Path, manifest: Manifest) -> None:
        """Make sure that all parts are there, now that nobody may take them away any more."""
        wait_for_collectors(self.backend, {part.digest for part in manifest.parts})
        missing = self._missing(manifest.parts)
        again = tuple(part for part in missing if (stage / part.digest).is_dir())
        if again:
            self._send(stage, again)
            missing = self._missing(missing)
        if missing:
            raise DamageError(
                f"{len(missing)} parts of {manifest.id!r} {manifest.version!r} were taken away from {self.backend.url} "
                "while it was published: delete the version, and write it again"
            )

    def _missing(self, parts: Iterable[Part]) -> list[Part]:
        with ThreadPoolExecutor(_THREADS, "headrace-check") as pool:
            different = list({part.digest: part for part in parts}.values())
            return [
                part for part, whole in zip(different, pool.map(self.is_whole, different), strict=True) if not whole
            ]

    def is_whole(self, part: Part) -> bool:
        """Tell whether all files of a part are there, as far as their sizes tell."""
        files = [File.of(part, name) for name in part.files]
        found = (self.backend.look(file.key) for file in files)
        return all(entry is not None and entry.size == file.size for file, entry in zip(files, found, strict=True))

    def collect(self, grace: float, dry_run: bool) -> Garbage:
        """Take away the parts that no version refers to, if no writer relies on them."""
        return collect(self.catalog, grace, dry_run)

    def delete(self, id: str, version: str) -> None:
        """Take away a version, with those whose name it took. Its parts stay until garbage is collected.

        Who has fetched them reads on.
        """
        key = self.catalog.key(id, version)
        if self.backend.look(key) is None:
            raise self.catalog.missing(id, version)
        self.backend.delete(key)
        for kept in self.catalog.all_kept(id, version):
            self.backend.delete(kept)
