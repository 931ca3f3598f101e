"""Variables that xarray opens without reading them, and arrays of Zarr: in chunks, decoded as xarray would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import HeadraceError, StoreError
from headrace.core.source import Indices
from headrace.cubes.once import Once
from headrace.cubes.reading import failing
from headrace.cubes.reading.grid import Cut, blocks, box, even
from headrace.cubes.reading.unwrapping import View, elements


class Chunks(Protocol):
    """Where the bytes of a variable lie: chunks as they are stored."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def edges(self) -> tuple[Indices, ...]: ...

    def read(self, places: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]: ...


@dataclass(frozen=True, eq=False)
class ForeignChunks:
    """The chunks of an array of which only xarray knows how to read it: of NetCDF, HDF5, and others.

    Args:
        name: What errors call the variable.
        array: A lazy array of xarray, or of NumPy.
        edges: Where chunks begin.
        where: It lies, for errors.
    """

    name: str
    array: Any
    edges: tuple[Indices, ...]
    where: str

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    def read(self, places: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        return [self._read(place) for place in places]

    def _read(self, place: tuple[int, ...]) -> NDArray[Any]:
        asked = box(self.edges, place)
        try:
            return elements(self.array, asked)
        except (HeadraceError, MemoryError):
            raise
        except Exception as error:
            # of HDF5 nobody can tell whether a chunk was not fetched or not decoded
            raise failing.unread(self.name, place, self.where, error) from error


def foreign(name: str, array: Any, itemsize: int, encoding: Mapping[str, Any], where: str) -> ForeignChunks:
    """Take an array with the chunks that its file has, as xarray noted them; without any, in blocks of 4 MiB."""
    shape = tuple(array.shape)
    sizes = encoding.get("chunksizes") or encoding.get("chunks")
    given = tuple(sizes) if isinstance(sizes, tuple | list) else ()
    if isinstance(array, np.ndarray) or len(given) != len(shape) or not all(map(_whole, given)):
        return ForeignChunks(name, array, blocks(shape, itemsize), where)
    return ForeignChunks(name, array, tuple(even(length, int(size)) for length, size in zip(shape, given)), where)


def _whole(size: object) -> bool:
    return isinstance(size, int | np.integer) and int(size) > 0


@dataclass(frozen=True, eq=False)
class InChunks:
    """A :class:`~headrace.cubes.cube.Variable` in chunks: a view of what is stored, decoded.

    Chunks of the variable are those of the storage, as far as the view takes something of them. Where it takes elements
    in another order, a stored chunk gives as many as there are runs in it.

    Args:
        name: Of the variable.
        dims: Of each axis.
        dtype: Of what is decoded.
        chunks: Where its bytes lie.
        view: What is taken of them, and how it is decoded; its array is not asked for.
        known: Its identity: a text that changes when its content does; made when it is first asked for.
    """

    name: str
    dims: tuple[str, ...]
    dtype: np.dtype[Any]
    chunks: Chunks
    view: View
    known: Once = field(default_factory=lambda: Once(""))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if not key.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @cached_property
    def _cuts(self) -> tuple[Cut, ...]:
        """What is taken along each axis of the storage."""
        return tuple(
            Cut.of(range(here, here + 1) if isinstance(here, int) else here, edges)
            for here, edges in zip(self.view.positions, self.chunks.edges, strict=True)
        )

    @property
    def shape(self) -> tuple[int, ...]:
        taken = [self.view.positions[axis] for axis in self.view.order]
        return tuple(1 if isinstance(here, int) else len(here) for here in taken)

    @property
    def edges(self) -> tuple[Indices, ...]:
        return tuple(self._cuts[axis].edges for axis in self.view.order)

    def identity(self) -> str:
        return self.known()

    def whole(self) -> NDArray[Any]:
        raise TypeError(f"variable {self.name!r} lies in chunks: read them")

    def read(self, chunks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        runs = [self._runs(place) for place in chunks]
        wanted = [tuple(int(cut.chunks[run]) for cut, run in zip(self._cuts, place)) for place in runs]
        different = list(dict.fromkeys(wanted))
        stored = dict(zip(different, self.chunks.read(different), strict=True))
        return [self._decoded(stored[place], run) for place, run in zip(wanted, runs)]

    def _runs(self, place: tuple[int, ...]) -> tuple[int, ...]:
        """Return the run along each axis of the storage."""
        runs = [0] * len(self._cuts)
        for axis, run in zip(self.view.order, place, strict=True):
            runs[axis] = run
        return tuple(runs)

    def _decoded(self, stored: NDArray[Any], runs: tuple[int, ...]) -> NDArray[Any]:
        found, keys = stored, [cut.within(run) for cut, run in zip(self._cuts, runs)]
        found = found[tuple(key if isinstance(key, slice) else slice(None) for key in keys)]
        for axis, key in enumerate(keys):
            if not isinstance(key, slice):
                found = found.take(key, axis=axis)
        if found.size < stored.size and found.base is not None:
            found = found.copy()  # so that the rest can go
        order = self.view.order
        dropped = tuple(axis for axis in range(found.ndim) if axis not in order)
        found = found.transpose(*dropped, *order)[(0,) * len(dropped)] if found.ndim else found
        try:
            for decode in self.view.decoders:
                found = np.asarray(decode(found))
        except MemoryError:
            raise
        except Exception as error:
            place = tuple(runs[axis] for axis in order)
            said = f"variable {self.name!r}, chunk {place}, was read, and cannot be decoded"
            raise StoreError(f"{said}: {type(error).__name__}: {error}") from error
        return np.asarray(found).astype(self.dtype, copy=False)
