"""Is everything still what was written? Every file is read for it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from headrace.core.errors import DamageError, StoreError
from headrace.stores.backends.protocol import Backend
from headrace.stores.bars import bar
from headrace.stores.catalog import Catalog
from headrace.stores.files import File
from headrace.stores.manifest import Manifest, Part
from headrace.stores.shelves import Shelf
from headrace.stores.sums import count, join

_MOST_THREADS = 8
_MOST_AHEAD = 64  # files of which pieces are asked for, so that the list of them stays short


def verify(
    catalog: Catalog, id: str | None, version: str | None, progress: bool | None = False, shelf: Shelf | None = None
) -> int:
    """Check the files of a store against what its manifests say.

    Args:
        catalog: Of the store.
        id: A dataset; None for all.
        version: One of its versions; None for all, those too whose names others took.
        progress: Whether to show a bar; None for where somebody would see it.
        shelf: Where parts are at hand: copies that are damaged are taken away, and fetched again when they are needed.

    Returns:
        How many parts were checked; one that several versions share counts once.

    Raises:
        DamageError: Something is damaged. The message has a line for each file.
        NotFoundError: There is no such dataset or version.
    """
    parts, problems = _gather(_manifests(catalog, id, version))
    if shelf is not None:
        shelf.clean(parts)
    files = [File.of(part, name) for part in parts for name in part.files]
    size = sum(file.sum.bytes for file in files)
    with (
        ThreadPoolExecutor(min(_MOST_THREADS, 2 * (os.cpu_count() or 1)), "headrace-verify") as pool,
        bar(progress, "verify", size, "B") as told,
    ):
        damaged = _damaged(catalog.backend, files, pool, told)
        problems += [f"{catalog.shown}/{key} {problem}" for key, problem in damaged]
    if problems:
        raise DamageError(f"{len(problems)} damaged in {catalog.shown}:\n" + "\n".join(problems))
    return len(parts)


def _manifests(catalog: Catalog, id: str | None, version: str | None) -> Iterator[Manifest | StoreError]:
    if id is None:
        yield from (manifest for _, manifest in catalog.everything())
    elif version is None:
        if not catalog.versions(id):
            raise catalog.missing(id, version)
        yield from (manifest for _, manifest in catalog.everything([id]))
    else:
        try:
            yield catalog.find(id, version)
        except DamageError as error:
            yield error


def _gather(manifests: Iterable[Manifest | StoreError]) -> tuple[list[Part], list[str]]:
    """Return each part once, and a line for each manifest that cannot be read."""
    parts: dict[str, Part] = {}
    problems: list[str] = []
    for manifest in manifests:
        if isinstance(manifest, Manifest):
            parts.update((part.digest, part) for part in manifest.parts)
        else:
            problems.append(str(manifest))
    return list(parts.values()), problems


def _damaged(
    backend: Backend, files: Iterable[File], pool: Executor, told: Callable[[int], object] | None
) -> Iterator[tuple[str, str]]:
    """Yield the files that are not what they were, and what is wrong; their pieces are read side by side."""
    reading: deque[tuple[File, list[Future[bytes]]]] = deque()
    for file in files:
        problem = _glance(backend, file)
        if problem:
            yield file.key, problem
            continue
        reading.append((file, [pool.submit(file.digest_of, backend, piece) for piece in range(count(file.sum.bytes))]))
        if len(reading) > _MOST_AHEAD:
            yield from _differing(*reading.popleft(), told)
    for ahead in reading:
        yield from _differing(*ahead, told)


def _glance(backend: Backend, file: File) -> str:
    """Say what is wrong with a file without reading it."""
    try:
        found = backend.look(file.key)
    except StoreError as error:
        return f"cannot be looked at: {error}"
    if found is None:
        return "is missing"
    return "" if found.size == file.size else f"has {found.size} bytes, expected {file.size}"


def _differing(
    file: File, pieces: list[Future[bytes]], told: Callable[[int], object] | None
) -> Iterator[tuple[str, str]]:
    try:
        found = join(piece.result() for piece in pieces)
    except StoreError as error:
        yield file.key, f"cannot be read: {error}"
    else:
        if found != file.sum.sha256:
            yield file.key, f"has another content: its SHA-256 is not {file.sum.sha256}"
    if told is not None:
        told(file.sum.bytes)
