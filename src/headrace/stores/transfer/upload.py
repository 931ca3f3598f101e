"""A part from a folder to a remote place."""

from __future__ import annotations

import hashlib
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor, Future, wait
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from headrace.core.errors import DamageError
from headrace.stores.backends.protocol import Backend, Content
from headrace.stores.files import File
from headrace.stores.manifest import Packed, Part
from headrace.stores.packing import Codec, checked, pack
from headrace.stores.sums import PIECE, FileSum, count, join

_Ready: TypeAlias = tuple[str, File, Content]

_WORTH = 0.95  # of its size a file must not exceed packed, or it is kept as it is
_AHEAD = 8  # pieces that are read and packed at once


def upload(
    backend: Backend,
    folder: Path,
    part: Part,
    compression: Codec | None,
    pool: Executor,
    *,
    reuse: bool = False,
    scratch: Path | None = None,
    told: Callable[[int], object] | None = None,
    known: bool = False,
) -> Part:
    """Bring the files of a part to ``objects/<digest>/<file>``, several at once.

    Each file is checked before it is sent, unless it was written just now, so that what is damaged here is never
    published under a good name. A packed file lies under ``<file>.zst``, each 8 MiB of it a frame of its own; one that
    hardly shrinks stays as it is.

    Args:
        backend: The place.
        folder: Where the files lie.
        part: What they are.
        compression: ``"zstd"``, or None to keep them as they are.
        pool: Where pieces are packed and files are sent; not the one that runs this function.
        reuse: Trust the objects that are there already, if their sizes are right, and send the others only.
        scratch: A folder for packed files until they are sent; None for the system's.
        told: Called with the size of each file that is there, unpacked; from several threads.
        known: Take the sums for right: this process has written the files and taken them meanwhile.

    Returns:
        The part, which says how its files are packed.

    Raises:
        DamageError: A file here is not what it was when it was written.
        MissingExtraError: Zstandard is not installed.
        StoreError: The place refuses.
        OSError: A file here cannot be read, or there is no room to pack it.
    """
    codec = checked(compression)
    kept: dict[str, File] = {}
    if reuse:
        there = pool.map(partial(_found, backend, part), part.files)
        kept = {name: file for name, file in zip(part.files, there, strict=True) if file is not None}
        _tell(told, sum(file.sum.bytes for file in kept.values()))
    sending: list[Future[None]] = []
    with tempfile.TemporaryDirectory(prefix="headrace-", dir=scratch) as beside:
        try:
            if known and codec is None:
                ready: Iterator[_Ready] = (
                    (name, File.of(part, name), folder / name) for name in part.files if name not in kept
                )
            else:
                ready = _prepared(folder, part, kept.keys(), codec, Path(beside), pool)
            for name, file, content in ready:
                kept[name] = file
                if reuse and _is_there(backend, file):
                    _tell(told, file.sum.bytes)
                else:
                    sending.append(pool.submit(_send, backend, file, content, told))
            for sent in sending:
                sent.result()
        finally:
            for sent in sending:
                sent.cancel()
            wait(sending)
    packed = {name: kept[name].packed for name in part.files}
    return replace(part, packed={name: one for name, one in packed.items() if one is not None})


def _send(backend: Backend, file: File, content: Content, told: Callable[[int], object] | None) -> None:
    backend.put(file.key, content)
    _tell(told, file.sum.bytes)


def _tell(told: Callable[[int], object] | None, size: int) -> None:
    if told is not None:
        told(size)


def _kept(part: Part, name: str, packed: Packed | None) -> File:
    """Return what is known of a part's file, if it is packed like this."""
    return File.of(replace(part, packed={} if packed is None else {name: packed}), name)


def _found(backend: Backend, part: Part, name: str) -> File | None:
    """Return how a file is kept there already, as far as its size tells."""
    ways = [_kept(part, name, packed) for packed in dict.fromkeys((part.packed.get(name), None))]
    return next((file for file in ways if _is_there(backend, file)), None)


def _is_there(backend: Backend, file: File) -> bool:
    entry = backend.look(file.key)
    return entry is not None and entry.size == file.size


def _prepared(
    folder: Path, part: Part, known: Collection[str], codec: Codec | None, beside: Path, pool: Executor
) -> Iterator[_Ready]:
    """Check files, pack them where that is asked for, and yield each as soon as it can be sent."""
    files = {name: sum for name, sum in part.files.items() if name not in known}
    pieces = _read(folder, files, codec, pool)
    for number, (name, sum) in enumerate(files.items()):
        there = (folder / name).stat().st_size
        scratch, frames, digests = beside / str(number), [], []
        with open(scratch, "xb") as file:
            for digest, frame in islice(pieces, count(sum.bytes)):
                digests.append(digest)
                frames.append(len(frame))
                file.write(frame)
        found = FileSum(there, join(digests))
        if found != sum:
            raise DamageError(
                f"{folder / name} is damaged: {found.bytes} bytes with the sum {found.sha256}, "
                f"expected {sum.bytes} with {sum.sha256}; nothing of it was sent"
            )
        if codec is not None and scratch.stat().st_size <= sum.bytes * _WORTH:
            yield name, _kept(part, name, Packed(codec, tuple(frames))), scratch
        else:
            scratch.unlink()
            yield name, _kept(part, name, None), folder / name


def _read(
    folder: Path, files: Mapping[str, FileSum], codec: Codec | None, pool: Executor
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the digest and the frame of each piece of each file, in order; a few of them are at work."""
    running: deque[Future[tuple[bytes, bytes]]] = deque()
    try:
        for name, sum in files.items():
            for number in range(count(sum.bytes)):
                running.append(pool.submit(_piece, folder / name, number, codec))
                if len(running) >= _AHEAD:
                    yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for piece in running:
            piece.cancel()
        wait(running)


def _piece(path: Path, number: int, codec: Codec | None) -> tuple[bytes, bytes]:
    with open(path, "rb") as file:
        file.seek(number * PIECE)
        content = file.read(PIECE)
    return hashlib.sha256(content).digest(), b"" if codec is None else pack(codec, content)
