"""Which records of which sources lie under addresses: all of them, the sides of a zip and what is kept included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from headrace.core.address import At
from headrace.core.source import Indices
from headrace.nodes.batched import Batched
from headrace.nodes.cached import Cached
from headrace.nodes.ground import down_orders
from headrace.nodes.joined import Joined, Switched
from headrace.nodes.leaf import Leaf
from headrace.nodes.node import Node
from headrace.nodes.sharded import Sharded


class Touched(NamedTuple):
    """Records of one source.

    Args:
        leaf: The source.
        records: Their numbers there, int64 ``(k,)``.
        rows: Of which of the addresses each is, int64 ``(k,)``, ascending.
    """

    leaf: Leaf
    records: Indices
    rows: Indices


def sources_of(node: Node) -> Iterator[Leaf]:
    """Give the sources that a chain reads from, as often as they come; what is kept in a cache is made, if need be."""
    if isinstance(node, Cached):
        yield node.leaf
    elif isinstance(node, Leaf):
        yield node
    else:
        for below in node.inputs:
            yield from sources_of(below)


def touched(node: Node, at: At, rows: Indices | None = None) -> Iterator[Touched]:
    """Give the records under addresses, for each source that they lie in, by arithmetic alone."""
    rows = np.arange(len(at.positions)) if rows is None else rows
    node, at = down_orders(node, at)
    if not len(at.positions):
        return
    if isinstance(node, Leaf):
        yield Touched(node, at.positions, rows)
    elif isinstance(node, Cached):
        yield Touched(node.leaf, at.positions, rows)
    elif isinstance(node, Switched):
        for place, here, below in node._parts(at):
            yield from touched(node.inputs[place], below, rows[here])
    elif isinstance(node, Joined):
        for side in node.inputs:
            yield from touched(side, at, rows)
    elif isinstance(node, Batched):
        epochs = np.broadcast_to(np.asarray(at.epochs, np.int64), at.positions.shape)
        for step, epoch, row in zip(at.positions.tolist(), epochs.tolist(), rows.tolist(), strict=True):
            under = node.under(step, epoch)
            yield from touched(node.input, under, np.full(len(under.positions), row))
    elif isinstance(node, Sharded):  # one that pads
        yield from touched(node.input, node.bound(at), rows)
    else:
        yield from touched(node.inputs[0], at, rows)
