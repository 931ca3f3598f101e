"""Rows of many parts, gathered in one go: by the addresses at which the parts are mapped.

A batch of a few hundred records that are spread over dozens of parts takes a few rows from each. Taking them part by
part costs some calls for each part and a second copy, into the order asked for: twice the time of one part for rows of
12 kB, fifty times for short ones. So the address of every row is computed, which is arithmetic on arrays, and the rows
are gathered from one array that stands for all memory from the first part to the last. Only addresses of rows in maps
that are held meanwhile are ever asked of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.buffers import tell_allocator
from headrace.core.scattering import scattered
from headrace.core.source import Indices
from headrace.stores.mapped import Dense, Mapped, Table

_MOST_ITEM = 1 << 16  # bytes of a row; of larger ones a call for each row costs nothing beside the copy
_MOST_SPAN = 1 << 62  # NumPy's own bound of what an array may span

Path = tuple[str, ...]


class Held:
    """The parts that are open: their tables, and when each was read from last.

    It is changed by single steps that no other thread can come between, and has no lock, which a forked child could
    find locked for ever.

    Args:
        parts: How many there are.
    """

    def __init__(self, parts: int) -> None:
        self.tables: dict[int, Table] = {}
        self.reads = np.zeros(parts, np.int64)
        self.changes = 0
        self.known: Known | None = None
        self._count = count(1)

    def add(self, number: int, table: Table) -> None:
        """Take note that a part is open."""
        self.tables[number] = table
        self.changes = next(self._count)

    def drop(self, number: int) -> None:
        """Let go of a part; who gathers from it at this moment still holds it."""
        self.tables.pop(number, None)
        self.changes = next(self._count)
        self.known = None


@runtime_checkable
class Lendable(Protocol):
    """Columns that may be closed while nobody reads from them."""

    def hold(self, held: Held, number: int, /) -> None:
        """Add them to what is held, and drop them from there when they are closed."""
        ...

    def tick(self, reads: int, /) -> int:
        """Return what time it is, counted in reads, after so many more."""
        ...


class Known(NamedTuple):
    """What is known of the parts that are open at a moment; it holds them.

    Args:
        changes: Of the parts that were held, until then.
        tables: Of the parts.
        there: Which parts are open, shape ``(parts,)``.
        addresses: Of each column that is gathered by address, where it begins in each part, counted from ``first``.
        first: The lowest address.
        last: Behind the highest one.
    """

    changes: int
    tables: tuple[Table, ...]
    there: NDArray[np.bool_]
    addresses: dict[Path, Indices]
    first: int
    last: int


class _Asked(NamedTuple):
    """Rows: what is known of their parts, in which they lie, and where there."""

    known: Known
    numbers: Indices
    rows: Indices


class Reach:
    """The rows of parts, by their numbers in all of them together.

    Args:
        starts: The number of each part's first row, and at last how many there are.
        opened: Opens a part.
        most: How many parts are kept open.
    """

    def __init__(self, starts: Indices, opened: Callable[[int], Table], most: int) -> None:
        self._starts = starts
        self._open = opened
        self._most = most
        self._lent: dict[int, Table] = {}
        self._held = Held(len(starts) - 1)
        self._lending: Lendable | None = None  # tells the time, where parts are lent
        self._now = 0
        self._told = 0  # bytes, to the allocator

    def part(self, number: int) -> Table:
        """Return a part's columns, opened when it is first asked for."""
        found = self._lent.get(number)
        if found is None:
            found = self._lent[number] = self._open(number)
            while len(self._lent) > self._most:
                self._close_oldest(number)
        return found

    def _close_oldest(self, but: int) -> None:
        """Let go of the part that was read from least recently."""
        reads = self._held.reads
        for number in sorted(self._lent.copy(), key=lambda number: int(reads[number]))[:2]:
            if number != but:
                self._lent.pop(number, None)
                self._held.drop(number)
                return

    def take(self, indices: Indices) -> Any:
        """Return rows as columns, a copy; the indices are known to be right."""
        if not len(indices):
            return self.part(0).take(indices)
        numbers = self._starts.searchsorted(indices, "right")
        numbers -= 1
        known = self._held.known
        if known is None or known.changes != self._held.changes:
            known = self._held.known = _known(self._held)
        if known is None or not known.there[numbers].all():
            del known  # what it holds may have to go for parts that are opened now
            return self._taken(indices, numbers)
        self._held.reads[numbers] = self._tick(min(len(indices), len(known.tables)))
        return self._gathered(known.tables[0], (), _Asked(known, numbers, indices - self._starts[numbers]))

    def _tick(self, reads: int) -> int:
        if self._lending is not None:
            return self._lending.tick(reads)
        self._now += reads
        return self._now

    def _gathered(self, table: Table, above: Path, asked: _Asked) -> Any:
        """Take rows of every column below a path; ``table`` tells what there is."""
        found: dict[str, Any] = {}
        for name, column in table.columns.items():
            path = (*above, name)
            if isinstance(column, Table):
                found[name] = self._gathered(column, path, asked)
            elif isinstance(column, Dense) and path in asked.known.addresses:
                found[name] = self._gather(column.array, path, asked)
            else:
                found[name] = self._scattered(path, asked)
        return table.kind._of(found, len(asked.rows))

    def _gather(self, like: NDArray[Any], path: Path, asked: _Asked) -> NDArray[Any]:
        size, known = _size(like), asked.known
        if len(asked.rows) * size > self._told:
            self._told = len(asked.rows) * size
            tell_allocator(self._told)
        addresses = known.addresses[path][asked.numbers]
        addresses += asked.rows * size
        made = _memory(known.first, known.last, size)[addresses]
        return np.ndarray((len(made), *like.shape[1:]), like.dtype, made)

    def _scattered(self, path: Path, asked: _Asked) -> Any:
        """Take a column's rows part by part."""
        taken, places = [], []
        for number, place in _grouped(asked.numbers):
            taken.append(Batch._of({"": self._column(number, path).take(asked.rows[place])}, len(place)))
            places.append(place)
        return scattered(taken, places)._columns[""]

    def _column(self, number: int, path: Path) -> Mapped:
        found: Any = self.part(number)
        for name in path:
            found = found.columns[name]
        column: Mapped = found
        return column

    def _taken(self, indices: Indices, numbers: Indices) -> Any:
        """Take rows part by part, and hold what was opened for that."""
        taken, places = [], []
        for number, place in _grouped(numbers):
            table = self.part(number)
            taken.append(table.take(indices[place] - self._starts[number]))
            places.append(place)
            if isinstance(table.columns, Lendable):
                self._lending = table.columns
                table.columns.hold(self._held, number)
            else:
                self._held.add(number, table)
            self._held.reads[number] = self._tick(1)
        return scattered(taken, places)


def _grouped(numbers: Indices) -> Iterator[tuple[int, Indices]]:
    """Yield each of these numbers, and at which places it stands."""
    order = np.argsort(numbers, kind="stable")
    inside = numbers[order]
    firsts = np.flatnonzero(np.diff(inside, prepend=-1))
    bounds = [*firsts.tolist(), len(order)]
    for which, number in enumerate(inside[firsts].tolist()):
        yield number, order[bounds[which] : bounds[which + 1]]


def _known(held: Held) -> Known | None:
    """Look at the parts that are open; None where no column of theirs can be gathered by address."""
    changes, tables = held.changes, held.tables.copy()
    arrays: dict[Path, dict[int, NDArray[Any]]] = {}
    for number, table in tables.items():
        for path, array in _dense(table, ()):
            arrays.setdefault(path, {})[number] = array
    found = {
        path: some for path, some in arrays.items() if len(some) == len(tables) and _are_alike(list(some.values()))
    }
    spans = [_bounds(array) for some in found.values() for array in some.values() if array.nbytes]
    first, last = min((low for low, _ in spans), default=0), max((high for _, high in spans), default=0)
    there = np.zeros(len(held.reads), np.bool_)
    there[list(tables)] = True
    addresses: dict[Path, Indices] = {}
    for path, some in found.items():
        if (last - first) * max(_size(array) for array in some.values()) < _MOST_SPAN:
            addresses[path] = np.zeros(len(there), np.int64)
            addresses[path][list(some)] = [_bounds(array)[0] - first for array in some.values()]
    return Known(changes, tuple(tables.values()), there, addresses, first, last) if addresses else None


def _dense(table: Table, above: Path) -> Iterator[tuple[Path, NDArray[Any]]]:
    for name, column in table.columns.items():
        if isinstance(column, Table):
            yield from _dense(column, (*above, name))
        elif isinstance(column, Dense):
            yield (*above, name), column.array


def _are_alike(arrays: list[NDArray[Any]]) -> bool:
    """Tell whether rows of all of these are the same kind of bytes, one after the other."""
    kinds = {(array.dtype, array.shape[1:]) for array in arrays}
    whole = all(array.flags.c_contiguous and not array.dtype.hasobject for array in arrays)
    return whole and len(kinds) == 1 and 0 < _size(arrays[0]) <= _MOST_ITEM


def _size(array: NDArray[Any]) -> int:
    """Return how many bytes a row has."""
    return array.itemsize * math.prod(array.shape[1:])


def _bounds(array: NDArray[Any]) -> tuple[int, int]:
    """Return the addresses at which an array begins, and behind which it ends."""
    first: int = array.__array_interface__["data"][0]
    return first, first + array.nbytes


class _Memory:
    """What tells NumPy of an array that begins at each address in turn, one for each byte."""

    def __init__(self, first: int, last: int, size: int) -> None:
        self.__array_interface__ = {
            "version": 3,
            "typestr": f"|V{size}",
            "data": (first, True),
            "shape": (last - first - size + 1,),
            "strides": (1,),
        }


def _memory(first: int, last: int, size: int) -> NDArray[np.void]:
    """Return an array whose element i is the ``size`` bytes at address ``first + i``; much of it may not be mapped."""
    return np.asarray(_Memory(first, last, size))
