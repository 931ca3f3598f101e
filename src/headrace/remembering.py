"""What was counted over a whole cube, kept in a store: tables and texts that are made once, by whoever needs them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.errors import DamageError, KindError, NotFoundError
from headrace.feed import Feed
from headrace.store import Store
from headrace.stores.blocks import blocks
from headrace.stores.reader import Stored
from headrace.writing import Draft, write_once

IN_MEMORY = 1 << 30
"""Tables of several parts are put together in memory up to so many bytes, and in a file without a name above."""

_DIGITS = 20  # of a key's digest, that a version is called by


@dataclass(frozen=True)
class Remembering:
    """Keeps arrays and texts in a store, each as a version that is named by a digest of its key.

    Of all processes that want one at the same time, one makes it and the others wait for it; when it dies, another
    makes it anew. Nothing is held whole while it is made. The manifest of a version notes the whole key.

    Args:
        store: Where.
        id: The dataset that their versions belong to.

    >>> remembering = Remembering(Store("memory://remembering"))
    >>> remembering.rows("squares", lambda: iter([np.arange(2) ** 2, np.array([4])]), (3,), np.dtype("int64")).tolist()
    [0, 1, 4]
    >>> remembering.text("word", lambda: "kept"), remembering.text("word", lambda: "not called again")
    ('kept', 'kept')
    """

    store: Store
    id: str = "tables"

    def __post_init__(self) -> None:
        if not isinstance(self.store, Store):
            raise KindError(f"store must be a headrace.Store, such as hr.Store('tables'), got {self.store!r:.100}")

    def fits(self, nbytes: int) -> bool:
        """Say yes: a store takes what fits on its disk, and says so where that is full."""
        return True

    def rows(
        self, key: str, make: Callable[[], Iterator[NDArray[Any]]], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Return an array that is made once, read-only.

        Of a store in a folder it is mapped: nothing is read before it is looked at. Of one that lies elsewhere, and of
        a version in several parts, it is in memory, or in a file without a name if it has more than 1 GB.

        Args:
            key: What stands for it: a text of any length.
            make: Gives it as blocks of rows, one after the other.
            shape: Of the whole.
            dtype: Of the whole.

        Raises:
            DamageError: What is kept is not of that shape and dtype, or its files are damaged.
            StoreError: The store cannot be read or written.
        """

        def feed() -> Feed:
            return Feed(lambda writer: blocks(Batch({"rows": block}) for block in make()), shape[0])

        kept = self._kept(key, feed)
        found = _array(kept, shape, dtype)
        if found.shape != shape or found.dtype != dtype:
            raise DamageError(
                f"version {kept.manifest.version!r} of {self.id!r} in {self.store.url} holds {found.dtype} of "
                f"{found.shape}, and {dtype} of {shape} was written: delete(...) it, so that it is made again"
            )
        return found

    def text(self, key: str, make: Callable[[], str]) -> str:
        """Return a text that is made once.

        Args:
            key: What stands for it.
            make: Gives it.

        Raises:
            StoreError: The store cannot be read or written.
        """

        def feed() -> Feed:
            return Feed(lambda writer: blocks(iter([{"text": make()}])), 1)

        return str(self._kept(key, feed).read(np.zeros(1, np.int64))["text"][0])

    def _kept(self, key: str, feed: Callable[[], Feed]) -> Stored:
        version = blake2b(key.encode(), digest_size=_DIGITS // 2).hexdigest()
        with suppress(NotFoundError):
            return self._open(version)
        draft = Draft(self.id, version, notes={"made of": key})
        write_once(self.store._home, feed, draft)
        return self._open(version)

    def _open(self, version: str) -> Stored:
        source = self.store._stored(self.store.manifest(self.id, version))
        source.check()
        return source


def _array(kept: Stored, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the rows of a version: as they lie there, or put together where there are several parts."""
    columns = kept.columns()
    if columns is not None:
        one: NDArray[Any] = columns["rows"]
        return one
    whole = _room((len(kept), *shape[1:]), dtype)
    begin = 0
    for number, part in enumerate(kept.manifest.parts):
        whole[begin : begin + part.length] = kept.part(number).whole()["rows"]
        begin += part.length
    whole.flags.writeable = False
    return whole


def _room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array to write to; one that is large lies in a file that goes when nobody has it any more."""
    if prod(shape) * dtype.itemsize <= IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", 0, shape)
