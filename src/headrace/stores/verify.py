"""Is everything still what was written? Every file is read for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from headrace.core.errors import DamageError, StoreError
from headrace.stores.catalog import Catalog
from headrace.stores.manifest import Manifest, Part
from headrace.stores.npy import FileSum, sum_of

_MOST_THREADS = 8


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
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1), "headrace-verify") as pool:
        for found in pool.map(lambda part: list(_damage(catalog.objects / part.digest, part)), parts):
            problems += found
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


def _damage(folder: Path, part: Part) -> Iterator[str]:
    for name, expected in part.files.items():
        problem = _problem(folder / name, expected)
        if problem:
            yield f"{folder / name} {problem}"


def _problem(path: Path, expected: FileSum) -> str:
    try:
        found = path.stat().st_size
        if found != expected.bytes:
            return f"has {found} bytes, expected {expected.bytes}"
        return "" if sum_of(path) == expected else f"has another content: its SHA-256 is not {expected.sha256}"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
