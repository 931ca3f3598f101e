"""Where the records of a source lie: its own blocks, or pieces of what lies at hand. Nothing is read for it."""

from __future__ import annotations

import numpy as np

from headrace.core.errors import ArgumentError
from headrace.core.runs import Runs
from headrace.core.schema import Field, Schema
from headrace.core.sizes import nbytes_of
from headrace.nodes.leaf import Leaf

PIECE = 4 << 20
"""Bytes of a block where records lie in memory, or in one mapped file: read ahead by any system, and few to list."""

FEWEST = 512
"""How many blocks there are there at least, as far as there are records."""


GUESSED = 1000
"""Bytes of a record of which nothing tells its size, and which is fetched by itself."""


def blocks_of(leaf: Leaf, empty: bool = False) -> Runs | None:
    """Return the blocks that a source says it has, with those that are empty or without; None where it says nothing.

    Raises:
        ArgumentError: What it says cannot be.
    """
    give = getattr(leaf.source, "blocks", None)
    said = None if give is None else give()
    if said is None:
        return None
    try:
        starts, nbytes = said
        return Runs.of(starts, nbytes, leaf.length, getattr(leaf.source, "expect", None) is not None, empty)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"{leaf.words()}: blocks() must return two arrays of whole numbers, where each block begins and how many "
            f"bytes it has: {error}"
        ) from error


def runs_of_leaf(leaf: Leaf, most: int = PIECE) -> Runs:
    """Return which records of a source lie together, where they lie in the order of their numbers.

    Args:
        leaf: The source.
        most: How many bytes a block has at most, where it has none of its own.

    Raises:
        ArgumentError: What it says of its blocks cannot be.
    """
    known = blocks_of(leaf)
    if known is not None:
        return known
    nbytes = _nbytes(leaf)
    whole = Runs.of([0] if leaf.length else [], [nbytes] if leaf.length else [], leaf.length, False)
    each = min(leaf.length * most // max(nbytes, 1), leaf.length // FEWEST)
    return whole.cut(max(1, each)) if len(whole) else whole


def _nbytes(leaf: Leaf) -> int:
    """Return how many bytes the records of a source have, as far as that is known without reading."""
    if leaf.columns is not None:
        return nbytes_of(leaf.columns)
    schema = leaf.schema()
    size = None if schema is None else _size(schema)
    return (GUESSED if size is None else size) * leaf.length


def _size(known: Schema | Field) -> int | None:
    """Return how many bytes a record, or a field of it, takes; None where records differ."""
    if isinstance(known, Schema) or known.kind in ("batch", "tuple"):
        sizes = [_size(one) for one in known.fields.values()]
        return None if None in sizes else sum(size for size in sizes if size is not None)
    if known.kind not in ("dense", "tensor") or None in known.shape:
        return None
    try:
        item = np.dtype(known.dtype.rpartition(".")[2]).itemsize
    except TypeError:
        return None
    return item * int(np.prod([size or 0 for size in known.shape], dtype=np.int64))
