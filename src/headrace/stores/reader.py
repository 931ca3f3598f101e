"""A version of a dataset as a Source: mapped files, gathered from in any order."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from headrace.core.batch import Batch
from headrace.core.errors import DamageError
from headrace.core.schema import Schema, Structure
from headrace.core.source import Indices
from headrace.stores.deleted import why
from headrace.stores.layout import check_pickles
from headrace.stores.manifest import Manifest
from headrace.stores.mapped import Table
from headrace.stores.ondisk import OnDisk
from headrace.stores.reach import Reach
from headrace.stores.shelves import Shelf

_MOST_FILES = 1 << 12  # mapped at once by one reader, whatever the system allows


@dataclass(frozen=True, eq=False)
class Stored:
    """The records of a published version, in their order.

    It knows where the parts lie and the manifest, and opens a part when it first reads from it. So it travels to
    another process as a few hundred bytes, and what it has opened it goes on reading when the version is deleted.

    Args:
        shelf: Where the parts are at hand.
        manifest: Of the version.
        allow_pickle: Whether objects may be unpickled.

    Raises:
        StoreError: There are pickled objects, and they may not.
    """

    shelf: Shelf
    manifest: Manifest
    allow_pickle: bool = False
    _starts: Indices = field(init=False, repr=False)
    _reach: Reach = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_pickles(self.manifest.layout, self.allow_pickle)
        files = max(1, len(list(self.manifest.layout.files(""))))
        starts = np.cumsum([0, *(part.length for part in self.manifest.parts)], dtype=np.int64)
        opened = partial(_open, self.shelf, self.manifest)  # not a method of this object: that would be a circle
        object.__setattr__(self, "_starts", starts)
        object.__setattr__(self, "_reach", Reach(starts, opened, max(1, _most_files() // files)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Stored, (self.shelf, self.manifest, self.allow_pickle)  # no map, no open file

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def structure(self) -> Structure:
        """What a record is."""
        return self.manifest.structure

    def schema(self) -> Schema:
        """Return what records look like, without reading one."""
        return self.manifest.schema

    def fingerprint(self) -> str:
        """Return the identity of the content: the same for the same records, whoever wrote them when."""
        return self.manifest.fingerprint

    def words(self) -> str:
        """Return how a chain shows this source."""
        return f"fetch({self.manifest.id!r}, {self.manifest.version!r})"

    def part(self, number: int) -> Table:
        """Return a part's columns, opened when it is first asked for."""
        return self._reach.part(number)

    def places(self, indices: Indices) -> tuple[Indices, Indices]:
        """Return in which parts records lie, and at which of their rows."""
        parts = np.searchsorted(self._starts, indices, side="right") - 1
        return parts, indices - self._starts[parts]

    def check(self) -> None:
        """Make sure, as far as that is cheap, that all files are there and of the right size.

        Raises:
            DamageError: Some are not; all of them are named.
            NotFoundError: The version was deleted meanwhile.
        """
        try:
            self.shelf.check(self.manifest.parts)
        except DamageError as damage:
            raise why(self.shelf.place, self.manifest, damage) from None

    def blocks(self) -> tuple[Indices, Indices]:
        """Return the first record of each part, and how many bytes it has: what is fetched and held together."""
        return self._starts[:-1], np.array([part.size for part in self.manifest.parts], np.int64)

    @property
    def expect(self) -> Callable[[Sequence[int]], None] | None:
        """What is told which parts will be read next, by their numbers; None where they are at hand."""
        return None if isinstance(self.shelf, OnDisk) else self._expect

    def _expect(self, blocks: Sequence[int]) -> None:
        self.shelf.expect([self.manifest.parts[number] for number in blocks], id(self))

    def columns(self) -> Batch | None:
        """Return the columns as they lie in the files, mapped, read-only.

        None where there are several parts, or where rows must be made of what lies there: strings, bytes, tensors.
        """
        return self.part(0).whole() if len(self.manifest.parts) == 1 else None

    def read(self, indices: Indices, /) -> Batch:
        """Return these records as columns, a copy."""
        if not self.manifest.parts:
            return Batch._of({}, 0)
        batch: Batch = self.part(0).take(indices) if len(self.manifest.parts) == 1 else self._reach.take(indices)
        return batch


def _most_files() -> int:
    """Return how many files one reader maps at once: each holds a descriptor, of which others need some, too."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_FILES if allowed == resource.RLIM_INFINITY else min(max(allowed // 4, 1), _MOST_FILES)


def _open(shelf: Shelf, manifest: Manifest, number: int) -> Table:
    try:
        return shelf.open(manifest.parts[number], manifest.layout)
    except DamageError as damage:
        raise why(shelf.place, manifest, damage) from None
