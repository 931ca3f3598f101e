"""Ragged: a column of rows that differ in length, kept as one array of values and the places where rows begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headrace.core import gathering
from headrace.core.equality import same_arrays
from headrace.core.errors import ArgumentError, SchemaError
from headrace.core.indexing import checked, positions
from headrace.core.source import Indices


class Ragged:
    """Rows of different lengths: row i is ``values[offsets[i]:offsets[i + 1]]``.

    Args:
        values: The rows one after the other, shape ``(total, *item)``. Shared, not copied.
        offsets: Where each row begins, and at last where the last one ends: whole numbers, shape ``(rows + 1,)``,
            never falling, from 0 to ``total``. int64 is shared, another dtype copied.

    >>> text = Ragged([3, 1, 4, 1, 5], [0, 2, 2, 5])
    >>> len(text), text[0], text.lengths.tolist()
    (3, array([3, 1]), [2, 0, 3])
    >>> text.pad(0).tolist()
    [[3, 1, 0], [0, 0, 0], [4, 1, 5]]

    Raises:
        SchemaError: The offsets do not describe rows of these values.
    """

    __slots__ = ("_offsets", "_values")
    __array_ufunc__ = None  # array == ragged asks Ragged, not NumPy row by row
    __hash__ = None  # type: ignore[assignment]  # equal by content, and the content can be written to

    _values: NDArray[Any]
    _offsets: Indices  # of a slice they do not begin with 0, so that slicing costs the same for any number of rows

    def __init__(self, values: ArrayLike, offsets: ArrayLike) -> None:
        self._values = np.asarray(values)
        self._offsets = _checked_offsets(np.asarray(offsets), self._values)

    @staticmethod
    def _of(values: NDArray[Any], offsets: Indices) -> Ragged:
        """Make one of parts known to fit; the offsets may begin above 0 and end before the last value."""
        self = object.__new__(Ragged)
        self._values = values
        self._offsets = offsets
        return self

    @classmethod
    def from_rows(cls, rows: Iterable[ArrayLike]) -> Ragged:
        """Join arrays that may differ in their first axis; a copy. Their dtypes are promoted to a common one.

        >>> Ragged.from_rows([[1, 2], [], [3]]).lengths.tolist()
        [2, 0, 1]

        Raises:
            SchemaError: An array has no axis, or differs from the others in a later one.
        """
        given = list(rows)
        arrays = [np.asarray(row) for row in given]
        if not arrays:
            return cls._of(np.empty(0), np.zeros(1, np.int64))
        blank = [one.size == 0 and not isinstance(row, np.ndarray) for row, one in zip(given, arrays, strict=True)]
        told = [one for one, empty in zip(arrays, blank, strict=True) if not empty] or arrays[:1]
        if any(blank) and told[0].ndim:  # an empty list says nothing of its dtype, nor of the shape of its items
            arrays = [told[0][:0] if empty else one for one, empty in zip(arrays, blank, strict=True)]
        item = told[0].shape[1:]
        for number, array in enumerate(arrays):
            if array.ndim == 0 or array.shape[1:] != item:
                raise SchemaError(
                    f"ragged rows may differ in their first axis only: row {number} has shape {array.shape}, "
                    f"others have {told[0].shape}"
                )
        offsets = np.zeros(len(arrays) + 1, np.int64)
        np.cumsum([len(array) for array in arrays], out=offsets[1:])
        values = np.empty((int(offsets[-1]), *item), gathering.promoted(one.dtype for one in told))
        return cls._of(np.concatenate(arrays, out=values), offsets)

    @property
    def values(self) -> NDArray[Any]:
        """The rows' values one after the other, shape ``(total, *item)``: of a slice, those of its rows. A view."""
        return self._values[self._offsets[0] : self._offsets[-1]]

    @property
    def offsets(self) -> Indices:
        """Where rows begin in ``values``, from 0; shape ``(rows + 1,)``. Of a slice a copy, else shared."""
        return self._offsets - self._offsets[0] if self._offsets[0] else self._offsets

    @property
    def lengths(self) -> Indices:
        """How long each row is: int64, shape ``(rows,)``. A copy."""
        return self._offsets[1:] - self._offsets[:-1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self._values.dtype

    @property
    def item(self) -> tuple[int, ...]:
        """The shape of one value of a row; ``()`` where rows are one-dimensional."""
        return self._values.shape[1:]

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter(self.rows())

    def rows(self) -> list[NDArray[Any]]:
        """Return each row as an array; views."""
        return [self._values[start:stop] for start, stop in pairwise(self._offsets.tolist())]

    @overload
    def __getitem__(self, key: int | np.integer[Any]) -> NDArray[Any]: ...

    @overload
    def __getitem__(self, key: slice | Sequence[int] | Sequence[bool] | NDArray[Any]) -> Ragged: ...

    def __getitem__(self, key: Any) -> Any:
        """Return one row (a view), the rows of a slice (a view if its step is 1), or those of a list or mask (a copy).

        Raises:
            IndexError: There is no such row.
        """
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                return self._take(np.arange(start, stop, step))
            return Ragged._of(self._values, self._offsets[start : max(start, stop) + 1])
        if hasattr(key, "__len__") and getattr(key, "ndim", True):
            return self._take(positions(key, len(self)))
        row = checked(key, len(self))
        return self._values[self._offsets[row] : self._offsets[row + 1]]

    def take(self, indices: ArrayLike) -> Ragged:
        """Return the rows asked for, in that order; a copy. A row may be asked for more than once.

        Raises:
            IndexError: There is no such row.
        """
        return self._take(positions(indices, len(self)))

    def _take(self, indices: Indices) -> Ragged:
        """Like ``take``, of row numbers known to be right."""
        return Ragged._of(*gathering.joined(self._values, self._offsets[indices], self._offsets[indices + 1]))

    def pad(self, value: Any, length: int | None = None, indices: ArrayLike | None = None) -> NDArray[Any]:
        """Return the rows as one array of shape ``(rows, length, *item)``, filled up behind with ``value``; a copy.

        Args:
            value: What stands behind the end of a row; must be a value of the dtype.
            length: The common length; None for that of the longest row.
            indices: The rows to give, None for all: ``take(indices).pad(value)`` with one copy instead of two.

        >>> Ragged.from_rows([[1], [2, 3], []]).pad(-1, indices=[1, 0]).tolist()
        [[2, 3], [1, -1]]

        Raises:
            ArgumentError: A row is longer than ``length``, or the dtype cannot hold ``value``.
            IndexError: There is no such row.
        """
        if indices is None:
            starts, stops = self._offsets[:-1], self._offsets[1:]
        else:
            rows = positions(indices, len(self))
            starts, stops = self._offsets[rows], self._offsets[rows + 1]
        longest = int((stops - starts).max(initial=0))
        if length is not None and length < longest:
            raise ArgumentError(f"cannot pad to a length of {length}: the longest row has {longest}")
        return gathering.padded(self._values, starts, stops, longest if length is None else length, value)

    def _pad_taken(self, indices: Indices, value: Any) -> tuple[NDArray[Any], Indices]:
        """Return ``pad(value, indices=indices)`` of row numbers known to be right, and the rows' lengths."""
        starts = self._offsets.take(indices)
        stops = self._offsets.take(indices + 1)
        lengths = stops - starts
        longest = int(lengths.max(initial=0))
        return gathering.padded(self._values, starts, stops, longest, value), lengths

    @classmethod
    def concat(cls, parts: Sequence[Ragged]) -> Ragged:
        """Return the rows of several, one after the other; a copy. Their dtypes are promoted to a common one.

        Parts without a value say nothing of what items are like, and fit to any others.

        Raises:
            ArgumentError: There is nothing to join.
            SchemaError: The shapes of their items differ.
        """
        if not parts:
            raise ArgumentError("nothing to concatenate")
        items = {part.item for part in parts}
        if len(items) > 1:
            items = {part.item for part in parts if part.values.size}
            parts = [part if part.item in items else _without_values(part, parts, items) for part in parts]
        if len(items) > 1:
            raise SchemaError(f"ragged columns of items of shapes {sorted(items)} cannot be joined")
        offsets = np.zeros(sum(map(len, parts)) + 1, np.int64)
        np.cumsum(np.concatenate([part.lengths for part in parts]), out=offsets[1:])
        dtype = gathering.promoted(part.dtype for part in parts)
        return cls._of(np.concatenate([part.values for part in parts], dtype=dtype), offsets)

    def __eq__(self, other: object) -> bool:
        """Say whether dtypes, lengths and values are equal; NaN equals NaN."""
        if not isinstance(other, Ragged):
            return NotImplemented
        return same_arrays(self.offsets, other.offsets) and same_arrays(self.values, other.values)

    def __reduce__(self) -> tuple[Any, ...]:
        return Ragged._of, (self.values, self.offsets)  # of a slice, its own rows only

    def __repr__(self) -> str:
        shape = ", ".join(["?", *map(str, self.item)])
        return f"Ragged({len(self)} rows of {self.dtype}[{shape}], {self._offsets[-1] - self._offsets[0]} values)"


def _without_values(part: Ragged, parts: Sequence[Ragged], items: set[tuple[int, ...]]) -> Ragged:
    """Return empty rows as rows of such items as others have."""
    like = next((other for other in parts if other.item in items), parts[0])
    return Ragged._of(np.empty((0, *like.item), like.dtype), np.zeros(len(part) + 1, np.int64))


def _checked_offsets(offsets: NDArray[Any], values: NDArray[Any]) -> Indices:
    if values.ndim == 0:
        raise SchemaError("the values of a Ragged need at least one axis, got a single value")
    if offsets.ndim != 1 or len(offsets) == 0 or offsets.dtype.kind not in "iu":
        raise SchemaError(
            "the offsets of a Ragged are whole numbers, one more than there are rows; "
            f"got {offsets.dtype} of shape {offsets.shape}"
        )
    bounds = offsets.astype(np.int64, copy=False)
    first, last = int(bounds[0]), int(bounds[-1])
    if first != 0 or last != len(values):
        raise SchemaError(f"offsets must go from 0 to the number of values ({len(values)}), these go {first} to {last}")
    falls = bounds[1:] < bounds[:-1]
    if falls.any():
        raise SchemaError(f"offsets must never fall, but row {int(np.argmax(falls))} ends before it begins")
    return bounds
