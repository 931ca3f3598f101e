"""Is everything still what was written? Every file is read for it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

from headrace.core.errors import DamageError, StoreError
from headrace.stores.catalog import Catalog
from headrace.stores.manifest import Manifest, Part
from headrace.stores.sums import FileSum, count, digest_of, join

_MOST_THREADS = 8
_MOST_AHEAD = 64  # files of which pieces are asked for, so that the list of them stays short


def verify(catalog: Catalog, id: str | None, version: str | None) -> int:
    """Check the files of a store against what its manifests say.

    Args:
        catalog: Of the store.
        id: A dataset; None for all.
        version: One of its versions; None for all, those too whose names others took.

    Returns:
        How many parts were checked; one that several versions share counts once.

    Raises:
        DamageError: Something is damaged. The message has a line for each file.
        NotFoundError: There is no such dataset or version.
    """
    parts, problems = _gather(_manifests(catalog, id, version))
    files = [(catalog.objects / part.digest / name, sum) for part in parts for name, sum in part.files.items()]
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1), "headrace-verify") as pool:
        problems += [f"{path} {problem}" for path, problem in _damaged(files, pool)]
    if problems:
        raise DamageError(f"{len(problems)} damaged in {catalog.root}:\n" + "\n".join(problems))
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


def _damaged(files: Iterable[tuple[Path, FileSum]], pool: Executor) -> Iterator[tuple[Path, str]]:
    """Yield the files that are not what they were, and what is wrong; their pieces are read side by side."""
    reading: deque[tuple[Path, FileSum, list[Future[bytes]]]] = deque()
    for path, expected in files:
        problem = _glance(path, expected)
        if problem:
            yield path, problem
            continue
        pieces = [pool.submit(digest_of, path, piece) for piece in range(count(expected.bytes))]
        reading.append((path, expected, pieces))
        if len(reading) > _MOST_AHEAD:
            yield from _differing(*reading.popleft())
    for file in reading:
        yield from _differing(*file)


def _glance(path: Path, expected: FileSum) -> str:
    """Say what is wrong with a file without reading it."""
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    return "" if found == expected.bytes else f"has {found} bytes, expected {expected.bytes}"


def _differing(path: Path, expected: FileSum, pieces: list[Future[bytes]]) -> Iterator[tuple[Path, str]]:
    try:
        found = join(piece.result() for piece in pieces)
    except OSError as error:
        yield path, f"cannot be read: {error.strerror}"
    else:
        if found != expected.sha256:
            yield path, f"has another content: its SHA-256 is not {expected.sha256}"
