"""One file of a part, where it is kept: its key, and its pieces as they were before they were packed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from headrace.stores.backends.protocol import Backend
from headrace.stores.catalog import OBJECTS
from headrace.stores.manifest import Packed, Part
from headrace.stores.packing import unpack
from headrace.stores.sums import PIECE, FileSum


@dataclass(frozen=True)
class File:
    """A file of a part.

    Args:
        key: Of the object that holds it.
        sum: Its size and sum, unpacked.
        packed: How it is packed; None where it lies there as it is.
    """

    key: str
    sum: FileSum
    packed: Packed | None = None

    @classmethod
    def of(cls, part: Part, name: str) -> File:
        """Return what is known of a part's file."""
        packed = part.packed.get(name)
        suffix = "" if packed is None else f".{packed.suffix}"
        return cls(f"{OBJECTS}{part.digest}/{name}{suffix}", part.files[name], packed)

    @property
    def size(self) -> int:
        """How many bytes the object has."""
        return self.sum.bytes if self.packed is None else self.packed.bytes

    def read(self, backend: Backend, piece: int) -> bytes | memoryview:
        """Return a piece of 8 MiB, unpacked; the last one is what is left.

        Raises:
            StoreError: It cannot be read, or not be unpacked.
        """
        if self.packed is None:
            return backend.get(self.key, piece * PIECE, min((piece + 1) * PIECE, self.sum.bytes))
        start = sum(self.packed.frames[:piece])
        frame = backend.get(self.key, start, start + self.packed.frames[piece])
        return unpack(self.packed.codec, frame, min(PIECE, self.sum.bytes - piece * PIECE), f"{backend.url}/{self.key}")

    def digest_of(self, backend: Backend, piece: int) -> bytes:
        """Read a piece and return its SHA-256."""
        return hashlib.sha256(self.read(backend, piece)).digest()
