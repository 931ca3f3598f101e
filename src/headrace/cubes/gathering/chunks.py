"""Chunks of variables that were read and decoded, kept while there is room: each is read once, whoever wants it."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import StoreError
from headrace.core.source import Indices
from headrace.cubes.cube import Variable
from headrace.cubes.gathering.ahead import TOGETHER, Ahead

Key = tuple[str, int]
"""Of a chunk: the variable's name, and the chunk's number on the grid of chunks."""

_Named: TypeAlias = "Mapping[str, tuple[Variable, Grid]]"


@dataclass(frozen=True, eq=False)
class Grid:
    """How a variable is cut into chunks, which are numbered: those of its last dimension next to each other.

    >>> grid = Grid((np.array([0, 4, 8, 10]), np.array([0, 5])), itemsize=4)
    >>> grid.shape, grid.places(np.array([0, 2])), grid.nbytes(np.array([0, 2])).tolist()
    ((3, 1), [(0, 0), (2, 0)], [80, 40])
    """

    edges: tuple[Indices, ...]
    itemsize: int
    shape: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(len(edges) - 1 for edges in self.edges))

    def places(self, numbers: Indices) -> list[tuple[int, ...]]:
        """Return the places of chunks on the grid."""
        if not self.edges:
            return [()] * len(numbers)
        return list(zip(*(place.tolist() for place in np.unravel_index(numbers, self.shape)), strict=True))

    def extent(self, place: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a chunk."""
        return tuple(int(edges[at + 1] - edges[at]) for edges, at in zip(self.edges, place, strict=True))

    def nbytes(self, numbers: Indices) -> Indices:
        """Return how many bytes chunks take: a new array."""
        found = np.full(len(numbers), self.itemsize, np.int64)
        if self.edges:
            for edges, place in zip(self.edges, np.unravel_index(numbers, self.shape), strict=True):
                found *= edges[place + 1] - edges[place]
        return found


class _Reading:
    """Chunks that one thread reads in one call, and for which others may wait."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = frozenset(keys)
        self.done = threading.Event()
        self.found: dict[Key, NDArray[Any]] = {}
        self.error: Exception | None = None
        self.thread = threading.current_thread()

    def wait(self) -> None:
        """Wait until it is over; or until the thread that reads has died, without a word."""
        while not self.done.wait(1.0) and self.thread.is_alive():
            pass


class _Held:
    """What one process holds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.arrays: OrderedDict[Key, NDArray[Any]] = OrderedDict()
        self.nbytes = 0
        self.reading: dict[Key, _Reading] = {}
        self.ahead: Ahead[Key] | None = None


class Chunks:
    """Decoded chunks, the least recently used of which make room for others.

    Threads that want the same chunk wait for the one that reads it; different chunks are read at the same time. A read
    that fails is not kept. In a process that was forked off, or that it was sent to, it is empty.

    Args:
        limit: How many bytes are held at most. A chunk that is larger is read, given out and not kept.

    The arrays are shared by all who ask, and not to be written to.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._processes: dict[int, _Held] = {}

    @property
    def limit(self) -> int:
        """How many bytes are held at most."""
        return self._limit

    @property
    def nbytes(self) -> int:
        """How many bytes are held."""
        return self._held().nbytes

    def reserve(self, nbytes: int) -> None:
        """Raise the bound to so many bytes, if it is lower."""
        self._limit = max(self._limit, nbytes)

    def expect(self, variables: Sequence[tuple[Variable, Grid]], chunks: Sequence[tuple[int, int]]) -> None:
        """Read chunks in the background that will be asked for soon, as far as there is room beside each other.

        Args:
            variables: In chunks.
            chunks: The place of the variable among these, and the number of the chunk: the one needed first comes
                first. Empty: nothing more is needed.
        """
        held = self._held() if chunks else self._processes.get(os.getpid())
        if held is None:
            return
        if not chunks:
            if held.ahead is not None:
                held.ahead.expect(())
            return
        by_name = {variable.name: (variable, grid) for variable, grid in variables}
        keys = [(variables[place][0].name, number) for place, number in chunks]
        with held.lock:
            for key in reversed(keys):  # so that the others make room first
                if key in held.arrays:
                    held.arrays.move_to_end(key)
            if held.ahead is None:
                held.ahead = Ahead(
                    lambda keys: self._missing(held, by_name, keys), lambda keys: self._fetch(by_name, keys)
                )
            ahead = held.ahead
        ahead.expect(keys)

    def _missing(self, held: _Held, variables: _Named, keys: Sequence[Key]) -> list[Key]:
        """Return the next ones that are to be read together, of one variable."""
        found: list[Key] = []
        room = self._limit - self._limit // 8  # some is left for what nobody expected
        with held.lock:
            there = [key in held.arrays or key in held.reading for key in keys]
        for key, is_there in zip(keys, there, strict=True):
            name, number = key
            if found and name != found[0][0]:
                break
            room -= int(variables[name][1].nbytes(np.array([number]))[0])
            if room < 0 or len(found) == TOGETHER:
                break
            if not is_there:
                found.append(key)
        return found

    def _fetch(self, variables: _Named, keys: list[Key]) -> None:
        variable, grid = variables[keys[0][0]]
        self.get(variable, grid, np.array([number for _, number in keys], np.int64))

    def each(self, variable: Variable, grid: Grid, numbers: Indices) -> Iterator[tuple[list[int], list[NDArray[Any]]]]:
        """Give chunks, each once, in groups: their places among those asked for, and they. Held ones come first.

        The lists are the caller's, who empties the second one, so that its chunks can go while others are read.

        Those that are missing are read in one call, or in as many as it takes to stay below the bound.

        Args:
            variable: In chunks.
            grid: Its chunks.
            numbers: Of the chunks, each once.

        Raises:
            StoreError: A chunk cannot be read, or is not what the variable says of itself.
        """
        name, held = variable.name, self._held()
        there: list[int] = []
        missing: list[int] = []
        found: list[NDArray[Any]] = []
        with held.lock:
            for at, number in enumerate(numbers.tolist()):
                array = held.arrays.get((name, number))
                if array is None:
                    missing.append(at)
                else:
                    held.arrays.move_to_end((name, number))
                    there.append(at)
                    found.append(array)
        array = None
        if found:
            yield there, found
        for group in self._groups(grid, numbers, missing) if missing else ():
            yield group, self.get(variable, grid, numbers[group])

    def _groups(self, grid: Grid, numbers: Indices, places: list[int]) -> Iterator[list[int]]:
        """Return groups of chunks that may be held at once, as few as it takes."""
        group: list[int] = []
        room = limit = self._limit
        for at, size in zip(places, grid.nbytes(numbers[places]).tolist(), strict=True):
            if group and size > room:
                yield group
                group, room = [], limit
            group.append(at)
            room -= size
        yield group

    def get(self, variable: Variable, grid: Grid, numbers: Indices) -> list[NDArray[Any]]:
        """Return chunks, read in one call as far as they are not held.

        Args:
            variable: In chunks.
            grid: Its chunks.
            numbers: Of the chunks, each once.

        Raises:
            StoreError: A chunk cannot be read, or is not what the variable says of itself.
        """
        held = self._held()
        keys = [(variable.name, number) for number in numbers.tolist()]
        found: dict[Key, NDArray[Any]] = {}
        while len(found) < len(keys):
            waiting: list[_Reading] = []
            mine: list[int] = []
            with held.lock:
                for at, key in enumerate(keys):
                    if key in found:
                        continue
                    array = held.arrays.get(key)
                    if array is not None:
                        held.arrays.move_to_end(key)
                        found[key] = array
                    elif key in held.reading:
                        waiting.append(held.reading[key])
                    else:
                        mine.append(at)
                if mine:
                    own = _Reading([keys[at] for at in mine])
                    for key in own.keys:
                        held.reading[key] = own
            if mine:
                found.update(self._read(held, variable, grid, numbers[mine], own, [keys[at] for at in mine]))
            wanted = frozenset(keys)
            for other in waiting:
                other.wait()
                if other.error is not None and other.keys <= wanted:
                    raise other.error  # what failed was wanted here; else it is tried without the rest
                found.update((key, array) for key, array in other.found.items() if key in wanted)
        return [found[key] for key in keys]

    def _read(
        self, held: _Held, variable: Variable, grid: Grid, numbers: Indices, own: _Reading, keys: list[Key]
    ) -> dict[Key, NDArray[Any]]:
        """Read chunks for this thread and those that wait for it."""
        sizes: list[int] = []
        try:
            sizes = grid.nbytes(numbers).tolist()
            self._make_room(held, sum(sizes))
            places = grid.places(numbers)
            arrays = variable.read(places)
            for place, array in zip(places, arrays, strict=True):
                _check(variable, grid, place, array)
            own.found = dict(zip(keys, arrays, strict=True))
        except Exception as error:
            own.error = error
            raise
        finally:
            with held.lock:
                for key in keys:
                    held.reading.pop(key, None)
                for (key, array), size in zip(own.found.items(), sizes, strict=False):
                    if size <= self._limit:
                        held.arrays[key] = array
                        held.nbytes += size
                self._shrink(held, self._limit)
            own.done.set()
        return own.found

    def _make_room(self, held: _Held, nbytes: int) -> None:
        with held.lock:
            self._shrink(held, max(0, self._limit - nbytes))

    @staticmethod
    def _shrink(held: _Held, limit: int) -> None:
        while held.nbytes > limit:
            held.nbytes -= held.arrays.popitem(last=False)[1].nbytes

    def _held(self) -> _Held:
        process = os.getpid()
        held = self._processes.get(process)
        if held is None:  # a child begins anew: locks may have been held by threads that it does not have
            held = self._processes.setdefault(process, _Held())
            for other in [known for known in self._processes if known != process]:
                self._processes.pop(other, None)
        return held

    def __getstate__(self) -> dict[str, Any]:
        return {"_limit": self._limit, "_processes": {}}


def _check(variable: Variable, grid: Grid, place: tuple[int, ...], array: NDArray[Any]) -> None:
    expected = grid.extent(place)
    if array.shape != expected or array.dtype != variable.dtype:
        raise StoreError(
            f"{variable.name!r}: chunk {place} was read as {array.dtype} of shape {array.shape}, where it should be "
            f"{variable.dtype} of {expected}"
        )
