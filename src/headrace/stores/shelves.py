"""What a reader asks of the place where parts are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from headrace.stores.backends.protocol import Backend
from headrace.stores.layout import Layout
from headrace.stores.manifest import Part
from headrace.stores.mapped import Table


class Shelf(Protocol):
    """Parts as columns: mapped where they lie on this machine, fetched first where they do not.

    It is pickled as where things lie: no map, no open file, no connection goes along.
    """

    @property
    def place(self) -> Backend:
        """Where the store lies that the parts are of."""
        ...

    def check(self, parts: Iterable[Part]) -> None:
        """Make sure, as far as that is cheap, that parts are there and of the right size.

        Raises:
            DamageError: Some are not; all of them are named.
        """
        ...

    def clean(self, parts: Iterable[Part]) -> None:
        """Take away copies of parts that are not what was written; nothing of the store itself."""
        ...

    def open(self, part: Part, layout: Layout) -> Table:
        """Return a part's columns; whether objects may be unpickled was asked before.

        While the table or a view of it lives, nothing takes its memory away.

        Raises:
            DamageError: A file is not there, or is not what was written.
            StoreError: It cannot be read, or fetched.
        """
        ...

    def expect(self, parts: Sequence[Part], who: object = None) -> None:
        """Say which parts will be asked for next, in the order of their first use; returns at once.

        Whoever has to fetch them begins with it, beside what is running, as far as there is room; a call replaces what
        the last one of the same reader said, and no parts end it. Errors are told by ``open``.

        Args:
            parts: Those parts.
            who: The reader, of several that read from here: anything that can be a key.
        """
        ...
