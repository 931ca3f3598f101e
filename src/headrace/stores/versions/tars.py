"""Parts as tar shards, as the ``webdataset`` package reads them: a member for each column of each record.

Members are called by the record's number and the column: ``00000000.image.npy``. Arrays and single numbers other than
integers are ``.npy``, with dtype and shape; integers ``.cls``, in decimal; strings ``.txt`` (arrays of them ``.json``);
bytes ``.bin``. Of nested columns each field is a member: ``00000000.meta.x.npy``. The same records give the same bytes.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import SchemaError
from headrace.stores.layout import Layout
from headrace.stores.mapped import Dense, Mapped, Table, Tensors, Text, Uneven
from headrace.stores.names import stems
from headrace.stores.versions.columnar import widened

SHARD_BYTES = 10**9
"""The most bytes of a shard, unless a record alone has more."""

_BLOCK = tarfile.BLOCKSIZE
_MOST_NAME = 100  # bytes of a name in USTAR, which has no slash to cut it at
_DIGITS = 8


@dataclass(frozen=True)
class Member:
    """What a column of one layout becomes in each record.

    Args:
        suffix: Behind the record's number and a dot.
        path: The names that lead to the column.
        encode: Gives the contents for rows from one up to another.
    """

    suffix: str
    path: tuple[str, ...]
    encode: Callable[[Mapped, int, int], Iterator[bytes]]

    def contents(self, table: Table, start: int, stop: int) -> Iterator[bytes]:
        """Yield the content for each of some rows."""
        column: Mapped = table
        for name in self.path:
            assert isinstance(column, Table)
            column = column.columns[name]
        return self.encode(column, start, stop)


def members(layout: Layout) -> list[Member]:
    """Return what the columns become.

    Raises:
        SchemaError: A column has no place in shards; all of them are named.
    """
    problems: list[str] = []
    found = list(_members(layout, (), "", problems))
    if not problems and not found:
        problems.append("there are no columns, so there is nothing to write")
    for member in found:
        if len(member.suffix) + _DIGITS + 1 > _MOST_NAME:
            problems.append(f"column {'.'.join(member.path)!r}: the name is too long for a tar file: rename(...) it")
    if problems:
        raise SchemaError("; ".join(problems))
    return found


def _members(layout: Layout, above: tuple[str, ...], stem: str, problems: list[str]) -> Iterator[Member]:
    for name, below in stems(layout.fields, stem).items():
        one, path = layout.fields[name], (*above, name)
        if one.nested:
            yield from _members(one, path, below, problems)
        elif one.kind == "object" or (one.kind == "bytes" and one.shape):
            what = "pickled objects are" if one.kind == "object" else "arrays of bytes are"
            problems.append(f"column {'.'.join(path)!r}: {what} nothing that shards hold: drop(...) it")
        else:
            ending, encode = _encoding(one)
            yield Member(f"{below}.{ending}", path, encode)


def _encoding(layout: Layout) -> tuple[str, Callable[[Mapped, int, int], Iterator[bytes]]]:
    if layout.kind == "bytes":
        return "bin", _texts
    if layout.kind == "string":
        return ("json", _lists) if layout.shape else ("txt", _texts)
    if layout.kind == "dense" and not layout.shape:
        kind = layout.dtype.lstrip("<>=|")
        if kind.startswith(("int", "uint")) or kind[:1] in ("i", "u"):
            return "cls", _integers
        if kind.startswith("U"):
            return "txt", _words
    return ("npy", _ragged) if layout.kind == "ragged" else ("npy", _arrays)


def _integers(column: Mapped, start: int, stop: int) -> Iterator[bytes]:
    assert isinstance(column, Dense)
    return (str(value).encode() for value in column.array[start:stop].tolist())


def _words(column: Mapped, start: int, stop: int) -> Iterator[bytes]:
    assert isinstance(column, Dense)
    return (_utf8(value) for value in column.array[start:stop].tolist())


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise SchemaError(f"a string is no Unicode text ({error}): mend it with map(...)") from error


def _texts(column: Mapped, start: int, stop: int) -> Iterator[bytes]:
    assert isinstance(column, Text)
    is_text = column.layout.kind == "string"
    for begin, end in pairwise(column.offsets[start : stop + 1].tolist()):
        content = column.values[begin:end].tobytes()
        if is_text:
            _utf8(content.decode("utf-8", "surrogatepass"))
        yield content


def _lists(column: Mapped, start: int, stop: int) -> Iterator[bytes]:
    rows = column.take(np.arange(start, stop))
    assert isinstance(rows, np.ndarray)
    return (json.dumps(row.tolist()).encode() for row in rows)


def _arrays(column: Mapped, start: int, stop: int) -> Iterator[bytes]:
    assert isinstance(column, Dense | Tensors)
    array = column.array[start:stop]
    array = widened(array) if isinstance(column, Tensors) and column.bits else array
    return map(_npy, array) if array.ndim > 1 else (_npy(np.asarray(array[at])) for at in range(len(array)))


def _ragged(column: Mapped, start: int, stop: int) -> Iterator[bytes]:
    assert isinstance(column, Uneven)
    values = column.ragged.values
    return (_npy(values[begin:end]) for begin, end in pairwise(column.ragged.offsets[start : stop + 1].tolist()))


def _npy(array: NDArray[Any]) -> bytes:
    return _header(array.dtype, array.shape) + array.tobytes()


@lru_cache(1 << 10)
def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    said = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, said)
    return header.getvalue()


def write(
    folder: Path,
    name: str,
    members: Iterable[Member],
    blocks: Iterable[tuple[Table, int, int]],
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write records into shards ``<name>-000000.tar``, ...; they are on disk when this returns.

    Args:
        folder: Of the shards, empty.
        name: Before their numbers.
        members: What columns become.
        blocks: The records: rows of tables, from one up to another.
        shard_bytes: The most bytes of a shard.
    """
    shards = _Shards(folder, name, shard_bytes)
    try:
        shards.next()
        suffixes = [member.suffix for member in members]
        number = 0
        for table, start, stop in blocks:
            columns = [member.contents(table, start, stop) for member in members]
            for contents in zip(*columns, strict=True):
                shards.add([(f"{number:0{_DIGITS}d}.{end}", one) for end, one in zip(suffixes, contents, strict=True)])
                number += 1
    finally:
        shards.close()


class _Shards:
    """Tar files, one after the other; nothing of what was written is kept in memory."""

    def __init__(self, folder: Path, name: str, limit: int) -> None:
        self._place = folder / name
        self._limit = limit
        self._count = 0
        self._size = 0  # with the end that every shard has
        self._file: BinaryIO | None = None

    def next(self) -> None:
        """Close the shard, and begin another."""
        self.close()
        self._file = open(f"{self._place}-{self._count:06d}.tar", "xb", 1 << 20)
        self._count += 1
        self._size = tarfile.RECORDSIZE

    def add(self, files: list[tuple[str, bytes]]) -> None:
        """Add the members of a record, to the next shard if they do not fit into this one."""
        members = [piece for name, content in files for piece in (_head(name, len(content)), content, _rest(content))]
        size = sum(map(len, members))
        if self._size + size > self._limit and self._size > tarfile.RECORDSIZE:
            self.next()
        self._size += size
        assert self._file is not None
        self._file.writelines(members)

    def close(self) -> None:
        """Bring the shard to disk."""
        file, self._file = self._file, None
        if file is not None:
            with file:
                written = file.tell()
                end = -(-(written + 2 * _BLOCK) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE
                file.write(bytes(end - written))
                file.flush()
                os.fsync(file.fileno())


def _head(name: str, size: int) -> bytes:
    said = tarfile.TarInfo(name)  # owners 0, time 0
    said.size = size
    return said.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _rest(content: bytes) -> bytes:
    """Return what fills a member up to whole blocks."""
    return bytes(-len(content) % _BLOCK)
