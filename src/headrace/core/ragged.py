"""Ragged: a column of rows that differ in length, kept as one array of values and the places where rows begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headrace.core.errors import ArgumentError, SchemaError
from headrace.core.indexing import checked, positions
from headrace.core.source import Indices


class Ragged:
    """Rows of different lengths: row i is ``values[offsets[i]:offsets[i + 1]]``.

    Args:
        values: The rows one after the other, shape ``(total, *item)``. Shared, not copied.
        offsets: Where each row begins, and at last where the last one ends: whole numbers, shape ``(rows + 1,)``,
            never falling, from 0 to ``total``.

    >>> text = Ragged(np.array([3, 1, 4, 1, 5]), [0, 2, 2, 5])
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
    _offsets: Indices  # of a slice: does not begin with 0

    def __init__(self, values: ArrayLike, offsets: ArrayLike) -> None:
        self._values = np.asarray(values)
        bounds = np.asarray(offsets)
        if self._values.ndim == 0:
            raise SchemaError("the values of a Ragged need at least one axis, got a single value")
        if bounds.ndim != 1 or len(bounds) == 0 or bounds.dtype.kind not in "iu":
            raise SchemaError(
                f"the offsets of a Ragged are whole numbers, one more than rows; got {bounds.dtype} {bounds.shape}"
            )
        self._offsets = bounds.astype(np.int64, copy=False)
        first, last, total = int(bounds[0]), int(bounds[-1]), len(self._values)
        if first != 0 or last != total:
            raise SchemaError(f"offsets must go from 0 to the number of values ({total}), these go {first} to {last}")
        if (self._offsets[1:] < self._offsets[:-1]).any():
            row = int(np.argmax(self._offsets[1:] < self._offsets[:-1]))
            raise SchemaError(f"offsets must never fall, but row {row} ends before it begins")

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
        for number, array in enumerate(arrays):
            if array.ndim == 0 or array.shape[1:] != arrays[0].shape[1:]:
                raise SchemaError(
                    f"ragged rows may differ in their first axis only: row {number} has shape {array.shape}, "
                    f"row 0 {arrays[0].shape}"
                )
        told = [one.dtype for row, one in zip(given, arrays, strict=True) if len(one) or isinstance(row, np.ndarray)]
        dtype = np.result_type(*set(told or [arrays[0].dtype]))  # an empty list says nothing of its dtype
        offsets = np.zeros(len(arrays) + 1, np.int64)
        np.cumsum([len(array) for array in arrays], out=offsets[1:])
        values = np.empty((int(offsets[-1]), *arrays[0].shape[1:]), dtype)
        np.concatenate(arrays, out=values, casting="unsafe")  # unsafe: empty lists are float64; the rest was promoted
        return cls._of(values, offsets)

    @property
    def values(self) -> NDArray[Any]:
        """The rows' values one after the other, shape ``(total, *item)``: of a slice, those of its rows. A view."""
        return self._values[self._offsets[0] : self._offsets[-1]]

    @property
    def offsets(self) -> Indices:
        """Where rows begin in ``values``, from 0; shape ``(rows + 1,)``. A copy where this is a slice."""
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
        bounds = self._offsets.tolist()
        values = self._values
        return [values[start:stop] for start, stop in pairwise(bounds)]

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
        if hasattr(key, "__index__") and not isinstance(key, np.ndarray):
            row = checked(key, len(self))
            return self._values[self._offsets[row] : self._offsets[row + 1]]
        return self._take(positions(key, len(self)))

    def take(self, indices: ArrayLike) -> Ragged:
        """Return the rows asked for, in that order; a copy.

        Raises:
            IndexError: There is no such row.
        """
        return self._take(positions(indices, len(self)))

    def _take(self, indices: Indices) -> Ragged:
        """Like ``take``, of row numbers known to be right."""
        starts = self._offsets[indices]
        stops = self._offsets[indices + 1]
        offsets = np.zeros(len(indices) + 1, np.int64)
        np.cumsum(stops - starts, out=offsets[1:])
        values = np.empty((int(offsets[-1]), *self.item), self.dtype)
        source = self._values
        # A loop of slice copies: index arithmetic over single values was measured five times slower.
        pieces = [source[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
        if pieces:
            np.concatenate(pieces, out=values)
        return Ragged._of(values, offsets)

    def pad(self, value: Any, length: int | None = None) -> NDArray[Any]:
        """Return the rows as one array of shape ``(rows, length, *item)``, filled up behind with ``value``; a copy.

        Args:
            value: What stands behind the end of a row; must be a value of the dtype.
            length: The common length; None for that of the longest row.

        Raises:
            ArgumentError: A row is longer than ``length``, or the dtype cannot hold ``value``.
        """
        longest = int(self.lengths.max(initial=0))
        if length is None:
            length = longest
        if length < longest:
            raise ArgumentError(f"cannot pad to a length of {length}: the longest row has {longest}")
        filler = np.asarray(value)
        if self.dtype.kind in "iub" and (filler.dtype.kind not in "iub" or (filler.astype(self.dtype) != filler).any()):
            raise ArgumentError(f"cannot pad {self.dtype} with {value!r}: the dtype cannot hold it")
        out = np.full((len(self), length, *self.item), filler, self.dtype)
        for target, row in zip(out, self.rows(), strict=True):
            target[: len(row)] = row
        return out

    @classmethod
    def concat(cls, parts: Sequence[Ragged]) -> Ragged:
        """Return the rows of several, one after the other; a copy. Their dtypes are promoted to a common one.

        Raises:
            ArgumentError: There is nothing to join.
            SchemaError: The shapes of their items differ.
        """
        if not parts:
            raise ArgumentError("nothing to concatenate")
        items = {part.item for part in parts}
        if len(items) > 1:
            raise SchemaError(f"ragged columns of items of shapes {sorted(items)} cannot be joined")
        offsets = np.zeros(sum(map(len, parts)) + 1, np.int64)
        np.cumsum(np.concatenate([part.lengths for part in parts]), out=offsets[1:])
        return cls._of(np.concatenate([part.values for part in parts]), offsets)

    def __reduce__(self) -> tuple[Any, ...]:
        return Ragged._of, (self.values, self.offsets)  # of a slice, its own rows only

    def __repr__(self) -> str:
        shape = ", ".join(["?", *map(str, self.item)])
        return f"Ragged({len(self)} rows of {self.dtype}[{shape}], {len(self.values)} values)"
