"""Checksums of files, taken in pieces: by several threads at once, and while the file is still growing.

The sum of a file is the SHA-256 of its pieces' SHA-256s, one after the other as 32 bytes each; a piece has 8 MiB, the
last one what is left. A file of one piece has that piece's own sum, which is what ``sha256sum`` prints. Object stores
sum up what is uploaded in parts in the same way ("composite checksums").

A single SHA-256 over a whole file would be bound to one thread, which is slower than a disk takes the bytes; and a
``.npy`` file begins with its length, so that nothing of it could be summed before the last row has come. Here the
length concerns one piece.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import DamageError

PIECE = 8 << 20
"""Bytes of a piece."""

_WORTH_A_THREAD = 1 << 16  # bytes


@dataclass(frozen=True)
class FileSum:
    """A file's size in bytes, and its sum in hexadecimal."""

    bytes: int
    sha256: str


class Summing:
    """Sums up a file while it is written; but for its first piece, which is read at the end.

    Args:
        beside: Where sums are taken beside the writing.
    """

    def __init__(self, beside: Executor) -> None:
        self.size = 0
        self._beside = beside
        self._digests: list[bytes] = []  # of pieces behind the first
        self._hashes: list[Any] = []  # of those that may not be complete

    @classmethod
    def resume(cls, beside: Executor, path: Path, size: int, behind: Sequence[bytes]) -> Summing:
        """Go on with a file that has ``size`` bytes, given the digests of its pieces behind the first.

        Raises:
            DamageError: Its last piece, which is read for this, is another.
        """
        summing = cls(beside)
        summing.size = size
        summing._digests = list(behind)
        number, filled = divmod(size, PIECE)
        if number and filled:
            with open(path, "rb") as file:
                file.seek(number * PIECE)
                last = hashlib.sha256(file.read(filled))
            if last.digest() != summing._digests.pop():
                raise DamageError(f"{path} is not what was written")
            summing._hashes = [last]
        return summing

    @property
    def behind(self) -> list[bytes]:
        """The digests of the pieces behind the first, the last of which may still grow."""
        return [*self._digests, *(piece.digest() for piece in self._hashes)]

    def update(self, content: memoryview) -> list[Future[None]]:
        """Take in what is written next; all that came before must have been waited for.

        Returns:
            What to wait for before the content is changed.
        """
        self._digests += [piece.digest() for piece in self._hashes[:-1]]
        self._hashes = self._hashes[-1:]
        running = []
        while content:
            number, filled = divmod(self.size, PIECE)
            taken, content = content[: PIECE - filled], content[PIECE - filled :]
            self.size += len(taken)
            if number > 0:
                if filled == 0:
                    self._hashes.append(hashlib.sha256())
                if len(taken) < _WORTH_A_THREAD:
                    self._hashes[-1].update(taken)
                else:
                    running.append(self._beside.submit(self._hashes[-1].update, taken))
        return running

    def sum(self, path: Path) -> FileSum:
        """Return the sum of the file, which is complete."""
        return FileSum(self.size, join([digest_of(path, 0), *self.behind]))


def count(size: int) -> int:
    """Return how many pieces a file has."""
    return max(1, -(-size // PIECE))


def digest_of(path: Path, piece: int) -> bytes:
    """Read a piece of a file and return its SHA-256."""
    with open(path, "rb") as file:
        file.seek(piece * PIECE)
        return hashlib.sha256(file.read(PIECE)).digest()


def join(digests: Iterable[bytes]) -> str:
    """Return the sum of a file whose pieces have these SHA-256s.

    >>> join([b"\\x01" * 32])[:4]
    '0101'
    """
    pieces = list(digests)
    return pieces[0].hex() if len(pieces) == 1 else hashlib.sha256(b"".join(pieces)).hexdigest()
