"""Which bucket an item belongs to, and when a bucket is full."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from headrace.core.arguments import whole
from headrace.core.batch import Batch
from headrace.core.callables import failure, name_of
from headrace.core.errors import ArgumentError, ColumnError, KindError, RecordError, SchemaError
from headrace.core.records import structure_of


@dataclass(frozen=True)
class Limits:
    """The bounds of buckets, and how much each holds.

    Args:
        boundaries: In ascending order. A bucket holds what is above the boundary before it, up to its own, that one
            included; the last holds what is above all.
        sizes: Items that a batch of each bucket has at most; infinite where tokens count.
        tokens: What their number times the length of the longest is at most; infinite where sizes count. The longest
            counts as 1 at least: an item of no length takes a row, too.
    """

    boundaries: tuple[float, ...]
    sizes: tuple[float, ...]
    tokens: float = math.inf

    @classmethod
    def of(cls, boundaries: Any, batch_sizes: Any, tokens_per_batch: Any) -> Limits:
        """Make them of what a user gave.

        >>> Limits.of([10, 20], 4, None).sizes
        (4, 4, 4)

        Raises:
            KindError: They are of other kinds.
            ArgumentError: The boundaries do not ascend, there are not as many sizes as buckets, one is below 1, or both
                sizes and tokens are given, or none.
        """
        bounds = _ascending(boundaries)
        if (batch_sizes is None) == (tokens_per_batch is None):
            given = "both were given" if batch_sizes is not None else "none was given"
            raise ArgumentError(
                f"a bucket is full by batch_sizes= or by tokens_per_batch=, one of them, and {given}: "
                "batch_sizes=32, or tokens_per_batch=4096"
            )
        if batch_sizes is None:
            return cls(bounds, (math.inf,) * (len(bounds) + 1), whole(tokens_per_batch, "tokens_per_batch", 1))
        return cls(bounds, _sizes(batch_sizes, len(bounds) + 1))

    def bucket(self, length: float) -> int:
        """Return the number of the bucket that a length belongs to.

        >>> [Limits.of([10, 20], None, 64).bucket(length) for length in (0, 10, 10.5, 20, 21)]
        [0, 0, 1, 1, 2]
        """
        return bisect_left(self.boundaries, length)

    def is_over(self, bucket: int, items: int, longest: float) -> bool:
        """Say whether so many items, the longest of them that long, are more than a batch holds."""
        return items > self.sizes[bucket] or items * longest > self.tokens

    def words(self) -> str:
        """Return them as arguments."""
        sizes = list(self.sizes) if len(set(self.sizes)) > 1 else self.sizes[0]
        full = f"batch_sizes={sizes}" if self.tokens == math.inf else f"tokens_per_batch={self.tokens}"
        return f"boundaries={list(self.boundaries)}, {full}"


def _ascending(boundaries: Any) -> tuple[float, ...]:
    if not _is_list(boundaries):
        raise KindError(f"boundaries must be a list of numbers such as [32, 64, 128], got {boundaries!r:.100}")
    bounds = tuple(plain_number(one, f"boundary {place} of buckets") for place, one in enumerate(boundaries))
    for before, bound in pairwise(bounds):
        if not before < bound:
            raise ArgumentError(f"the boundaries of buckets must ascend, and {bound} comes after {before}")
    return bounds


def _sizes(batch_sizes: Any, buckets: int) -> tuple[float, ...]:
    if not _is_list(batch_sizes):
        return (whole(batch_sizes, "batch_sizes", 1),) * buckets
    sizes = tuple(whole(size, f"the batch size of bucket {place}", 1) for place, size in enumerate(batch_sizes))
    if len(sizes) != buckets:
        raise ArgumentError(
            f"{buckets - 1} boundaries make {buckets} buckets, and there are {len(sizes)} batch_sizes: "
            "give one for each, or one number for all"
        )
    return sizes


def _is_list(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping | set | frozenset):  # what has no order, or no numbers
        return False
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0


def plain_number(value: Any, what: str) -> float:
    """Return a number as Python's own.

    Raises:
        KindError: It is none (a text, a bool, None, an array).
        ArgumentError: It is no number that can be compared: NaN.
    """
    if isinstance(value, np.generic | np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise KindError(f"{what} must be a number, got {value!r:.100}, a {type(value).__name__}")
    if math.isnan(value):
        raise ArgumentError(f"{what} must be a number, got NaN")
    return value if isinstance(value, int) else float(value)


def measure(by: str | Callable[[Any], Any], words: str, least: float = -math.inf) -> Callable[[int, Any], float]:
    """Return what measures an item, given with its number: the rows of a column, or what a function says.

    >>> measure("text", "bucket(...)")(0, {"text": [7, 8, 9]})
    3

    Args:
        by: The column's name ("0", "1", ... of tuples, "value" of values), or the function.
        words: How the step is called in errors.
        least: What the function must say at least.
    """

    place = int(by) if isinstance(by, str) and by.isdecimal() and str(int(by)) == by else -1

    def rows(number: int, item: Any) -> float:
        kind = type(item)
        if kind is dict and by in item:  # the rest goes the long way
            column = item[by]
        elif kind is tuple and 0 <= place < len(item):
            column = item[place]
        else:
            column = _column(number, item)
        try:
            return len(column)
        except TypeError:
            raise SchemaError(
                f"{words} goes by the length of column {by!r}, and in item {number} that has none: {column!r:.100}, "
                f"a {type(column).__name__}; by= also takes a function of the item"
            ) from None

    def _column(number: int, item: Any) -> Any:
        try:
            return column_of(item, str(by))
        except ColumnError as error:
            error.add_note(f"in item {number} of what {words} was given")
            if isinstance(item, Batch):
                error.add_note("it is a batch: write unbatch() before, for the lengths of its records")
            raise

    def said(number: int, item: Any) -> float:
        value: Any
        try:
            value = by(item)  # type: ignore[operator]
        except Exception as error:
            raise RecordError(failure(words, by, f"item {number}", error)) from error
        if type(value) is not int:
            value = plain_number(value, f"what {name_of(by)} returned for item {number}")
        if value < least:
            raise ArgumentError(f"what {name_of(by)} returned for item {number} must be {least} or more, got {value}")
        length: float = value
        return length

    return rows if isinstance(by, str) else said


def column_of(item: Any, name: str) -> Any:
    """Return a column of one record, whatever its structure.

    Raises:
        ColumnError: There is none of that name.
    """
    structure = structure_of(item)
    if structure == "mapping":
        if name in item:
            return item[name]
        raise ColumnError.missing(name, item)
    fields = {"value": item} if structure == "value" else {str(at): field for at, field in enumerate(item)}
    if name in fields:
        return fields[name]
    raise ColumnError.missing(name, fields)
