"""Columns in memory, or mapped from a file by NumPy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headrace.core import fingerprint
from headrace.core.batch import Batch
from headrace.core.kinds import Nested
from headrace.core.ragged import Ragged
from headrace.core.schema import Structure
from headrace.core.source import Indices
from headrace.core.tensors import is_tensor
from headrace.workers import rebuild
from headrace.workers.work import Place


@dataclass(frozen=True, eq=False)
class Arrays:
    """Equal-length columns as a source. They are not copied: who writes to them changes the dataset.

    Args:
        batch: The columns.
        structure: What one record is.
    """

    batch: Batch
    structure: Structure = "mapping"

    @classmethod
    def of(cls, columns: Mapping[str, Any], structure: Structure = "mapping") -> Arrays:
        """Take arrays, lists, ragged columns, tensors or nested mappings of these as columns.

        Raises:
            SchemaError: The columns differ in length; the message names each length.
            KindError: Something cannot be a column, such as a masked array, whose mask would be lost; it is named.
        """
        return cls(Batch(columns), structure)

    def __len__(self) -> int:
        return len(self.batch)

    def columns(self) -> Batch:
        return self.batch

    def read(self, indices: Indices, /) -> Batch:
        return self.batch.take(indices)

    def share(self, place: Place) -> None:
        """Hold the large columns in memory that processes share, from now on, so that workers need no copies.

        The columns stay equal, in dtype and layout too, and so does the fingerprint. Who keeps the arrays that they
        came from keeps their memory, and changes the dataset no more by writing to them.

        Args:
            place: Returns an equal array in shared memory, or the array itself.
        """
        for name, column in self.batch.items():  # one by one, so that no two copies of all of it are needed
            columns = {**self.batch._columns, name: _placed(column, place)}
            object.__setattr__(self, "batch", type(self.batch)._of(columns, len(self.batch)))

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint.of_record([f"{name} {_digest(column)}" for name, column in self.batch.items()])

    def files(self) -> dict[str, str]:
        """Return size and time of each file that a column is mapped from."""
        stamps = {}
        for path in _paths(self.batch):
            if os.path.exists(path):
                about = os.stat(path)
                stamps[path] = f"{about.st_size}:{about.st_mtime_ns}"
        return stamps

    def words(self) -> str:
        names = list(self.batch.keys())
        if self.structure != "mapping":
            return "array" if self.structure == "value" else f"{len(names)} arrays"
        shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        return f"columns({shown})"


def _placed(column: Any, place: Place) -> Any:
    if isinstance(column, Nested):
        return type(column)._of({name: _placed(one, place) for name, one in column._columns.items()}, len(column))
    if isinstance(column, Ragged):
        values, offsets = column.values, column.offsets
        placed = place(values), place(offsets)
        return column if placed[0] is values and placed[1] is offsets else Ragged._of(*placed)
    if is_tensor(column):
        array = rebuild.array_of(column)
        moved = None if array is None else place(array)
        return column if moved is None or moved is array else rebuild.tensor(moved, column.dtype, tuple(column.shape))
    return place(column) if isinstance(column, np.ndarray) else column


def _digest(column: Any) -> str:
    if isinstance(column, Ragged):
        return f"{fingerprint.of_array(column.values)} {fingerprint.of_array(column.offsets)}"
    if isinstance(column, Batch):
        return "\n".join(f"{name} {_digest(inner)}" for name, inner in column.items())
    if isinstance(column, np.ndarray) and column.dtype != object:
        return fingerprint.of_array(column)
    return f"{len(column)} {fingerprint.of_record([column[place] for place in _spaced(len(column))])}"


def _spaced(length: int) -> list[int]:
    return sorted({*np.linspace(0, length - 1, num=16, dtype=np.int64).tolist()}) if length else []


def _paths(column: Any) -> Iterator[str]:
    """Give the files that a column is mapped from, through views of it."""
    if isinstance(column, Batch):
        for inner in column.values():
            yield from _paths(inner)
    elif isinstance(column, Ragged):
        yield from _paths(column.values)
        yield from _paths(column.offsets)
    while isinstance(column, np.ndarray):
        if isinstance(column, np.memmap) and column.filename is not None:
            yield os.fspath(column.filename)
            return
        column = column.base
