"""``.npy`` files that grow as rows come, in the format of ``numpy.save`` (NumPy Enhancement Proposal 1)."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import DamageError, SchemaError
from headrace.stores.sums import FileSum, Summing

_MAGIC = b"\x93NUMPY"
_ALIGNMENT = 64  # of the first row, which numpy.save promises too
_MOST_DIGITS = 21  # room for the number of rows, so that the header keeps its size when the file has grown
_MOST_HEADER = 10_000  # numpy.load refuses longer ones
_SYNC_EVERY = 32 << 20  # bytes after which they are brought to disk beside the writing


def header(dtype: np.dtype[Any], shape: tuple[int, ...], size: int = 0) -> bytes:
    """Return what a ``.npy`` file of an array begins with.

    Args:
        dtype: Of the array; not object.
        shape: Of the array.
        size: The least length in bytes, to replace a header of that length.

    Returns:
        A multiple of 64 bytes, which any number of rows leaves as long as it is.

    Raises:
        SchemaError: The dtype cannot be written in this format.

    >>> len(header(np.dtype("u1"), (0, 64, 64, 3)))
    128
    """
    descr = np.lib.format.dtype_to_descr(_plain(dtype))
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    text += " " * (_MOST_DIGITS - len(str(shape[0])))
    version, length, encoded = ((1, 0), "<H", text.encode("latin1", "replace"))
    if encoded.decode("latin1") != text or len(text) > 0xFF00:
        version, length, encoded = ((3, 0), "<I", text.encode())
    front = len(_MAGIC) + 2 + struct.calcsize(length)
    whole = max(size, -(-(front + len(encoded) + 1) // _ALIGNMENT) * _ALIGNMENT)
    if whole > _MOST_HEADER:
        raise SchemaError(
            f"a dtype of {len(dtype.names or ())} fields is too long for a .npy file: give them as columns"
        )
    padded = encoded + b" " * (whole - front - len(encoded) - 1) + b"\n"
    return _MAGIC + bytes(version) + struct.pack(length, len(padded)) + padded


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype without its metadata, which the format does not keep, once it is sure to come back the same."""
    if dtype.metadata is not None:
        dtype = np.dtype(dtype.descr) if dtype.names else np.dtype(dtype.str)
    if dtype.hasobject or np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype)) != dtype:
        raise SchemaError(f"dtype {dtype} cannot be kept in a .npy file: convert it first, such as by .view or .astype")
    return dtype


class Grown(NamedTuple):
    """How far a file has grown: what it takes to go on with it, when its writer has died.

    Args:
        rows: How many it holds.
        size: How many bytes.
        header: How many of those are the header.
        dtype: Of the rows.
        item: The shape of a row.
        behind: The digests of its pieces behind the first.
    """

    rows: int
    size: int
    header: int
    dtype: np.dtype[Any]
    item: tuple[int, ...]
    behind: Sequence[bytes]


class NpyWriter:
    """Rows in, a ``.npy`` file out, however many there are.

    Args:
        path: Where; the file must not exist.
        dtype: Of the rows.
        item: The shape of a row.
        beside: Where sums are taken, and what is written is brought to disk, beside the writing.
        grown: How far the file has grown already; see ``resume``.
        durable: Whether it is brought to disk beside the writing.
    """

    def __init__(
        self,
        path: Path,
        dtype: np.dtype[Any],
        item: tuple[int, ...],
        beside: Executor,
        grown: Grown | None = None,
        durable: bool = True,
    ) -> None:
        self.path = path
        self.dtype = dtype
        self.item = item
        self.rows = 0
        self._beside = beside
        self._sync_every = _SYNC_EVERY if durable else math.inf
        self._unsynced = 0  # bytes written since the last sync began
        self._syncing: Future[None] | None = None
        if grown is not None:
            self.rows, self._header = grown.rows, grown.header
            self._summing = Summing.resume(beside, path, grown.size, grown.behind)
            self._file = open(path, "r+b", buffering=0)
            self._file.truncate(grown.size)
            self._file.seek(grown.size)
            return
        self._header = len(header(dtype, (0, *item)))
        self._summing = Summing(beside)
        self._file = open(path, "xb", buffering=0)
        self._write(memoryview(bytes(self._header)))

    @classmethod
    def resume(cls, path: Path, grown: Grown, beside: Executor) -> NpyWriter:
        """Go on with a file that has grown at least so far; what came behind that is cut off.

        Raises:
            DamageError: The file is shorter, or its last piece is not what was written.
        """
        if path.stat().st_size < grown.size:
            raise DamageError(f"{path} is shorter than the {grown.size} bytes that were written")
        return cls(path, grown.dtype, grown.item, beside, grown)

    @property
    def grown(self) -> Grown:
        """How far the file has grown."""
        return Grown(self.rows, self.size, self._header, self.dtype, self.item, self._summing.behind)

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self._summing.size

    def append(self, rows: NDArray[Any]) -> None:
        """Write rows of shape ``(n, *item)``; the array is free again afterwards."""
        self.rows += len(rows)
        if rows.nbytes:
            self._write(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)

    def _write(self, content: memoryview) -> None:
        summed = self._summing.update(content)
        try:
            self._unsynced += len(content)
            while content:
                content = content[self._file.write(content) :]
        finally:
            wait(summed)
        # Left alone, the system begins to write when a lot has piled up, and the last sync waits for all of it.
        if self._unsynced >= self._sync_every and (self._syncing is None or self._syncing.done()):
            self._unsynced = 0
            self._finish_sync()
            self._syncing = self._beside.submit(os.fsync, self._file.fileno())

    def _finish_sync(self) -> None:
        if self._syncing is not None:
            self._syncing.result()

    def reshape(self, path: Path, rows: int, item: tuple[int, ...]) -> None:
        """Take the same bytes for other rows, in a file of another name; also after ``finish``."""
        os.rename(self.path, path)
        self.path, self.rows, self.item = path, rows, item

    def retype(self, dtype: str) -> None:
        """Take rows of another dtype, if there is no value yet that would have to be converted."""
        if dtype != str(self.dtype):
            if self.size > self._header:
                raise SchemaError(f"{self.path} holds {self.dtype}, which cannot become {dtype}")
            self.dtype = np.dtype(dtype)

    def seal(self) -> None:
        """Write the header that fits what came, and take no more rows; again after a ``reshape``."""
        self._finish_sync()
        self._file.close()
        with open(self.path, "r+b", buffering=0) as file:
            file.write(header(self.dtype, (self.rows, *self.item), self._header))

    def sync(self) -> None:
        """Bring the sealed file to disk."""
        with open(self.path, "rb", buffering=0) as file:
            os.fsync(file.fileno())

    def sum(self) -> FileSum:
        """Return the sealed file's size and sum."""
        return self._summing.sum(self.path)

    def close(self) -> None:
        """Let go of the file, after an error too; may be called again."""
        with suppress(OSError):
            self._finish_sync()
        self._file.close()
