"""Pieces of files, compressed: each for itself, so that pieces can be fetched and unpacked side by side."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from headrace.core.errors import ArgumentError, DamageError, MissingExtraError

Codec: TypeAlias = Literal["zstd"]
"""How pieces may be compressed."""

SUFFIXES: dict[str, str] = {"zstd": "zst"}
"""What is put behind the names of files that are packed."""

_LEVEL = 3  # of zstd: about 400 MB/s a core; higher ones win little on what arrays hold


def checked(codec: Any) -> Codec | None:
    """Return a codec that a user named.

    Raises:
        ArgumentError: There is no such codec.
        MissingExtraError: What it needs is not installed.
    """
    if codec is None:
        return None
    if codec not in get_args(Codec):
        raise ArgumentError(f"compression must be None or 'zstd', got {codec!r}")
    _zstd()
    return "zstd"


def pack(codec: Codec, content: bytes | memoryview) -> bytes:
    """Return a piece packed.

    >>> unpack("zstd", pack("zstd", bytes(1000)), 1000, "here") == bytes(1000), len(pack("zstd", bytes(1000))) < 50
    (True, True)
    """
    return _zstd().pack(content)


def unpack(codec: str, content: bytes | memoryview, size: int, where: str) -> bytes:
    """Return a piece as it was.

    Args:
        codec: That it was packed with.
        content: What lies there.
        size: How many bytes it had.
        where: It lies, for the message.

    Raises:
        DamageError: It cannot be unpacked, or is of another size.
        MissingExtraError: What that needs is not installed.
    """
    if codec not in SUFFIXES:
        raise DamageError(f"{where} is packed by {codec!r}, which this version of Headrace does not know: upgrade it")
    zstd = _zstd()
    try:
        unpacked = zstd.unpack(content, size + 1)
    except zstd.errors as error:
        raise DamageError(f"{where} is damaged: a piece of it cannot be unpacked ({error})") from error
    if len(unpacked) != size:
        raise DamageError(f"{where} is damaged: a piece of it has {len(unpacked)} bytes unpacked, expected {size}")
    return unpacked


class _Zstd(NamedTuple):
    """What is needed of a library for Zstandard."""

    pack: Callable[[bytes | memoryview], bytes]
    unpack: Callable[[bytes | memoryview, int], bytes]  # at most so many bytes, of all frames
    errors: tuple[type[Exception], ...]


def _zstd() -> _Zstd:
    try:
        import zstandard
    except ImportError as error:
        if sys.version_info >= (3, 14):
            return _standard()
        raise MissingExtraError.of("zstandard", "zstd", "compression='zstd'") from error

    def pack(content: bytes | memoryview) -> bytes:
        packed: bytes = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
        return packed

    def unpack(content: bytes | memoryview, most: int) -> bytes:
        # A reader takes what is asked for, and not the memory that a damaged frame says it needs.
        with zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True) as reader:
            unpacked: bytes = reader.read(most)
        return unpacked

    return _Zstd(pack, unpack, (zstandard.ZstdError,))


if sys.version_info >= (3, 14):

    def _standard() -> _Zstd:
        """Return what Python itself has."""
        from compression import zstd

        def unpack(content: bytes | memoryview, most: int) -> bytes:
            with zstd.ZstdFile(io.BytesIO(content)) as reader:
                return reader.read(most)

        return _Zstd(lambda content: zstd.compress(content, _LEVEL), unpack, (zstd.ZstdError, EOFError))
