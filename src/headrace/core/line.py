"""The runs of one epoch in random order, end to end, cut into lanes and these into windows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from headrace.core.runs import Runs
from headrace.core.source import Indices

_BALANCED = 64  # windows in a lane; of more, a last one that is small is a small share


class Line(NamedTuple):
    """Where everything lies in one epoch.

    Args:
        runs: Which run lies where: their numbers in the order laid, int64 ``(k,)``.
        starts: Where each begins in the line, int64 ``(k,)``.
        windows: Where each window begins in the line, and the line's end, int64 ``(windows + 1,)``.
        places: The number of the place that each run has in the line, int64 ``(k,)``: the inverse of ``runs``.
    """

    runs: Indices
    starts: Indices
    windows: Indices
    places: Indices

    @classmethod
    def laid(cls, runs: Runs, order: Indices, lanes: int, room: int | None) -> Line:
        """Lay runs in a given order.

        Args:
            runs: What is laid.
            order: Their numbers, int64 ``(k,)``.
            lanes: Into how many lanes the line is cut.
            room: How many bytes the runs of a window may have; None: each lane is one window.
        """
        ends = np.cumsum(runs.lengths[order])
        starts = ends - runs.lengths[order]
        borders = lane_starts(runs.length, lanes)
        if room is None:
            begins = borders[:-1]
        else:
            windows = _windows(starts, ends, np.cumsum(runs.nbytes[order]), borders, room)
            begins = np.fromiter(windows, np.int64)
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return cls(order, starts, np.append(np.unique(begins), runs.length), places)

    def packed(self) -> Indices:
        """Return everything as one array."""
        sizes = np.array([len(self.runs)], np.int64)
        packed = np.concatenate([sizes, self.runs, self.starts, self.places, self.windows])
        packed.flags.writeable = False
        return packed

    @classmethod
    def unpacked(cls, packed: Indices) -> Line:
        """Return what ``packed`` gave, as views."""
        count = int(packed[0])
        return cls(
            packed[1 : count + 1],
            packed[count + 1 : 2 * count + 1],
            packed[3 * count + 1 :],
            packed[2 * count + 1 : 3 * count + 1],
        )


def lane_starts(length: int, lanes: int) -> Indices:
    """Return where each lane begins in the line, and the end: lanes differ by one position, the longer ones first."""
    each, more = divmod(length, lanes)
    numbers = np.arange(lanes + 1, dtype=np.int64)
    return numbers * each + np.minimum(numbers, more)


def _windows(starts: Indices, ends: Indices, sums: Indices, borders: Indices, room: int) -> Iterator[int]:
    """Give where windows begin: each holds whole runs, but for those that a lane's border cuts."""
    laid = sums.tolist()
    for begin, end in zip(borders.tolist(), borders[1:].tolist()):
        if begin == end:
            continue
        first, last = int(ends.searchsorted(begin, "right")), int(starts.searchsorted(end, "left"))
        yield begin
        for place in _cuts(laid, first, last, room)[1:]:
            yield int(starts[place])


def _cuts(sums: list[int], first: int, last: int, room: int) -> list[int]:
    """Return the runs with which windows begin: as few windows as fit, and these as alike as that allows."""
    cuts = _filled(sums, first, last, room)
    if not 1 < len(cuts) <= _BALANCED:
        return cuts
    low, high = (sums[last - 1] - (sums[first - 1] if first else 0)) // len(cuts), room
    while low < high:
        middle = (low + high) // 2
        tried = _filled(sums, first, last, middle)
        if len(tried) == len(cuts) and _fits(sums, tried, last, middle):
            cuts, high = tried, middle
        else:
            low = middle + 1
    return cuts


def _filled(sums: list[int], first: int, last: int, room: int) -> list[int]:
    """Fill one window after the other; one takes a run at least."""
    cuts = []
    while first < last:
        cuts.append(first)
        full = (sums[first - 1] if first else 0) + room
        first = max(first + 1, bisect_right(sums, full, first, last))
    return cuts


def _fits(sums: list[int], cuts: list[int], last: int, room: int) -> bool:
    ends = [*cuts[1:], last]
    return all(sums[end - 1] - (sums[cut - 1] if cut else 0) <= room for cut, end in zip(cuts, ends))
