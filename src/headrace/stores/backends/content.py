"""What is written: bytes, or a file that holds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.core.errors import StoreError
from headrace.stores.backends.protocol import Content


def size_of(content: Content) -> int:
    """Return how many bytes there are.

    >>> size_of(b"four")
    4
    """
    if isinstance(content, Path):
        with sending(content):
            return content.stat().st_size
    return memoryview(content).nbytes


def whole(content: Content) -> bytes | memoryview:
    """Return the bytes: those in memory as they are, without a copy."""
    if isinstance(content, Path):
        with sending(content):
            return content.read_bytes()
    return content if isinstance(content, bytes) else memoryview(content).cast("B")


@contextmanager
def sending(path: Path) -> Iterator[None]:
    """Say of a file that cannot be read that it is the one to be written, not the one to be written to."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot read {path}, which was to be written: {error.strerror or error}") from error
