"""In which pieces a file travels, and where each lies in the object that keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple

from headrace.stores.files import File
from headrace.stores.sums import PIECE, count


class Piece(NamedTuple):
    """A piece of a file.

    Args:
        offset: Where it begins in the file.
        size: How many bytes it has there.
        start: Where it begins in the object.
        stop: Where it ends in the object.
    """

    offset: int
    size: int
    start: int
    stop: int


def pieces(file: File) -> Iterator[Piece]:
    """Yield the pieces of a file, in order.

    >>> from headrace.stores.manifest import Packed
    >>> from headrace.stores.sums import FileSum
    >>> [tuple(piece) for piece in pieces(File("a.zst", FileSum(9_000_000, ""), Packed("zstd", (100, 7))))]
    [(0, 8388608, 0, 100), (8388608, 611392, 100, 107)]
    """
    sizes = [min(PIECE, file.sum.bytes - number * PIECE) for number in range(count(file.sum.bytes))]
    bounds = pairwise(accumulate(sizes if file.packed is None else file.packed.frames, initial=0))
    for number, (size, (start, stop)) in enumerate(zip(sizes, bounds, strict=False)):
        yield Piece(number * PIECE, size, start, stop)
