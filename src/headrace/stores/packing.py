"""Pieces of files, compressed: each for itself, so that pieces can be fetched and unpacked side by side."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

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
    packed: bytes = _zstd().ZstdCompressor(level=_LEVEL).compress(content)
    return packed


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
        # A reader takes what is asked for, and not the memory that a damaged frame says it needs; and all frames.
        with zstd.ZstdDecompressor().stream_reader(content, read_across_frames=True) as reader:
            unpacked: bytes = reader.read(size + 1)
    except zstd.ZstdError as error:
        raise DamageError(f"{where} is damaged: a piece of it cannot be unpacked ({error})") from error
    if len(unpacked) != size:
        raise DamageError(f"{where} is damaged: a piece of it has {len(unpacked)} bytes unpacked, expected {size}")
    return unpacked


def _zstd() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtraError.of("zstandard", "zstd", "compression='zstd'") from error
    return zstandard
