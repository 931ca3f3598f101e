"""Records that come one by one, put together into blocks that are worth a write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headrace.core.batch import Batch
from headrace.core.records import Columns, Records, Rows, wrap
from headrace.stores.parts import CHUNK_BYTES

MOST_RECORDS = 1024
"""How many records make a block, unless their size does earlier."""


def blocks(items: Iterable[Any], batched: bool = False) -> Iterator[Records]:
    """Yield records in blocks.

    Args:
        items: Records; a Batch among them is a block of its own, and so are Columns.
        batched: Whether every item is a batch: a Batch, a mapping of columns, a tuple of columns, or a column.

    >>> [len(block) for block in blocks([1, 2, Batch({"x": [1, 2, 3]}), 3])]
    [2, 3, 1]
    """
    rows: list[Any] = []
    size = 0
    for item in items:
        if batched or isinstance(item, Batch | Columns):
            if rows:
                yield Rows(rows)
            rows, size = [], 0
            yield item if isinstance(item, Columns) else wrap(item)
            continue
        rows.append(item)
        size += _weight(item)
        if len(rows) == MOST_RECORDS or size >= CHUNK_BYTES:
            yield Rows(rows)
            rows, size = [], 0
    if rows:
        yield Rows(rows)


def _weight(value: Any) -> int:
    """Return about how many bytes a record holds."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_weight, value.values()))
    if isinstance(value, tuple):
        return sum(map(_weight, value))
    return 8 * len(value) if isinstance(value, list) else 8
