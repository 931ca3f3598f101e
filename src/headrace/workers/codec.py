"""Values as a short header and the memory of their arrays, which is copied once or not at all.

Pickle of protocol 5 hands out the memory of large arrays beside the pickle. Here that memory goes into a slot (see
:mod:`headrace.workers.slots`), each array at a multiple of 64 bytes, and the reader makes arrays over it, or over
copies of its own.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.core.buffers import Buffers
from headrace.core.errors import KindError
from headrace.workers.parts import Parts, address
from headrace.workers.pickling import AnyPickler
from headrace.workers.segments import Bytes

ALIGN = 64
LONGEST = 16_000
"""A longer header goes into the slot too, so that messages stay small."""

_LEAST_REUSED = 1 << 17  # smaller copies come from the allocator's own free lists, faster than from buffers
_BYTES = np.empty(0, np.uint8)


class Packed(NamedTuple):
    """A value that lies in a slot: small, and picklable.

    Args:
        header: A pickle; empty where it lies in the slot.
        head: Where the header lies in the slot (start and length), None if it does not.
        spans: Where the memory of each array lies in the slot, in the order in which the pickle asks for it.
    """

    header: bytes
    head: tuple[int, int] | None
    spans: tuple[tuple[int, int], ...]

    @property
    def nbytes(self) -> int:
        """How much there is to carry, in bytes."""
        return len(self.header) + (self.head[1] if self.head else 0) + sum(size for _, size in self.spans)


class Taken(NamedTuple):
    """A value taken apart: a pickle, and the arrays whose memory belongs to it, each in C order."""

    header: bytes
    parts: list[NDArray[Any]]


def take_apart(value: Any, to_worker: bool = False) -> Taken:
    """Return a value's pickle, and its large arrays beside it, which are not copied.

    Args:
        value: Anything that can be pickled, by cloudpickle if need be.
        to_worker: Whether the reader does not run the main module, so that what is defined there must come along.

    >>> header, parts = take_apart({"x": np.zeros((1000, 2)), "label": "a"})
    >>> len(header) < 200, [part.shape for part in parts]
    (True, [(1000, 2)])

    Raises:
        KindError: It holds something that cannot travel, such as a generator or a lock.
    """
    plain: Exception | None = None
    try:
        taken = _plainly(value)
        if not (to_worker and b"__main__" in taken.header):
            return taken
    except Exception as error:  # lambdas, classes that cannot be found by name: plain pickle refuses them
        plain = error
    try:
        return _by_content(value, to_worker)
    except Exception as error:
        raise KindError(
            f"a value of type {type(value).__qualname__} cannot travel between processes: {error}; give arrays, "
            "numbers, text, or containers of such (of a generator: list(...))"
        ) from plain or error


def layout(taken: Taken, start: int, root: Bytes | None) -> tuple[Packed, list[tuple[int, NDArray[Any]]], int]:
    """Find a place for each array of a value in a slot, from ``start`` on.

    Args:
        taken: The value.
        start: What lies before stays as it is.
        root: The slot; arrays that lie in it stay where they are. None if none does.

    Returns:
        The value as it will lie there, what is to be copied to where, and where the last of it ends.
    """
    spans: list[tuple[int, int]] = []
    copies: list[tuple[int, NDArray[Any]]] = []
    begin, size = (0, -1) if root is None else (address(root), root.nbytes)
    end = start
    for part in taken.parts:
        offset = address(part) - begin if part.flags.c_contiguous else -1
        if not (0 <= offset and offset + part.nbytes <= size):
            offset = _aligned(end)
            end = offset + part.nbytes
            copies.append((offset, part))
        spans.append((offset, part.nbytes))
    if len(taken.header) <= LONGEST:
        return Packed(taken.header, None, tuple(spans)), copies, end
    head = (_aligned(end), len(taken.header))
    copies.append((head[0], np.frombuffer(taken.header, np.uint8)))
    return Packed(b"", head, tuple(spans)), copies, sum(head)


def write(copies: Sequence[tuple[int, NDArray[Any]]], root: Bytes) -> None:
    """Copy arrays to their places in a slot."""
    for offset, part in copies:
        if part.flags.c_contiguous:
            root[offset : offset + part.nbytes] = part.reshape(-1).view(np.uint8)
        else:
            np.copyto(np.ndarray(part.shape, part.dtype, root, offset), part)


def unpack(packed: Packed, root: Bytes, buffers: Buffers | None) -> Any:
    """Return the value that lies in a slot.

    Args:
        packed: Where it lies.
        root: The slot.
        buffers: Gives memory for copies, which are the caller's own; None for arrays that are views of the slot.
    """
    header: Any = packed.header if packed.head is None else root[packed.head[0] : sum(packed.head)]
    if not packed.spans:
        return pickle.loads(header)
    return pickle.loads(header, buffers=_views(packed, root) if buffers is None else _copies(packed, root, buffers))


def _aligned(offset: int) -> int:
    return -(-offset // ALIGN) * ALIGN


def _views(packed: Packed, root: Bytes) -> Iterator[Bytes]:
    for start, size in packed.spans:
        yield root[start : start + size]


def _copies(packed: Packed, root: Bytes, buffers: Buffers) -> Iterator[Bytes]:
    for place, (start, size) in enumerate(packed.spans):
        if size < _LEAST_REUSED:
            yield root[start : start + size].copy()
            continue
        step = 1 << (size.bit_length() - 4)  # a few classes of sizes, so that batches that vary reuse buffers too
        copy = buffers.empty(("received", place), _BYTES, -(-size // step) * step)[:size]
        copy[:] = root[start : start + size]
        yield copy  # type: ignore[misc]


def _plainly(value: Any) -> Taken:
    parts, file = Parts(), io.BytesIO()
    pickler = pickle.Pickler(file, 5, buffer_callback=parts.other)
    pickler.dispatch_table = {**copyreg.dispatch_table, **parts.reducers()}
    pickler.dump(value)
    return Taken(file.getvalue(), parts.arrays)


def _by_content(value: Any, settles: bool) -> Taken:
    parts, file = Parts(), io.BytesIO()
    AnyPickler(file, parts.reducers(), parts.other, settles).dump(value)
    return Taken(file.getvalue(), parts.arrays)
