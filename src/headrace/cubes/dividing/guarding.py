"""Guard bands: which elements of a divided cube lie too near to another part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices

Parts = NDArray[np.int16]
"""The part of each cell, -1 where it is of none."""

_CELLS = 1 << 20  # looked at in one go


def refined(edges: Indices, guard: int) -> Indices:
    """Return where cells begin once those that a band cuts are cut there, and the dimension's length at the end.

    A band lies half on each side of a border, the larger half behind it.

    >>> refined(np.array([0, 10, 20]), guard=3).tolist()
    [0, 9, 10, 12, 20]
    """
    inner, length = edges[1:-1], int(edges[-1])
    found = np.concatenate(
        [edges, np.clip(inner - guard // 2, 0, length), np.clip(inner + guard - guard // 2, 0, length)]
    )
    return np.unique(found)


def cells_of(fine: Indices, edges: Indices) -> Indices:
    """Return in which of the cells with some edges each cell of finer ones lies."""
    found: Indices = np.searchsorted(edges, fine[:-1], "right") - 1
    return found


def free(parts: Parts, edges: Sequence[Indices], guards: Sequence[int]) -> Parts:
    """Return the parts of those cells that lie in no band, and -1 for the others: a new array.

    Along each dimension with a guard, two cells of different parts on one line with none of another part between
    them are moved apart until there are ``guard`` elements between them: half of what lacks is taken from each, the
    larger half from the second. Elements of no part between them count as distance.

    Args:
        parts: Of cells.
        edges: Of the cells along each dimension, so fine that no band cuts a cell; see :func:`refined`.
        guards: Of each dimension.
    """
    found = parts.copy()
    for place, (ends, guard) in enumerate(zip(edges, guards, strict=True)):
        if not guard:
            continue
        lines = np.moveaxis(parts, place, -1)
        banded = np.moveaxis(found, place, -1)
        flat = lines.reshape(-1, lines.shape[-1])
        near = np.empty(flat.shape, bool)
        step = max(1, _CELLS // flat.shape[1])
        for first in range(0, len(flat), step):
            near[first : first + step] = _near(flat[first : first + step], ends, guard)
        banded[near.reshape(lines.shape)] = -1
    return found


def _near(lines: Parts, edges: Indices, guard: int) -> NDArray[np.bool_]:
    """Return which cells of lines ``(n, cells)`` lie in a band."""
    count = lines.shape[1]
    begins, ends = edges[:-1], edges[1:]
    numbers = np.arange(count)
    labelled = lines >= 0
    here = np.where(labelled, numbers, count)
    following = np.full(lines.shape, count)  # the next cell that is of a part
    following[:, :-1] = np.minimum.accumulate(here[:, ::-1], axis=1)[:, ::-1][:, 1:]
    inside = np.minimum(following, count - 1)
    change = labelled & (following < count) & (np.take_along_axis(lines, inside, axis=1) != lines)
    lacking = np.where(change, np.maximum(guard - (begins[inside] - ends), 0), 0)

    # before a change: the next one at or after each cell says where its band begins
    upcoming = np.minimum.accumulate(np.where(change, numbers, count)[:, ::-1], axis=1)[:, ::-1]
    where_begins = np.take_along_axis(ends - lacking // 2, np.minimum(upcoming, count - 1), axis=1)
    near: NDArray[np.bool_] = labelled & (upcoming < count) & (ends > where_begins)

    # behind a change: the last cell that one leads to, at or before each cell, says where its band ends
    rows, places = np.nonzero(change)
    targets = following[rows, places]
    led = np.full(lines.shape, -1)
    led[rows, targets] = targets
    where_ends = np.zeros(lines.shape, np.int64)
    where_ends[rows, targets] = begins[targets] + (lacking - lacking // 2)[rows, places]
    last = np.maximum.accumulate(led, axis=1)
    behind = np.take_along_axis(where_ends, np.maximum(last, 0), axis=1)
    near |= labelled & (last >= 0) & (begins < behind)
    return near
