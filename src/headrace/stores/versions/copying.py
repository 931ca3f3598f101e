"""A version from one store to another: parts that are there stay as they are, and the version appears last.

What a copy has brought is of use to the next one, if it is killed: in a folder its stage stays, with the parts that are
whole, and far away the parts themselves do. Two copies of one version do no harm to each other, since parts are named
by their content, and the second to finish finds the version there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TypeAlias, TypeVar

from headrace.core.errors import ExistsError, StoreError
from headrace.core.syncing import sync_folder
from headrace.stores.bucket import Bucket
from headrace.stores.building.journal import NAME
from headrace.stores.building.stages import About
from headrace.stores.catalog import Catalog
from headrace.stores.disk import speaking
from headrace.stores.local import Folder
from headrace.stores.manifest import Manifest, Part
from headrace.stores.transfer.download import download
from headrace.stores.transfer.upload import upload

Place: TypeAlias = Folder | Bucket
Told: TypeAlias = Callable[[int], object]
Made = TypeVar("Made")

_AT_ONCE = 3  # parts on their way
_THREADS = 8  # that move their pieces
_LOOKING = 16  # threads that look which are there
_TRIES = 3  # of publishing, where parts that were there are taken away at this moment


def copy(source: Place, manifest: Manifest, target: Place, told: Told | None = None) -> Manifest:
    """Bring a version to another store, under the same names.

    Args:
        source: Where it is.
        manifest: Of the version.
        target: Where it is to be.
        told: Called with the number of bytes, unpacked, that are there since the last call; from several threads.

    Returns:
        Its manifest there.

    Raises:
        ExistsError: There is a version of this name with other records.
        DamageError: Files of the source are not what was written; all of a part are named.
        StoreError: One cannot be read, or the other not be written.
    """
    there = _same(target.catalog, manifest)
    if there is not None:
        return there
    target.check(manifest.id, manifest.version, False)
    told = told or _nobody
    try:
        if isinstance(target, Folder):
            return _into_folder(source, manifest, target, told)
        return _far(source, manifest, target, told)
    except ExistsError:  # another copy was faster
        there = _same(target.catalog, manifest)
        if there is None:
            raise
        return there


def _nobody(done: int) -> None:
    """Be told, and do nothing."""


def _same(catalog: Catalog, manifest: Manifest) -> Manifest | None:
    """Return the version of this name that is there, if there is one, and make sure that it holds the same."""
    id, version = manifest.id, manifest.version
    if not catalog.has(id, version):
        return None
    there = catalog.read(catalog.key(id, version))
    if there.fingerprint != manifest.fingerprint:
        raise ExistsError(
            f"version {version!r} of {id!r} in {catalog.shown} holds other records: its fingerprint begins with "
            f"{there.fingerprint[:12]}, that of the one to be copied with {manifest.fingerprint[:12]}"
        )
    return there


def _into_folder(source: Place, manifest: Manifest, target: Folder, told: Told) -> Manifest:
    parts = {part.digest: part for part in manifest.parts}
    plain = tuple(replace(part, packed={}) for part in manifest.parts)
    about = About(manifest.id, manifest.version, f"a copy of {manifest.fingerprint}", manifest.length)
    with target.staging(about) as stage, speaking(target.root, lambda: f"the version needs {manifest.size} bytes"):
        for turn in range(_TRIES):
            missing = [part for part in parts.values() if not _is_at_hand(target, stage, part)]
            if turn == 0:
                told(sum(part.size for part in parts.values()) - sum(part.size for part in missing))
            for _ in _each(partial(_fetch, source, stage), missing, told):
                (stage / NAME).touch()  # which makes the stage stay, if this is as far as we get
            try:
                return target.publish(stage, replace(manifest, parts=plain))
            except ExistsError:
                raise
            except StoreError:
                if turn + 1 == _TRIES or all(_is_at_hand(target, stage, part) for part in parts.values()):
                    raise
    raise AssertionError("the last try returns or raises")


def _is_at_hand(target: Folder, stage: Path, part: Part) -> bool:
    """Tell whether a part is in the store, or whole in the stage."""
    if (stage / part.digest).is_dir():
        return True
    return (target.shelf.objects / part.digest).is_dir() and not any(target.shelf.misfits(part))


def _fetch(source: Place, stage: Path, part: Part, pool: Executor, told: Told) -> None:
    """Bring a part into a stage, where it appears when it is whole and safe on disk."""
    coming = stage / f"{part.digest}.coming"
    shutil.rmtree(coming, ignore_errors=True)
    coming.mkdir()
    download(source.catalog.backend, part, coming, pool, told)
    for name in part.files:
        with open(coming / name, "rb") as file:
            os.fsync(file.fileno())
    sync_folder(coming)
    os.rename(coming, stage / part.digest)


def _far(source: Place, manifest: Manifest, target: Bucket, told: Told) -> Manifest:
    parts = {part.digest: part for part in manifest.parts}
    with target.relying_on(manifest.parts), target.staging() as stage, speaking(target.desk):
        there = _found(target, _known(target.catalog, manifest.id), parts)
        told(sum(part.size for part in there.values()))
        missing = [part for digest, part in parts.items() if digest not in there]
        sent = _each(partial(_send, source, target, stage), missing, told)
        kept = {**there, **{part.digest: part for part in sent}}
        return target.publish(stage, replace(manifest, parts=tuple(kept[part.digest] for part in manifest.parts)))


def _known(catalog: Catalog, id: str) -> Mapping[str, Part]:
    """Return the parts of a dataset's versions that are there, which say how they are packed."""
    found = (manifest for _, manifest in catalog.everything([id]))
    return {part.digest: part for one in found if isinstance(one, Manifest) for part in one.parts}


def _found(target: Bucket, known: Mapping[str, Part], parts: Mapping[str, Part]) -> dict[str, Part]:
    """Return the parts that are there already, each as it is kept."""

    def looked(part: Part) -> Part | None:
        ways = [part, replace(part, packed={}), known.get(part.digest, part)]
        different = (kept for at, kept in enumerate(ways) if kept not in ways[:at])
        return next((kept for kept in different if target.is_whole(kept)), None)

    with ThreadPoolExecutor(_LOOKING, "headrace-copy-look") as pool:
        found = pool.map(looked, parts.values())
        return {part.digest: part for part in found if part is not None}


def _send(source: Place, target: Bucket, stage: Path, part: Part, pool: Executor, told: Told) -> Part:
    """Bring a part to a far place, and return how it is kept there."""
    if isinstance(source, Folder):
        source.shelf.check([part])
        folder = source.shelf.objects / part.digest
        return upload(target.backend, folder, part, target.compression, pool, reuse=True, scratch=stage, told=told)
    folder = stage / part.digest
    folder.mkdir()
    download(source.backend, part, folder, pool, lambda done: told(0))  # what counts is what was sent
    sent = upload(target.backend, folder, part, target.compression, pool, reuse=True, scratch=stage, told=told)
    shutil.rmtree(folder)
    return sent


def _each(work: Callable[[Part, Executor, Told], Made], parts: Sequence[Part], told: Told) -> Iterator[Made]:
    """Yield what is made of each part, in order; a few are at work."""
    stopping = Event()

    def hear(done: int) -> None:
        if stopping.is_set():  # after an error or Ctrl-C: what is under way ends with its next piece
            raise StoreError("another part could not be copied")
        told(done)

    pieces = ThreadPoolExecutor(_THREADS, "headrace-copy")
    few = ThreadPoolExecutor(_AT_ONCE, "headrace-copy-parts")
    try:
        yield from few.map(lambda part: work(part, pieces, hear), parts)
    finally:
        stopping.set()
        few.shutdown(cancel_futures=True)
        pieces.shutdown()
