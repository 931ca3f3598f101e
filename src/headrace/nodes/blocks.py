"""All records of a node, in order, some at a time: as many as are few in memory, however large a record is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.columns import size_in_bytes
from headrace.core.errors import RecordError
from headrace.core.records import Columns, Records
from headrace.nodes.forgive import Parting
from headrace.nodes.node import Context, Node
from headrace.nodes.passes import announce

_MOST_RECORDS = 4096
_MOST_BYTES = 16 << 20


def blocks(node: Node, length: int) -> Iterator[tuple[At, Records]]:
    """Read the first ``length`` records of epoch 0, in order; the first alone, to see how large one is.

    Raises:
        RecordError: A record fails. A map's own policy may leave it out of a batch, not of a pass over all.
    """
    context = Context()
    announce(node, length)
    start, rows = 0, 1
    while start < length:
        at = At(np.arange(start, min(start + rows, length), dtype=np.int64))
        try:
            records = node.read(at, context)
        except Parting as parting:  # whoever asked for other records would take it for a word on those
            raise RecordError(
                f"an order or a choice looks at every record beforehand, and cannot leave one out: {parting}; put what "
                "fails behind it, or filter() such records out"
            ) from parting.__cause__
        start += len(at.positions)
        rows = rows_that_fit(records, _MOST_RECORDS, _MOST_BYTES)
        yield at, records


def rows_that_fit(records: Records, most: int, most_bytes: int = _MOST_BYTES) -> int:
    """Return how many records like these may be read together: at least 1, at most ``most``."""
    if isinstance(records, Columns):
        weight = size_in_bytes(records.batch) // max(len(records), 1)
    else:
        weight = _weight(records.records[-1]) if records.records else 0
    return min(most, max(1, most_bytes // max(weight, 1)))


def items_that_fit(nbytes: int, items: int, most: int) -> int:
    """Return how many items, of which so many took so many bytes, may be read together: at least 1.

    >>> items_that_fit(32 << 20, 4, 256)
    2
    """
    return min(most, max(1, _MOST_BYTES * items // max(nbytes, 1)))


def _weight(record: Any) -> int:
    """Return about how many bytes a record has."""
    if isinstance(record, Batch):
        return size_in_bytes(record)
    if isinstance(record, Mapping):
        return sum(map(_weight, record.values()))
    if isinstance(record, tuple):
        return sum(map(_weight, record))
    if isinstance(record, list):
        return len(record) * _weight(record[0]) if record else 0
    return int(getattr(record, "nbytes", None) or sys.getsizeof(record))
