"""Patches out of arrays: windows of one array, or pieces of windows out of chunks, copied straight into a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.gathering.chunks import Chunks, Grid
from headrace.cubes.gathering.copying import Windows
from headrace.cubes.gathering.cut import Cut
from headrace.cubes.gathering.table import Job, jobs

FEW = 64
"""How many windows are looked at one by one; of more, those that share a chunk are copied together."""

SHARED = 4
"""How many windows in one chunk are worth a view of all its windows."""

_NONE = np.empty(0, np.int64)


def gather(cut: Cut, starts: Indices, out: NDArray[Any], chunks: Chunks, fill: Any) -> None:
    """Write the patches of a variable.

    Args:
        cut: How windows cut it.
        starts: Where they begin in all dimensions of the cube, ``(n, dimensions)``.
        out: Where to: C-contiguous, ``(n, *shape of a patch)``; all of it is written.
        chunks: Those that were read.
        fill: What fills windows up past an end, where they are not mirrored there.

    Raises:
        StoreError: A chunk cannot be read; the message names the variable and the chunk.
    """
    begins = starts if len(cut.places) == starts.shape[1] else starts[:, list(cut.places)]
    windows = out.reshape((len(out), *cut.sizes))
    border = (~cut.inside(begins)).nonzero()[0] if cut.padded else _NONE
    if len(border) and not cut.reflect:
        windows[border] = fill
    if cut.grid is None:
        _from_array(cut, begins, windows, border)
    else:
        _from_chunks(cut, cut.grid, begins, windows, border, chunks)


def _from_array(cut: Cut, begins: Indices, out: NDArray[Any], border: Indices) -> None:
    windows = cut.windows if out.dtype == cut.variable.dtype else Windows(cut.array, cut.sizes, cut.steps, out.dtype)
    if not len(border):
        windows.copy(begins, out)
        return
    within = np.ones(len(begins), np.bool_)
    within[border] = False
    rows = within.nonzero()[0]
    windows.copy(begins[rows], out, rows)
    for pieces in jobs(cut.tables, begins[border], border.tolist()).values():
        _copy(cut.array, pieces, out)


def _copy(array: NDArray[Any], pieces: list[Job], out: NDArray[Any]) -> None:
    for target, source in pieces:
        out[target] = array[source]


# Out of chunks


@dataclass(frozen=True, eq=False)
class Together:
    """Windows of which each lies in one chunk whole, sorted by chunk.

    Args:
        cut: How windows cut the variable.
        numbers: Of the chunk of each, ascending.
        rows: Which windows they are.
        begins: Where each begins in its chunk.
    """

    cut: Cut
    numbers: Indices
    rows: Indices
    begins: Indices

    @classmethod
    def of(cls, cut: Cut, begins: Indices, border: Indices) -> Together:
        """Return those of some windows, as far as several lie in the same chunk.

        Args:
            cut: How windows cut the variable.
            begins: Where windows begin.
            border: Which of them run past an end.
        """
        first = cut.layout.at(begins)
        alone = (first == cut.layout.at(begins + cut.reach)).all(1)
        alone[border] = False
        rows = alone.nonzero()[0]
        places = first[rows]
        numbers = cut.layout.numbers(places)
        order = numbers.argsort(kind="stable")
        each = np.diff(np.append((new := _begins(numbers[order])).nonzero()[0], len(order)))
        order = order[np.repeat(each, each) >= SHARED] if len(new) else order
        rows = rows[order]
        return cls(cut, numbers[order], rows, begins[rows] - cut.layout.edge(places[order]))

    def by_chunk(self) -> Iterator[tuple[int, slice]]:
        """Give chunks' numbers, and which windows lie in each."""
        first = _begins(self.numbers).nonzero()[0]
        ends = [*first.tolist()[1:], len(self.numbers)]
        for number, begin, end in zip(self.numbers[first].tolist(), first.tolist(), ends, strict=False):
            yield number, slice(begin, end)

    def copy(self, array: NDArray[Any], here: slice, out: NDArray[Any]) -> None:
        """Copy those that lie in one chunk."""
        windows = Windows(array, self.cut.sizes, self.cut.steps, out.dtype)
        windows.copy(self.begins[here], out, self.rows[here])


def _begins(ascending: Indices) -> NDArray[np.bool_]:
    """Say which numbers differ from the one before."""
    new = np.ones(len(ascending), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return new


def _from_chunks(cut: Cut, grid: Grid, begins: Indices, out: NDArray[Any], border: Indices, chunks: Chunks) -> None:
    together: dict[int, slice] = {}
    if len(begins) <= FEW:
        pieces = jobs(cut.tables, begins, range(len(begins)))
    else:
        shared = Together.of(cut, begins, border)
        together = dict(shared.by_chunk())
        single = np.ones(len(begins), np.bool_)
        single[shared.rows] = False
        rows = single.nonzero()[0]
        pieces = jobs(cut.tables, begins[rows], rows.tolist())
    wanted = sorted({*pieces, *together})
    turned = cut.order != tuple(range(len(cut.order)))

    def copy(number: int, array: NDArray[Any]) -> None:
        if turned:
            array = array.transpose(cut.order)
        if number in together:
            shared.copy(array, together[number], out)
        _copy(array, pieces.get(number, []), out)

    for places, arrays in chunks.each(cut.variable, grid, np.array(wanted, np.int64)):
        while arrays:  # none is held here any longer while the next ones are read
            copy(wanted[places.pop()], arrays.pop())
