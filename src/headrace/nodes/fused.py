"""Ragged columns gathered and filled up in one step: one copy of each row instead of two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.collate import Pad, with_lengths
from headrace.core.kinds import Column
from headrace.core.ragged import Ragged
from headrace.core.records import Columns
from headrace.nodes.ground import down_to_leaf
from headrace.nodes.leaf import gather_column
from headrace.nodes.node import Context, Node


def padded_read(node: Node, at: At, pad: Pad, context: Context) -> Columns | None:
    """Read records with their ragged columns filled up, straight from the source's columns.

    Returns:
        What ``collate.padded`` of a read would give; None where the node has no columns at hand.
    """
    found = down_to_leaf(node, at)
    if found is None:
        return None
    leaf, indices = found
    columns = leaf.columns
    fills = None if columns is None else _fills(columns, pad)
    if columns is None or fills is None:
        return None
    filled: dict[str, Column] = {}
    lengths: dict[str, Column] = {}
    for name, column in columns.items():
        if name in fills and isinstance(column, Ragged):
            filled[name], lengths[name] = column._pad_taken(indices, fills[name])
        else:
            filled[name] = gather_column(column, indices, context.buffers, (id(leaf), name))
    return with_lengths(filled, lengths, leaf.structure, len(indices))


def _fills(columns: Batch, pad: Pad) -> Mapping[str, Any] | None:
    """Return what each column is filled up with; None where ``collate`` knows better: a wrong name, a dense column."""
    if isinstance(pad, Mapping):
        ragged = all(isinstance(columns._columns.get(name), Ragged) for name in pad)
        return pad if ragged else None
    if any(isinstance(column, Batch) for column in columns.values()):
        return None
    return {name: pad for name, column in columns.items() if isinstance(column, Ragged)}
