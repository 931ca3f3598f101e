"""Pipelines on their way to workers: large arrays go by shared memory and mapped files by path, once for all workers.

The parent puts the arrays of its sources into shared memory (:class:`Places`) and keeps no other copy. What is shipped
then is a pickle, and the descriptors of the segments that hold its arrays; each worker maps them so that what it
writes stays its own.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from headrace.workers import codec, mapped, rebuild, segments
from headrace.workers.parts import LEAST, TOKEN, Parts, address
from headrace.workers.pickling import AnyPickler
from headrace.workers.segments import Map, Segment

LARGE = 1 << 20
"""Arrays of fewer bytes stay where they are, and are copied to each worker."""

_ARENA = 64 << 20  # a segment for arrays that are too small to deserve a descriptor each


class Places:
    """Puts arrays into shared memory; called with an array, returns the one to hold in its stead.

    >>> placed = Places()(np.zeros((512, 512)))
    >>> placed.shape, segments.find(placed) is None
    ((512, 512), False)
    """

    def __init__(self) -> None:
        self._arena: Segment | None = None
        self._used = 0

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an equal array in shared memory, of the same layout and as writable.

        Arrays that are there already, that are mapped from a file, that are smaller than 1 MiB or that hold objects
        are returned as they are.
        """
        is_plain = type(array) is np.ndarray and array.dtype.itemsize and rebuild.name_of(array.dtype) is not None
        if not is_plain or array.nbytes < LARGE or _source(array) is not None or mapped.find(array) is not None:
            return array
        if rebuild.is_spread(array.shape, array.strides):
            return array
        order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        turned = array.transpose(order)
        segment, offset = self._room(array.nbytes)
        made: NDArray[Any] = np.ndarray(turned.shape, turned.dtype, segment.root, offset)
        codec.write([(offset, turned)], segment.root)
        made = made.transpose(np.argsort(order))
        made.flags.writeable = array.flags.writeable
        return made

    def _room(self, size: int) -> tuple[Segment, int]:
        if size > _ARENA // 2:
            return _source_segment(size), 0
        if self._arena is None or self._used + size > self._arena.size:
            self._arena, self._used = _source_segment(_ARENA), 0
        offset = self._used
        self._used = -(-(offset + size) // codec.ALIGN) * codec.ALIGN
        return self._arena, offset


def place(array: NDArray[Any]) -> NDArray[Any]:
    """Return an equal array in shared memory; see :class:`Places`, which serves several arrays better."""
    return Places()(array)


class Shipment:
    """A pickle and the shared memory that belongs to it, to be sent to any number of processes.

    Args:
        payload: The pickle, and where its arrays lie.
        maps: Where they lie.
    """

    def __init__(self, payload: bytes, maps: Sequence[Map]) -> None:
        self.payload = payload
        self._maps = list(maps)

    @property
    def descriptors(self) -> list[tuple[int, int]]:
        """Descriptor and size in bytes of each segment; they stay open as long as the shipment lives."""
        return [(one.fd, one.length) for one in self._maps]

    @property
    def nbytes(self) -> int:
        """How much shared memory belongs to it."""
        return sum(one.length for one in self._maps)


def ship(value: object) -> Shipment:
    """Make something ready to travel: by cloudpickle, so lambdas and classes of the main module travel as well.

    Arrays in shared memory go by reference, arrays mapped from a file by its path, other large ones by a segment
    that is made here and is gone with the shipment and the processes that have received it.

    >>> import os
    >>> shipment = ship({"scale": lambda x: x * 2, "table": np.arange(100_000)})
    >>> len(shipment.payload) < 2000, len(shipment.descriptors)
    (True, 1)
    >>> there = unship(shipment.payload, [(os.dup(fd), size) for fd, size in shipment.descriptors])
    >>> int(there["scale"](there["table"])[-1])
    199998

    Raises:
        Exception: Whatever cloudpickle raises where something cannot be pickled.
    """
    parts, file = _Sources(), io.BytesIO()
    AnyPickler(file, parts.reducers(), parts.other, settles=True).dump(value)
    maps, spans = _placed(parts.arrays)
    return Shipment(pickle.dumps((spans, file.getvalue())), maps)


def unship(payload: bytes, descriptors: Sequence[tuple[int, int]]) -> Any:
    """Return what was shipped; what is written to its arrays stays in this process.

    Args:
        payload: The shipment's.
        descriptors: This process's own descriptors of its segments, in order, which are closed here, and their sizes.

    Raises:
        WorkerError: A file that an array is mapped from is gone or has changed.
        Exception: Whatever unpickling raises, such as ModuleNotFoundError.
    """
    taken = [Segment.adopt(fd, size, private=True) for fd, size in descriptors]
    for segment in taken:
        segment.close()
    spans, header = pickle.loads(payload)
    return pickle.loads(header, buffers=[taken[number].root[start : start + size] for number, start, size in spans])


class _Sources(Parts):
    """Takes arrays apart that many processes will read."""

    def array(self, array: NDArray[Any]) -> Any:
        name = rebuild.name_of(array.dtype)
        if name is None or array.nbytes < LEAST:
            return super().array(array)
        file = mapped.find(array)
        if file is not None:
            kind = np.memmap if isinstance(array, np.memmap) else np.ndarray
            return mapped.open_array, (file, name, array.shape, array.strides, kind)
        if not array.flags.c_contiguous and _source(array) is not None:
            first, extent = _extent(array)
            self.arrays.append(extent)
            frozen = not array.flags.writeable
            return rebuild.strided, (TOKEN, name, array.shape, first, array.strides, frozen)
        return super().array(array)


def _placed(arrays: Sequence[NDArray[Any]]) -> tuple[list[Map], list[tuple[int, int, int]]]:
    """Find the segments where arrays lie, and make one for those that lie in none."""
    maps: list[Map] = []
    spans: list[tuple[int, int, int]] = []
    copies: list[tuple[int, NDArray[Any]]] = []
    homes = [_source(array) if array.flags.c_contiguous else None for array in arrays]
    maps = list({id(home): home for home in homes if home is not None}.values())
    numbers = {id(home): number for number, home in enumerate(maps)}
    end = 0
    for array, home in zip(arrays, homes):
        if home is not None:
            spans.append((numbers[id(home)], address(array) - _start(home), array.nbytes))
            continue
        offset = -(-end // codec.ALIGN) * codec.ALIGN
        end = offset + array.nbytes
        copies.append((offset, array))
        spans.append((len(maps), offset, array.nbytes))
    if copies:
        segment = _source_segment(end)
        codec.write(copies, segment.root)
        found = segments.find(segment.root)
        assert found is not None
        maps.append(found)
    return maps, spans


_sources: WeakValueDictionary[int, Map] = WeakValueDictionary()  # by the address where they begin


def _source(array: NDArray[Any]) -> Map | None:
    """Return the map that an array of a source was placed in.

    Found by its address, since an array over a tensor does not say what memory the tensor lies in.
    """
    begin = address(array)
    for start, found in list(_sources.items()):
        if start <= begin < start + found.length and found.fd >= 0:
            return found
    return None


def _source_segment(size: int) -> Segment:
    segment = Segment(size)
    found = segments.find(segment.root)
    assert found is not None
    _sources[address(segment.root)] = found
    return segment


def _start(home: Map) -> int:
    return address(np.frombuffer(home, np.uint8))


def _extent(array: NDArray[Any]) -> tuple[int, NDArray[np.uint8]]:
    """Return the memory that an array with steps lies in, and where in it the first value begins."""
    reach = [(size - 1) * step for size, step in zip(array.shape, array.strides)]
    low = sum(min(0, far) for far in reach)
    high = sum(max(0, far) for far in reach) + array.dtype.itemsize
    home = _source(array)
    assert home is not None
    begin = address(array) + low - _start(home)
    return -low, np.frombuffer(memoryview(home), np.uint8)[begin : begin + high - low]
