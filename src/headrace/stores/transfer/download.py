"""A part from a remote place into a folder or into memory: pieces side by side, each file checked."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, wait
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from headrace.core.errors import DamageError, NotFoundError
from headrace.stores.backends.protocol import Backend
from headrace.stores.files import File
from headrace.stores.manifest import Part
from headrace.stores.packing import unpack
from headrace.stores.sums import PIECE, FileSum, join
from headrace.stores.transfer.pieces import Piece, pieces

Bytes: TypeAlias = bytes | memoryview
Write: TypeAlias = Callable[[int, Bytes], object]  # at an offset of the file
Told: TypeAlias = Callable[[int], object]  # of bytes that have come, from several threads

_AHEAD = 8  # pieces of a part that are asked for at once: as many are in memory
_ALIGNED = 16  # bytes: the widest numbers of NumPy are read from such addresses


def download(backend: Backend, part: Part, into: Path, pool: Executor, told: Told | None = None) -> None:
    """Fetch the files of a part into a folder.

    A file that is not what was written is fetched once more, since most such faults are of the way. What then lies in
    the folder is checked, but not yet safe from a power cut.

    Args:
        backend: The place.
        part: What is wanted.
        into: The folder, which is there and holds none of the files.
        pool: Where pieces are fetched and checked; not the one that runs this function.
        told: Called with the number of bytes that have come since the last call.

    Raises:
        DamageError: Files are not there, or are not what was written; all of them are named.
        MissingExtraError: A file is packed, and Zstandard is not installed.
        StoreError: The place cannot be read.
        OSError: The folder cannot be written to: it is full, for example.
    """
    for name in part.files:
        if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise DamageError(f"part {part.digest} has a file {name!r}, which would lie elsewhere")
    fetch(
        backend,
        {File.of(part, name): _telling(_writing(into / name, sum.bytes), told) for name, sum in part.files.items()},
        pool,
    )


def load(backend: Backend, part: Part, pool: Executor) -> dict[str, memoryview]:
    """Fetch the files of a part into memory; what lies in memory already is taken as it lies there.

    Args:
        backend: The place.
        part: What is wanted.
        pool: Where pieces are fetched and checked; not the one that runs this function.

    Returns:
        The content of each file, read-only.

    Raises:
        DamageError: Files are not there, or are not what was written; all of them are named.
        MissingExtraError: A file is packed, and Zstandard is not installed.
        StoreError: The place cannot be read.
    """
    files = {name: File.of(part, name) for name in part.files}
    found = dict(_lying(backend, files)) if backend.url.startswith("memory:") else {}
    made = {name: np.empty(sum.bytes, np.uint8) for name, sum in part.files.items() if name not in found}
    fetch(backend, {files[name]: _copying(array.data) for name, array in made.items()}, pool)
    return {name: found[name] if name in found else made[name].data.toreadonly() for name in part.files}


def fetch(backend: Backend, files: Mapping[File, Write], pool: Executor) -> None:
    """Fetch files and hand their pieces to whoever takes them, in any order and from several threads.

    Raises:
        DamageError: Files are not there, or are not what was written, the second time too; all of them are named.
    """
    bad = dict(_fetched(backend, {file: list(pieces(file)) for file in files}, files, pool))
    if bad:
        bad = dict(_fetched(backend, {file: _again(backend, file) for file in bad}, files, pool))
    if bad:
        raise DamageError("; ".join(f"{backend.url}/{file.key} {problem}" for file, problem in bad.items()))


def _again(backend: Backend, file: File) -> list[Piece]:
    """Return the pieces of the second try: one, where another zstd packed the object again, with other frames."""
    entry = backend.look(file.key) if file.packed is not None else None
    if entry is None or entry.size == file.size:
        return list(pieces(file))
    return [Piece(0, file.sum.bytes, 0, entry.size)]


def _fetched(
    backend: Backend, files: Mapping[File, list[Piece]], writes: Mapping[File, Write], pool: Executor
) -> Iterator[tuple[File, str]]:
    """Fetch files side by side; yield those that are not what was written, and what is wrong with them."""
    running: deque[tuple[File, Future[_Came]]] = deque()
    came: dict[File, list[_Came]] = {file: [] for file in files}

    def settled() -> Iterator[tuple[File, str]]:
        file, future = running.popleft()
        came[file].append(future.result())
        if len(came[file]) == len(files[file]):
            problem = _problem(file, came.pop(file))
            if problem:
                yield file, problem

    try:
        for file, wanted in files.items():
            for piece in wanted:
                if len(running) >= _AHEAD:
                    yield from settled()
                running.append((file, pool.submit(_fetch_piece, backend, file, piece, writes[file])))
        while running:
            yield from settled()
    finally:  # nobody may write any more when the folder is cleared
        for _, future in running:
            future.cancel()
        wait([future for _, future in running])


class _Came(NamedTuple):
    """What came of a piece: the sums of each 8 MiB of it, or what is wrong with it."""

    digests: list[bytes]
    problem: str = ""


def _fetch_piece(backend: Backend, file: File, piece: Piece, write: Write) -> _Came:
    try:
        content: Bytes = backend.get(file.key, piece.start, piece.stop) if piece.stop > piece.start else b""
    except NotFoundError:
        return _Came([], "is missing")
    if len(content) != piece.stop - piece.start:
        return _Came([], f"is cut: {len(content)} of {piece.stop - piece.start} bytes lie at {piece.start}")
    if file.packed is not None:
        try:
            content = unpack(file.packed.codec, content, piece.size, f"what lies at {piece.start}")
        except DamageError as error:
            return _Came([], f"is damaged: {error}")
    view = memoryview(content)
    digests = [hashlib.sha256(view[at : at + PIECE]).digest() for at in range(0, max(1, len(view)), PIECE)]
    write(piece.offset, view)
    return _Came(digests)


def _problem(file: File, came: list[_Came]) -> str:
    for one in came:
        if one.problem:
            return one.problem
    found = join(digest for one in came for digest in one.digests)
    if found == file.sum.sha256:
        return ""
    return f"is damaged: {file.sum.bytes} bytes with the sum {found}, expected {file.sum.sha256}"


def _lying(backend: Backend, files: Mapping[str, File]) -> Iterator[tuple[str, memoryview]]:
    """Yield the content of files that lie in memory as they are, and are what was written."""
    for name, file in files.items():
        if file.packed is None:
            try:
                content = memoryview(backend.get(file.key)).cast("B").toreadonly()
            except NotFoundError:  # told by who looks again
                continue
            if sum_of(content) == file.sum and np.frombuffer(content, np.uint8).ctypes.data % _ALIGNED == 0:
                yield name, content


def sum_of(content: Bytes) -> FileSum:
    """Return the size and the sum of a file's content."""
    view = memoryview(content)
    starts = range(0, max(1, len(view)), PIECE)
    return FileSum(len(view), join(hashlib.sha256(view[at : at + PIECE]).digest() for at in starts))


def _writing(path: Path, size: int) -> Write:
    """Return what writes pieces of a file; one that has its size from the beginning takes them a quarter faster."""

    def write(offset: int, content: Bytes) -> None:
        file = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666
        )  # a part may have more files than one may open
        try:
            os.ftruncate(file, size)
            rest = memoryview(content)
            while rest:
                written = os.pwrite(file, rest, offset)
                rest, offset = rest[written:], offset + written
        finally:
            os.close(file)

    return write


def _telling(write: Write, told: Told | None) -> Write:
    if told is None:
        return write

    def writing(offset: int, content: Bytes) -> None:
        write(offset, content)
        told(len(content))

    return writing


def _copying(target: memoryview) -> Write:
    def write(offset: int, content: Bytes) -> None:
        target[offset : offset + len(content)] = content

    return write
