"""Tables that are lent: who reads keeps them as long as he likes, and yet what they take up can be had back."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Collection, ItemsView, Iterator, Mapping
from itertools import count

from headrace.stores.layout import Layout
from headrace.stores.manifest import Part
from headrace.stores.mapped import Mapped, Table

_STALE = 256  # reads of other tables after which one counts as done with, though nobody says so

Open = Callable[[], Table]


class Lending:
    """The tables of a process that are open.

    A reader keeps many tables, most of them for nothing: it does not know how much room there is. So it gets tables
    that can be closed behind its back, and that open again when they are read from.
    """

    def __init__(self) -> None:
        self._lent: weakref.WeakSet[Lent] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._clock = count(1)

    def lend(self, part: Part, layout: Layout, table: Table, again: Open) -> Table:
        """Return a table that can be closed; ``again`` opens it."""
        lent = Lent(part, layout, table, again, self._clock)
        with self._lock:
            self._lent.add(lent)
        return Table(lent, part.length, table.kind)

    def _open(self) -> list[Lent]:
        """Return those that are open, the least recently read first."""
        with self._lock:
            return sorted((one for one in self._lent if one.table is not None), key=lambda one: one.read)

    def ages(self) -> dict[str, int]:
        """Return the parts of which tables are open; the least recently read has the lowest number."""
        return {one.part.digest: one.read for one in self._open()}

    def close(self, digest: str) -> None:
        """Close the tables of a part."""
        for one in self._open():
            if one.part.digest == digest:
                one.table = None

    def spare(self, size: int, listed: Collection[str], waited_for: bool) -> bool:
        """Close tables until about as many bytes may go as are needed; return whether any was closed.

        Args:
            size: In bytes.
            listed: Parts that are in use or will be, by digest: others first.
            waited_for: Whether somebody waits for the room: then any may be closed, and else what is done with.
        """
        tables = self._open()
        now = next(self._clock)
        done = [one for one in tables if one.part.digest not in listed or now - one.read > _STALE]
        if waited_for:
            kept = set(map(id, done))
            done += [one for one in tables if id(one) not in kept]
        closed = False
        for one in done:
            if size <= 0:
                break
            one.table = None
            size -= one.part.size
            closed = True
        return closed


class Lent(Mapping[str, Mapped]):
    """The columns of a part, for as long as they are open; they open again when they are asked for.

    Args:
        part: The part.
        layout: Of its columns.
        table: Of them.
        again: Opens it.
        clock: Tells when it was read last.
    """

    def __init__(self, part: Part, layout: Layout, table: Table, again: Open, clock: Iterator[int]) -> None:
        self.part = part
        self.table: Table | None = table
        self.read = next(clock)
        self._layout = layout
        self._again = again
        self._clock = clock

    __hash__ = object.__hash__  # a mapping has none
    __eq__ = object.__eq__

    def __getitem__(self, name: str) -> Mapped:
        return self._columns()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout.fields)

    def __len__(self) -> int:
        return len(self._layout.fields)

    def items(self) -> ItemsView[str, Mapped]:
        return self._columns().items()  # all of them from one table

    def _columns(self) -> Mapping[str, Mapped]:
        self.read = next(self._clock)
        table = self.table
        if table is None:
            self.table = table = self._again()
        return table.columns
