"""The sequences of a record, as arrays that fit those of the records before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.core import tensors
from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, ColumnError, HeadraceError, KindError, SchemaError
from headrace.core.naming import check_name
from headrace.core.ragged import Ragged

_SUFFIXES = ("_segment_ids", "_positions")
_NUMBERS = "biufc"  # kinds of dtypes


class _Kind(NamedTuple):
    """What the sequences of a column are like."""

    dtype: np.dtype[Any]
    item: tuple[int, ...]
    ndim: int

    def fits(self, array: NDArray[Any]) -> bool:
        if array.dtype != self.dtype or array.ndim != self.ndim:
            return False
        return self.ndim == 1 or array.shape[1:] == self.item


class Sequences:
    """What is packed of each record: its columns as arrays, in the order of the names.

    Args:
        names: Of the columns; None takes all that the first record has, sorted by name.
        pad: What a column is filled up with, or a mapping.
        words: How the step is called in errors.
    """

    __slots__ = ("_all", "_known", "_pad", "_words", "fillers", "is_mapping", "names")

    def __init__(self, names: tuple[str, ...] | None, pad: Any, words: str) -> None:
        self._all = names is None
        self._pad = pad
        self._words = words
        self.names = names or ()
        self.fillers: list[Any] = []  # what each column is filled up with
        self.is_mapping: bool | None = None  # not known before the first record
        self._known: list[_Kind | None] = []  # of each column, once something has come

    def of(self, record: Any, number: int) -> list[NDArray[Any]]:
        """Return the sequences of a record, which is item ``number`` upstream; views where they are arrays already.

        Raises:
            KindError: The item is no record of sequences, or of another kind than the first.
            ColumnError: A column is missing.
            SchemaError: A column holds something else than numbers in a sequence, or does not fit those before it.
            ArgumentError: A column cannot hold what it is to be padded with.
        """
        try:
            if self.is_mapping is None:
                self._begin(record)
            values = self._values(record)
            for place, value in enumerate(values):
                known = self._known[place]
                if type(value) is not np.ndarray or known is None or not known.fits(value):
                    values[place] = self._array(place, value)
            return values
        except HeadraceError as error:
            error.add_note(f"in item {number} of what {self._words} was given")
            raise

    def packed(self, columns: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]) -> Any:
        """Return a bin as an item: of each column the values, segment ids and positions."""
        if not self.is_mapping:
            return columns[0]
        item = {}
        for name, (values, segments, positions) in zip(self.names, columns, strict=True):
            item[name] = values
            item[name + _SUFFIXES[0]] = segments
            item[name + _SUFFIXES[1]] = positions
        return item

    def _begin(self, record: Any) -> None:
        """Take from the first record what all are like."""
        if isinstance(record, Batch):
            raise KindError(f"pack needs records, and the item is a Batch of {len(record)}: .unbatch() before it")
        if isinstance(record, tuple):
            raise KindError("pack needs the columns' names, and the item is a tuple: map it to {'name': item[0], ...}")
        is_mapping = isinstance(record, Mapping)
        if not is_mapping and not self._all:
            raise KindError(f"pack(columns=...) needs mappings, and the item is a {type(record).__name__}")
        if self._all:
            names = tuple(record) if is_mapping else ("value",)
            if not names:
                raise SchemaError("the item has no columns")
            for name in names:
                check_name(name)
            names = tuple(sorted(names))  # the first record of a run that is resumed may have them in another order
            check_packed(names)
            if isinstance(self._pad, Mapping):
                for name in self._pad:
                    if name not in names:
                        raise ColumnError.missing(name, names)
            self.names = names
        self._known = [None] * len(self.names)
        self.fillers = [self._pad.get(name, 0) if isinstance(self._pad, Mapping) else self._pad for name in self.names]
        self.is_mapping = is_mapping

    def _values(self, record: Any) -> list[Any]:
        names = self.names
        if not self.is_mapping:
            if isinstance(record, Mapping | tuple):
                raise KindError(f"the first item was a sequence, and this one is a {type(record).__name__}")
            return [record]
        if type(record) is not dict and not isinstance(record, Mapping):
            raise KindError(f"the first item was a mapping, and this one is a {type(record).__name__}")
        if self._all and len(record) > len(names):
            more = next(name for name in record if name not in names)
            raise SchemaError(
                f"the item has a column {more!r}, and the first had none: name what to pack, pack(..., columns=[...])"
            )
        try:
            return [record[name] for name in names]
        except KeyError:
            missing = next(name for name in names if name not in record)
            raise ColumnError.missing(missing, record) from None

    def _array(self, place: int, value: Any) -> NDArray[Any]:
        """Return a value as an array that fits the column; what it is like then is what the next is compared with."""
        name, known = self.names[place], self._known[place]
        filler = self.fillers[place]
        array = as_sequence(name, value, np.asarray(filler).dtype)
        if not len(array):
            return array  # it has nothing that must fit
        if known is not None and array.shape[1:] != known.item:
            raise SchemaError(
                f"column {name!r}: sequences may differ in their first axis only; "
                f"this one has shape {array.shape}, others (..., {', '.join(map(str, known.item))})"
            )
        if known is not None and array.dtype.kind != known.dtype.kind:
            raise SchemaError(
                f"column {name!r} holds {known.dtype} in records before and {array.dtype} here: convert one of them"
            )
        try:
            Ragged(np.empty(0, array.dtype), [0, 0]).pad(filler, length=1)
        except ArgumentError as error:
            raise ArgumentError(f"column {name!r}: {error}; give another: pad={{{name!r}: ...}}") from None
        self._known[place] = _Kind(array.dtype, array.shape[1:], array.ndim)
        return array


def as_sequence(name: str, value: Any, blank: np.dtype[Any]) -> NDArray[Any]:
    """Return a value as an array of numbers with at least one axis; a view where it is one.

    Args:
        name: The column, for errors.
        value: What a record holds there.
        blank: The dtype of an empty list, which has none of its own.

    >>> as_sequence("tokens", [3, 1], np.dtype("int64")), as_sequence("tokens", [], np.dtype("int64"))
    (array([3, 1]), array([], dtype=int64))

    Raises:
        SchemaError: It is something else.
    """
    what = f"column {name!r} holds {_kind_of(value)}, no sequence of numbers"
    mend = "name the columns to pack, the others are left out: pack(..., columns=[...])"
    if tensors.is_tensor(value):
        value = tensors.to_numpy(value)
    if isinstance(value, str | bytes | Mapping | Batch | Ragged | np.ma.MaskedArray) or not hasattr(value, "__len__"):
        raise SchemaError(f"{what}: {mend}")
    if not isinstance(value, np.ndarray) and not len(value):
        return np.empty(0, blank)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise SchemaError(f"{what}: {error}") from error
    if not array.ndim or array.dtype.kind not in _NUMBERS:
        raise SchemaError(f"{what}: {mend}")
    return array


def check_packed(names: tuple[str, ...]) -> None:
    """Refuse columns whose packed names meet.

    Raises:
        ArgumentError: With both.
    """
    for name in names:
        for suffix in _SUFFIXES:
            if name + suffix in names:
                raise ArgumentError(
                    f"packing {name!r} makes {name + suffix!r}, which is packed itself: rename it, or leave it out"
                )


def _kind_of(value: Any) -> str:
    if type(value) is np.ndarray:
        return f"an array of {value.dtype} of shape {value.shape}"
    return "None" if value is None else f"the kind {type(value).__name__}"
