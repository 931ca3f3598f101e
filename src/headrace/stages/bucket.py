"""Items of like length gathered into batches, so that little of a padded batch is padding."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

from headrace.core import collate as collating
from headrace.core.callables import code_of, name_of
from headrace.core.collate import Pad, collate
from headrace.core.errors import HeadraceError, KindError, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.records import Rows
from headrace.core.state import read_list, read_whole
from headrace.stages.buckets import Limits, measure
from headrace.stages.held import Held
from headrace.stages.stage import Stage, dealt


@dataclass(frozen=True, eq=False)
class Bucket(Stage):
    """Batches of items whose lengths lie in one bucket, each handed out as soon as it is full.

    Items of one bucket stay in their order, and are stacked as ``Batched`` stacks them: the batch is a copy. At the end
    what is left in the buckets comes in the order of their bounds.

    Args:
        upstream: Where items come from.
        by: The column whose rows are counted ("0", "1", ... of tuples, "value" of values), or a function of the item
            that returns a number.
        limits: The bounds of the buckets, and when one is full.
        pad: What ragged columns are filled up with; None leaves them ragged.
        drop_remainder: Whether to leave out what is left in the buckets at the end.
    """

    by: str | Callable[[Any], Any]
    limits: Limits
    pad: Pad = None
    drop_remainder: bool = False

    @classmethod
    def of(
        cls,
        upstream: Flow,
        by: Any,
        boundaries: Any,
        batch_sizes: Any = None,
        tokens_per_batch: Any = None,
        pad: Pad = None,
        drop_remainder: bool = False,
    ) -> Self:
        """Make one of what a user gave.

        A boundary belongs to the bucket below it: ``[10, 20]`` makes the buckets up to 10, above 10 up to 20, above 20.
        With ``tokens_per_batch`` a batch is as many items as fit: their number times the length of the longest, which
        is their size once they are padded, stays within it; an item that is too long by itself makes a batch alone.

        >>> import numpy as np
        >>> from headrace.stages.iterate import Iterate
        >>> rows = Iterate.of([np.arange(length) for length in (1, 5, 2, 4, 1)])
        >>> list(Bucket.of(rows, "value", [3], batch_sizes=2, pad=0).start())[0]
        (array([[0, 0], [0, 1]]), array([1, 2]))

        Raises:
            KindError: An argument is of another kind.
            ArgumentError: The boundaries do not ascend, there are not as many sizes as buckets, one is below 1, or both
                sizes and tokens are given, or none.
        """
        if not isinstance(by, str) and not callable(by):
            raise KindError(
                "by= is a column's name ('0', '1', ... of tuples, 'value' of values) or a function of the item, "
                f"got {by!r:.100}, a {type(by).__name__}"
            )
        collating.check(pad, None)
        if not isinstance(by, str):
            code_of(by)  # now, before it runs
        return cls(upstream, by, Limits.of(boundaries, batch_sizes, tokens_per_batch), pad, bool(drop_remainder))

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        count = len(self.limits.boundaries) + 1
        if state is None:
            return BucketCursor(Held(self.upstream, epoch, self.words()), self, [[] for _ in range(count)], 0)
        buckets, batches = read_list(state, "buckets", count), read_whole(state, "count")
        if not all(isinstance(bucket, list) for bucket in buckets):
            raise StateError(f"the state is damaged: each bucket should be a list of numbers, got {buckets!r:.200}")
        held = Held(self.upstream, epoch, self.words(), state, chain.from_iterable(buckets))
        try:
            return BucketCursor(held, self, [list(bucket) for bucket in buckets], batches)
        except BaseException:
            held.close()
            raise

    def length(self) -> int | None:
        return None

    def order(self) -> tuple[str, ...]:
        by = f"by={self.by!r}, " if isinstance(self.by, str) else ""
        return (*self.upstream.order(), *dealt(self.upstream), self._text(by))

    def code(self) -> tuple[str, ...]:
        measuring = [] if isinstance(self.by, str) else [f"{self.words()} {code_of(self.by)}"]
        padding = [] if self.pad is None else [self.words()]
        return (*self.upstream.code(), *measuring, *padding)

    def words(self) -> str:
        by = repr(self.by) if isinstance(self.by, str) else name_of(self.by)
        return self._text(f"by={by}, ", "" if self.pad is None else f", pad={self.pad!r}")

    def _text(self, by: str, more: str = "") -> str:
        return f"bucket({by}{self.limits.words()}{', drop_remainder=True' if self.drop_remainder else ''}{more})"


class BucketCursor:
    """A place between two batches: which items lie in which bucket, by their number upstream.

    Args:
        held: The items.
        flow: The step.
        buckets: Their numbers, in each bucket in the order in which they came.
        count: Batches handed out.
    """

    __slots__ = ("_buckets", "_closed", "_count", "_flow", "_full", "_held", "_limits", "_longest", "_measure")

    def __init__(self, held: Held, flow: Bucket, buckets: list[list[int]], count: int) -> None:
        self._held = held
        self._flow = flow
        self._limits = flow.limits
        self._measure = measure(flow.by, flow.words(), -math.inf if flow.limits.tokens == math.inf else 0)
        self._buckets = buckets
        self._longest = [
            max([1, *(self._measure(number, held.items[number]) for number in bucket)]) for bucket in buckets
        ]
        self._count = count
        self._full: int | None = None  # a bucket that is full since the last batch was taken from it
        self._closed = False
        for number, bucket in enumerate(buckets):
            if len(bucket) > 1 and self._limits.is_over(number, len(bucket), self._longest[number]):
                raise StateError(f"the state is damaged: bucket {number} holds {bucket!r:.100}, more than a batch")
            if bucket and self._limits.is_over(number, len(bucket) + 1, self._longest[number]):
                self._full = number

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        if self._full is not None:
            bucket, self._full = self._full, None
            return self._batch(self._taken(bucket))
        try:
            full = self._filled()
        except StopIteration:
            full = self._left()
            if not full:
                raise
        return self._batch(full)

    def _filled(self) -> list[int]:
        """Draw items into their buckets until one of these is full; return the items of that batch."""
        held, items, measure_of = self._held, self._held.items, self._measure
        buckets, longest, limits = self._buckets, self._longest, self._limits
        while True:
            number = held.draw()
            try:
                length = measure_of(number, items[number])
            except BaseException:
                del items[number]  # whoever goes on, goes on with the next one
                raise
            bucket = bisect_left(limits.boundaries, length)
            waiting = buckets[bucket]
            waiting.append(number)
            if length > longest[bucket]:
                longest[bucket] = length
            more = len(waiting) + 1
            if more > limits.sizes[bucket] or more * longest[bucket] > limits.tokens:  # `is_over`, asked of each item
                return self._without_room(bucket, number, length)

    def _without_room(self, bucket: int, number: int, length: float) -> list[int]:
        """Take a batch from a bucket that no other item fits into; its last one stays if it does not fit itself."""
        waiting, limits = self._buckets[bucket], self._limits
        if len(waiting) == 1 or not limits.is_over(bucket, len(waiting), self._longest[bucket]):
            return self._taken(bucket)
        waiting.pop()
        full = self._taken(bucket)
        self._buckets[bucket].append(number)
        self._longest[bucket] = max(1, length)
        if limits.is_over(bucket, 2, self._longest[bucket]):
            self._full = bucket
        return full

    def _taken(self, bucket: int) -> list[int]:
        """Empty a bucket; return the items that were in it."""
        numbers, self._buckets[bucket], self._longest[bucket] = self._buckets[bucket], [], 1
        return numbers

    def _left(self) -> list[int]:
        """Empty the first bucket that has anything in it at the end."""
        if self._flow.drop_remainder:
            self._held.items.clear()
            self._buckets = [[] for _ in self._buckets]
        return next((self._taken(bucket) for bucket, numbers in enumerate(self._buckets) if numbers), [])

    def _batch(self, numbers: list[int]) -> Any:
        items = self._held.items
        rows = Rows([items.pop(number) for number in numbers])
        try:
            batch = collate(rows, self._flow.pad)
        except HeadraceError as error:
            error.add_note(f"in batch {self._count} of {self._flow.words()}, of items {numbers!r:.100}")
            raise
        self._count += 1
        return batch

    def state(self) -> State:
        return {**self._held.state(), "buckets": [list(bucket) for bucket in self._buckets], "count": self._count}

    def close(self) -> None:
        self._closed = True
        self._held.close()
