"""Records of many arrays at once: what lies in a row is copied in a row, however the turns went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.records import Columns
from headrace.core.schema import Structure
from headrace.core.source import Indices
from headrace.nodes.leaf import Leaf
from headrace.nodes.node import Context

_PLACES = 40  # bits of a position in the key that records are sorted by


@dataclass(frozen=True, eq=False)
class Runs:
    """Arrays of the same columns, dtypes and row shapes, that lie in memory or are mapped.

    A stream that is gone through gives its records in a row, so in a batch of many streams most of them are some
    slices: joining these by one call, and taking the rows from there in the order of the turns, costs a tenth of a
    gather from each array.

    Args:
        leaf: One of the sources.
        columns: By name, the arrays of all.
        begins: Where each begins in its arrays, int64.
        structure: What a record is.
    """

    leaf: Leaf
    columns: dict[str, tuple[NDArray[Any], ...]]
    begins: Indices
    structure: Structure

    @classmethod
    def of(cls, slices: Sequence[tuple[Leaf, int, int]]) -> Runs | None:
        """Make one of slices of sources, of each its begin and step; None where they are not alike.

        Whatever a source refuses to tell shows when it is read.
        """
        kinds = set()
        batches: list[Batch] = []
        for leaf, _, step in slices:
            batch = leaf.columns
            if batch is None or step != 1:
                return None
            kinds.add((leaf.structure, tuple(map(_kind, batch.items()))))
            batches.append(batch)
        if len(kinds) != 1 or any(kind[1] is None for kind in next(iter(kinds))[1]):
            return None
        names = list(batches[0].keys())
        columns = {name: tuple(batch._columns[name] for batch in batches) for name in names}
        begins = np.array([begin for _, begin, _ in slices], np.int64)
        return cls(slices[0][0], columns, begins, slices[0][0].structure)

    def read(self, numbers: Indices, positions: Indices, context: Context) -> Columns:
        """Return records by the number of their source and their position in it, the caller's own."""
        began = perf_counter()
        places = positions + self.begins.take(numbers)
        order = np.argsort((numbers << _PLACES) + places)
        numbers, places = numbers.take(order), places.take(order)
        apart = (numbers[1:] != numbers[:-1]) | (places[1:] != places[:-1] + 1)
        first = np.flatnonzero(np.concatenate([[True], apart]))
        last = np.append(first[1:], len(order)) - 1
        runs = list(zip(numbers[first].tolist(), places[first].tolist(), (places[last] + 1).tolist(), strict=True))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        taken: dict[str, Any] = {}
        for name, arrays in self.columns.items():
            pieces = [arrays[number][begin:end] for number, begin, end in runs]
            joined = context.buffers.new((len(order), *pieces[0].shape[1:]), pieces[0].dtype)
            np.concatenate(pieces, out=joined)
            taken[name] = context.buffers.take((id(self), name), joined, back)
        context.lap(self.leaf, "read", len(order), began)
        return Columns(Batch._of(taken, len(order)), self.structure)


def _kind(item: tuple[str, Any]) -> tuple[str, Any]:
    """Return a column's name, dtype and row shape; None for what is no dense array."""
    name, column = item
    if type(column) not in (np.ndarray, np.memmap) or column.dtype.hasobject:
        return name, None
    return name, (column.dtype, column.shape[1:])
