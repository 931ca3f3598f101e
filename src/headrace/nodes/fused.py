"""Ragged columns gathered and filled up in one step: one copy of each row instead of two."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.collate import Pad, with_lengths
from headrace.core.kinds import Column
from headrace.core.ragged import Ragged
from headrace.core.records import Columns
from headrace.core.source import Indices
from headrace.nodes.kept import Kept
from headrace.nodes.leaf import Leaf, gather
from headrace.nodes.node import Context, Node
from headrace.nodes.ordered import Ordered
from headrace.nodes.sharded import Sharded


def down_to_leaf(node: Node, at: At) -> tuple[Leaf, Indices] | None:
    """Return the source and the positions in it that some addresses lie on, where only orders are between."""
    while not isinstance(node, Leaf):
        if isinstance(node, Ordered) or (isinstance(node, Sharded) and node.remainder != "pad"):
            at, node = node.bound(at), node.input
        elif isinstance(node, Kept):
            at, node = node.below(at), node.input
        else:
            return None
    return node, at.positions


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
    if columns is None or any(isinstance(column, Batch) for column in columns.values()):
        return None
    fills = {name: pad for name, column in columns.items() if isinstance(column, Ragged)}
    if isinstance(pad, Mapping):
        if any(not isinstance(columns._columns.get(name), Ragged) for name in pad):
            return None  # a wrong name, or a dense column: collate has the answer
        fills = dict(pad)
    rest = Batch._of({name: column for name, column in columns.items() if name not in fills}, len(columns))
    filled = dict(gather(rest, indices, context.buffers, id(leaf)).items())
    lengths: dict[str, Column] = {}
    for name, fill in fills.items():
        ragged = columns[name]
        filled[name] = ragged.pad(fill, indices=indices)
        lengths[name] = ragged.offsets[indices + 1] - ragged.offsets[indices]
    in_order = {name: filled[name] for name in columns}
    return with_lengths(
        in_order, {name: lengths[name] for name in in_order if name in lengths}, leaf.structure, len(indices)
    )
