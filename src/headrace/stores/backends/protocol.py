"""What a store asks of the place where its bytes lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

Content: TypeAlias = bytes | memoryview | Path
"""Bytes in memory, or the file that holds them."""


@dataclass(frozen=True)
class Entry:
    """What is known of an object without reading it.

    Args:
        key: Its name.
        size: In bytes.
        modified: When it was written, in seconds since 1970, *by the clock of whoever keeps it*: such times are
            compared with each other and never with this machine's. None where that is not known.
    """

    key: str
    size: int
    modified: float | None = None


class Backend(Protocol):
    """Objects by key: each a run of bytes that is there whole or not at all.

    Keys are parts joined by ``/``, of any characters but control characters; they come back from ``list`` as they were
    given. Any number of threads and processes may use one place at once. An object is pickled as its address and
    options, and opens its own connection where it arrives.

    What fails for a while (a server that is busy, a connection that breaks) is tried again, with longer and longer
    pauses, until a deadline; so every call ends. All errors are a :class:`~headrace.core.errors.StoreError` that says
    what was asked of whom, what came back, and what to do.
    """

    @property
    def url(self) -> str:
        """The address, as it is shown: without secrets."""
        ...

    def check(self) -> None:
        """Make sure that the place is there and may be read: a wrong name, region or key is told here.

        Raises:
            StoreError: It cannot be used; the message says why and what to do.
        """
        ...

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        """Return an object's bytes, or those from ``start`` up to ``stop`` (clipped at its end).

        Raises:
            NotFoundError: There is no such object: 404, not 403.
            StoreError: It cannot be read; or the connection gave other than what was asked for.
        """
        ...

    def look(self, key: str) -> Entry | None:
        """Return what is known of an object; None where there is none."""
        ...

    def put(self, key: str, content: Content) -> None:
        """Write an object, in the place of what has the key: readers see the old one or the new one, whole."""
        ...

    def put_if_absent(self, key: str, content: Content) -> bool:
        """Write an object if there is none of this key, in one step; of several who try, one succeeds.

        Returns:
            Whether it was written. A call that was tried again after its answer was lost says True of its own content.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield all objects whose keys begin with a prefix, sorted by key; it may lag behind what was just written."""
        ...

    def delete(self, key: str) -> None:
        """Take an object away; nothing happens where there is none."""
        ...
