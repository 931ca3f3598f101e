"""The log of a dataset: its versions, where each comes from, and which names it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from headrace.core.amounts import text_of
from headrace.core.errors import StoreError
from headrace.stores.catalog import Catalog
from headrace.stores.manifest import Manifest


@dataclass(frozen=True)
class Entry:
    """A version in a log.

    Args:
        version: Its name.
        digest: Of its manifest.
        sequence: Its place: the newest has the highest.
        parents: The versions that it was made from, by name as far as they are known, else by their digest's beginning.
        created: When, in UTC, ISO 8601.
        code: The fingerprint of the code that made it; empty where that is not known.
        records: How many.
        bytes: How many its files have, unpacked.
        tags: Other names of it.
        replaced: Whether another version took its name.
    """

    version: str
    digest: str
    sequence: int
    parents: tuple[str, ...]
    created: str
    code: str
    records: int
    bytes: int
    tags: tuple[str, ...] = ()
    replaced: bool = False

    def cells(self) -> tuple[str, ...]:
        """Return what a table shows of it."""
        name = f"{self.version} (replaced)" if self.replaced else self.version
        names = ", ".join((name, *(f"[{tag}]" for tag in self.tags)))
        made = ", ".join(self.parents) or "-"
        return names, f"{self.records:,}", text_of(self.bytes), self.created, self.code or "-", made


class Log(Sequence[Entry]):
    """The versions of a dataset, the newest first.

    Args:
        id: The dataset.
        entries: In order.
        unreadable: Why some manifests could not be read; they are left out.
    """

    def __init__(self, id: str, entries: Sequence[Entry], unreadable: Sequence[str] = ()) -> None:
        self.id = id
        self.unreadable = tuple(unreadable)
        self._entries = tuple(entries)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, key: int) -> Entry: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Entry, ...]: ...
    def __getitem__(self, key: int | slice) -> Entry | tuple[Entry, ...]:
        return self._entries[key]

    def __repr__(self) -> str:
        rows = [("VERSION", "RECORDS", "SIZE", "CREATED", "CODE", "MADE FROM"), *(one.cells() for one in self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join((f"{self.id}: {len(self)} version{'' if len(self) == 1 else 's'}", *lines, *self.unreadable))


def log(catalog: Catalog, id: str) -> Log:
    """Return the log of a dataset.

    Raises:
        NotFoundError: There is no such dataset.
    """
    found = list(catalog.everything([id]))
    if not found:
        raise catalog.missing(id, None)
    manifests = [(key, one) for key, one in found if isinstance(one, Manifest)]
    names = {one.digest: one.version for _, one in manifests}
    tags = catalog.tags(id)
    entries = {one.digest: _entry(key, one, names, tags) for key, one in sorted(manifests, key=_current_last)}
    ordered = sorted(entries.values(), key=lambda one: (one.sequence, one.created), reverse=True)
    return Log(id, ordered, [str(one) for _, one in found if isinstance(one, StoreError)])


def _current_last(found: tuple[str, Manifest]) -> bool:
    """Sort what is kept aside before what has the name: a manifest may be both."""
    return "/.replaced/" not in found[0]


def _entry(key: str, manifest: Manifest, names: dict[str, str], tags: dict[str, str]) -> Entry:
    replaced = "/.replaced/" in key
    return Entry(
        manifest.version,
        manifest.digest,
        manifest.sequence,
        tuple(_parents(manifest, names)),
        manifest.created,
        str(manifest.notes.get("code", "")) or str(manifest.notes.get("key", {}).get("digest", ""))[:16],
        manifest.length,
        manifest.size,
        () if replaced else tuple(tag for tag, version in tags.items() if version == manifest.version),
        replaced,
    )


def _parents(manifest: Manifest, names: dict[str, str]) -> Iterator[str]:
    for digest in manifest.parents:
        name = names.get(digest, digest[:12])
        yield f"{name} (replaced)" if name == manifest.version else name
