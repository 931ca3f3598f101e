"""A store on local disk: where files lie, and the few steps that make a version appear, whole or not at all.

::

    <store>/objects/<digest>/               a part: its files, never changed
    <store>/datasets/<id>/<version>.json    the manifest of a version; it is there if and only if the version is
    <store>/datasets/<id>/.replaced/        manifests that lost their name to another; their parts stay for readers
    <store>/tmp/<unique>/                   what a writer has in hand, with a lock that it holds as long as it lives
    <store>/lock                            held for moments, by whoever adds names or takes them away

Readers take no lock: parts never change, and a manifest appears in one step. Writers prepare their parts under ``tmp``
without the store's lock. Then, under it, parts are moved to ``objects`` (one that is there already is shared) and the
manifest is linked to its name. Deleting takes the same lock, so no part is taken away between the moment when a writer
finds it and the moment when its manifest says so. The locks are ``flock`` locks, which the system lets go of when
their holder dies, however it dies: an unlocked folder under ``tmp`` belongs to nobody, and the next writer clears it,
unless it has a journal that is younger than a week: then who writes the same goes on in it.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.core.errors import DamageError, ExistsError, StoreError
from headrace.core.syncing import sync_folder
from headrace.stores.backends.disk import Files
from headrace.stores.building.stages import KEPT, About, claim, is_kept, leave
from headrace.stores.catalog import Catalog
from headrace.stores.disk import appear, is_held, let_go, make_folders, speaking, take_lock, write_synced
from headrace.stores.free import check_free, parents_of
from headrace.stores.leases.local import LocalTurns
from headrace.stores.manifest import Manifest, Part
from headrace.stores.ondisk import OnDisk
from headrace.stores.versions.garbage import Garbage, collect

_TOUCHED = "touched"
"""A file in which a writer notes the parts that it is about to move, so that the next one can tidy up after it."""


@dataclass(frozen=True)
class Folder:
    """The writing side of a store's folder.

    Args:
        root: The store's folder, absolute; it is made by the first write.
    """

    root: Path

    @property
    def catalog(self) -> Catalog:
        """The reading side: what there is."""
        return Catalog(Files(self.root))

    @property
    def shelf(self) -> OnDisk:
        """The parts."""
        return OnDisk(self.root / "objects")

    @property
    def desk(self) -> Path:
        """The folder itself: parts are prepared where they will lie."""
        return self.root

    @property
    def part_bytes(self) -> None:
        """None: one part, which is read fastest."""

    @property
    def turns(self) -> LocalTurns:
        """Who builds a missing version."""
        return LocalTurns(self.root)

    @contextmanager
    def staging(self, about: About | None = None) -> Iterator[Path]:
        """Give a folder of one's own to prepare parts in, after clearing away those of writers that died.

        It is gone when the block is left; after an error it stays if there is something to go on with.

        Args:
            about: What is written, for who can go on with what a dead writer of the same has left.

        Raises:
            StoreError: Nothing can be written here.
        """
        with speaking(self.root):
            make_folders(*(self.root / folder for folder in ("tmp", "objects", "datasets")))
            with self._locked():
                self._clear()
                stage, lock = claim(self.root / "tmp", about)
        error: BaseException | None = None
        try:
            yield stage
        except BaseException as raised:
            error = raised
            raise
        finally:
            leave(stage, error)
            let_go(lock)
            del error  # it holds this frame

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = take_lock(self.root / "lock")
        try:
            yield
        finally:
            let_go(lock)

    def _clear(self, seconds: float = KEPT) -> None:
        """Take away what writers left that died; under the store's lock, under which writers make their own.

        Stages that somebody may go on with stay for a while; the parts in them are those that no version needs.
        """
        for stage in (self.root / "tmp").iterdir():
            if is_held(stage / "lock"):
                continue
            touched: list[str] = []
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError, ValueError):  # it touched no part
                touched = json.loads((stage / _TOUCHED).read_bytes())
                self._drop(touched, stage)
            if not is_kept(stage, seconds):
                shutil.rmtree(stage, ignore_errors=True)
                continue
            for digest in touched:
                with suppress(FileNotFoundError):
                    os.rename(stage / f"{digest}.gone", stage / digest)
            (stage / _TOUCHED).unlink(missing_ok=True)

    def sending(self, stage: Path) -> AbstractContextManager[None]:
        """Give nothing: parts stay where they are made."""
        return nullcontext()

    def publish(self, stage: Path, draft: Manifest, taking: bool = False, sending: object = None) -> Manifest:
        """Make a version appear, in one step.

        Args:
            stage: The folder whose sub-folders are the parts, by digest, safe on disk already.
            draft: The manifest, to be completed by its sequence and parents.
            taking: Whether the name may be taken from a version that has it.
            sending: Has nothing to do here.

        Returns:
            The manifest as published.

        Raises:
            ExistsError: The version is there, and may not be replaced.
            ArgumentError: A name is one that is there but for upper and lower case.
            StoreError: The folder cannot be written to.
        """
        with speaking(self.root), self._locked():
            path = self._path(draft.id, draft.version)
            self.check(draft.id, draft.version, taking)
            manifest = replace(draft, sequence=self.catalog.last(draft.id) + 1, parents=parents_of(self.catalog, draft))
            try:
                self._place(stage, manifest.parts)
                self._name(stage, path, manifest)
            except BaseException:
                self._drop((part.digest for part in manifest.parts), stage)
                raise
            return manifest

    def check(self, id: str, version: str, taking: bool) -> None:
        """Make sure that a name may be given; before much is written for it, and again under the lock."""
        check_free(self.catalog, id, version, taking)

    def _path(self, id: str, version: str) -> Path:
        return self.root / self.catalog.key(id, version)

    def _place(self, stage: Path, parts: tuple[Part, ...]) -> None:
        """Move prepared parts to where readers look for them, after noting which, in case of a crash."""
        (stage / _TOUCHED).write_text(json.dumps([part.digest for part in parts]))
        for part in parts:
            place = self.shelf.objects / part.digest
            if place.exists():
                self._mend(stage, part)
            else:
                os.rename(stage / part.digest, place)
        sync_folder(self.shelf.objects)

    def _mend(self, stage: Path, part: Part) -> None:
        """Put files in place of those that should be equal, one by one: whatever was damaged is whole again.

        Readers see the one or the other, and keep what they have mapped.
        """
        place = self.shelf.objects / part.digest
        for name in part.files:
            made = stage / part.digest / name
            if made.exists():  # else another part of the same content has brought it
                try:
                    os.replace(made, place / name)
                except PermissionError:  # another user's; share it, if it looks whole
                    if any(self.shelf.misfits(part)):
                        raise
        sync_folder(place)

    def _name(self, stage: Path, path: Path, manifest: Manifest) -> None:
        """Write the manifest and give it its name: the step by which the version is there."""
        path.parent.mkdir(exist_ok=True)
        written = write_synced(stage / "manifest", manifest.encode())
        if path.exists():
            self._keep(stage, path, manifest)
            os.replace(written, path)
        elif not appear(written, path):
            raise ExistsError(f"{path} was written by another meanwhile")
        sync_folder(path.parent)
        sync_folder(path.parent.parent)

    def _keep(self, stage: Path, path: Path, successor: Manifest) -> None:
        """Keep the manifest whose name is about to be taken, so that its parts stay known."""
        with suppress(DamageError):  # of a damaged one nothing could be read anyway
            digest = self.catalog.read(self.catalog.key(successor.id, successor.version)).digest
            kept = self.root / self.catalog.kept(successor.id, successor.version, digest)
            kept.parent.mkdir(exist_ok=True)
            os.replace(write_synced(stage / "kept", path.read_bytes()), kept)
            sync_folder(kept.parent)

    def collect(self, grace: float, dry_run: bool) -> Garbage:
        """Take away the parts that no version refers to, and what dead writers left.

        The store's lock is held meanwhile, so that no writer counts on a part that goes.
        """
        if not self.root.exists():
            return Garbage(0, 0, 0, dry_run)
        with speaking(self.root), self._locked():
            if not dry_run:
                self._clear(min(grace, KEPT))
            return collect(self.catalog, grace, dry_run)

    def delete(self, id: str, version: str) -> None:
        """Take away a version, with those whose name it took, and then the parts that nothing else refers to.

        Who has mapped them reads on. While some manifest of the store cannot be read, parts stay: it may need them.

        Raises:
            NotFoundError: There is no such version.
            StoreError: The folder cannot be written to.
        """
        path = self._path(id, version)
        if not self.catalog.has(id, version):
            raise self.catalog.missing(id, version)
        gone = self.root / "tmp" / uuid.uuid4().hex
        with speaking(self.root), self._locked():
            going = [self.catalog.key(id, version), *self.catalog.all_kept(id, version)]
            digests: set[str] = set()
            for manifest in going:
                with suppress(StoreError):
                    digests.update(part.digest for part in self.catalog.read(manifest).parts)
            gone.mkdir(parents=True)
            (gone / _TOUCHED).write_text(json.dumps(sorted(digests)))
            for manifest in going:
                (self.root / manifest).unlink(missing_ok=True)
            sync_folder(path.parent)
            self._drop(digests, gone)
            for folder in (path.parent / ".replaced", path.parent):
                with suppress(OSError):  # what belongs to other versions is in there
                    folder.rmdir()
            shutil.rmtree(gone, ignore_errors=True)

    def _drop(self, digests: Iterable[str], gone: Path) -> None:
        """Move those parts away that no manifest refers to; under the store's lock.

        They are moved before they are deleted, so that half a part never lies among the whole ones.
        """
        used: set[str] = set()
        for _, manifest in self.catalog.everything():
            if isinstance(manifest, StoreError):
                return
            used.update(part.digest for part in manifest.parts)
        for digest in set(digests) - used:
            with suppress(FileNotFoundError):
                os.rename(self.shelf.objects / digest, gone / f"{digest}.gone")
