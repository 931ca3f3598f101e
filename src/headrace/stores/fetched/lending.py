"""Tables that are lent: who reads keeps them as long as he likes, and yet what they take up can be had back."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Collection, ItemsView, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from headrace.stores.layout import Layout
from headrace.stores.manifest import Part
from headrace.stores.mapped import Mapped, Table
from headrace.stores.reach import Held

_STALE = 256  # reads of other tables after which one counts as done with, though nobody says so

_LISTEN = 16  # reads after which one looks whether others need room

Open = Callable[[], Table]


class Lending:
    """The tables of a process that are open.

    A reader keeps many tables, most of them for nothing: it does not know how much room there is. So it gets tables
    that can be closed behind its back, and that open again when they are read from.

    Args:
        bell: A file that other processes touch when they need room; None where nobody else is meant.
    """

    def __init__(self, bell: Path | None = None) -> None:
        self._bell = bell
        self._rung = self._last_rung()
        self._lent: weakref.WeakSet[Lent] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._now = 0  # counted in reads; one of two threads' may be lost
        self._listened = 0

    @staticmethod
    def at(folder: Path) -> Lending:
        """Return the one of this process for a cache folder: who needs room there asks all who read from it."""
        with _opening:
            return _lendings.setdefault((os.getpid(), folder), Lending(folder / "wanted"))

    def ring(self) -> None:
        """Ask other processes to close what they are done with."""
        if self._bell is not None:
            with suppress(OSError):
                self._bell.touch()
            self._rung = self._last_rung()  # this process has closed what it could

    def _last_rung(self) -> int:
        try:
            return 0 if self._bell is None else os.stat(self._bell).st_mtime_ns
        except OSError:
            return 0

    def tick(self, reads: int = 1) -> int:
        """Count reads, and return how many there were; now and then, listen whether another process needs room."""
        self._now = now = self._now + reads
        if now - self._listened >= _LISTEN and self._bell is not None:
            self._listened = now
            rung = self._last_rung()
            if rung != self._rung:
                self._rung = rung
                for one in self._open():
                    if now - one.read > _LISTEN:
                        one.close()
        return now

    def lend(self, part: Part, layout: Layout, table: Table, again: Open) -> Table:
        """Return a table that can be closed; ``again`` opens it."""
        lent = Lent(part, layout, table, again, self)
        with self._lock:
            self._lent.add(lent)
        return Table(lent, part.length, table.kind)

    def _open(self) -> list[Lent]:
        """Return those that are open, the least recently read first."""
        with self._lock:
            return sorted((one for one in self._lent if one.table is not None), key=lambda one: one.read)

    def names(self) -> frozenset[str]:
        """Return the parts of which tables are open."""
        return frozenset(one.part.digest for one in self._open())

    def ages(self) -> dict[str, int]:
        """Return the parts of which tables are open; the least recently read has the lowest number."""
        return {one.part.digest: one.read for one in self._open()}

    def close(self, digest: str) -> None:
        """Close the tables of a part."""
        for one in self._open():
            if one.part.digest == digest:
                one.close()

    def spare(self, size: int, listed: Collection[str], waited_for: bool) -> bool:
        """Close tables until about as many bytes may go as are needed; return whether any was closed.

        Args:
            size: In bytes.
            listed: Parts that are in use or will be, by digest: others first.
            waited_for: Whether somebody waits for the room: then any may be closed, and else what is done with.
        """
        tables = self._open()
        now = self.tick()
        done = [one for one in tables if one.part.digest not in listed or now - one.read > _STALE]
        if waited_for:
            kept = set(map(id, done))
            done += [one for one in tables if id(one) not in kept]
        closed = False
        for one in done:
            if size <= 0:
                break
            one.close()
            size -= one.part.size
            closed = True
        return closed


_lendings: weakref.WeakValueDictionary[tuple[int, Path], Lending] = weakref.WeakValueDictionary()
_opening = threading.Lock()


def _free_in_child() -> None:
    """Give the child a lock of its own: another thread may have held it when it was forked."""
    global _opening
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_in_child)


class Lent(Mapping[str, Mapped]):
    """The columns of a part, for as long as they are open; they open again when they are asked for.

    Args:
        part: The part.
        layout: Of its columns.
        table: Of them.
        again: Opens it.
        lending: Whose it is.
    """

    def __init__(self, part: Part, layout: Layout, table: Table, again: Open, lending: Lending) -> None:
        self.part = part
        self.table: Table | None = table
        self._read = lending.tick()
        self._held: tuple[Held, int] | None = None
        self._layout = layout
        self._again = again
        self._lending = lending

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
        self._read = self.tick(1)
        return self._opened().columns

    def _opened(self) -> Table:
        table = self.table
        if table is None:
            self.table = table = self._again()
        return table

    @property
    def read(self) -> int:
        """When it was read from last."""
        if self._held is None:
            return self._read
        held, number = self._held
        return max(self._read, int(held.reads[number]))

    def tick(self, reads: int, /) -> int:
        """Return what time it is, counted in reads, after so many more."""
        return self._lending.tick(reads)

    def hold(self, held: Held, number: int, /) -> None:
        """Add the columns to what is held, until they are closed."""
        self._held = held, number
        table = self._opened()
        held.add(number, table)
        if self.table is not table:  # closed just now
            held.drop(number)

    def close(self) -> None:
        """Let go of the columns."""
        self.table = None
        if self._held is not None:
            held, number = self._held
            held.drop(number)
