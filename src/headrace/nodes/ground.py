"""Through orders down to a source: where only arithmetic lies between, several steps are one read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from headrace.core.address import At
from headrace.core.order import Slice
from headrace.core.source import Indices
from headrace.nodes.kept import Kept
from headrace.nodes.leaf import Leaf
from headrace.nodes.node import Node
from headrace.nodes.ordered import Ordered
from headrace.nodes.sharded import Sharded


def leaf_of(node: Node) -> Leaf | None:
    """Return the source that a node's records are, unchanged, in whatever order; None where something changes them."""
    while not isinstance(node, Leaf):
        if not isinstance(node, Ordered | Kept) and not (isinstance(node, Sharded) and node.remainder != "pad"):
            return None
        node = node.input
    return node


def slice_of(node: Node) -> tuple[Leaf, int, int] | None:
    """Return the source that a node is a slice of, where it begins there and its step; None where it is none."""
    begin, step = 0, 1
    while not isinstance(node, Leaf):
        if not isinstance(node, Ordered) or not isinstance(node.bound, Slice):
            return None
        begin, step = node.bound.start + begin * node.bound.step, step * node.bound.step
        node = node.input
    return node, begin, step


class Slices(NamedTuple):
    """Slices of one source, with the same columns.

    Args:
        leaf: The source.
        begins: Where each begins there, int64 ``(slices,)``.
        steps: From one position to the next, int64 ``(slices,)``.
    """

    leaf: Leaf
    begins: Indices
    steps: Indices

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> Slices | None:
        """Return nodes as slices of one source; None where they are not."""
        first = slice_of(nodes[0])
        if first is None:
            return None
        found = [first]
        for node in nodes[1:]:
            one = slice_of(node)
            if one is None or one[0].source is not first[0].source or one[0].names != first[0].names:
                return None
            found.append(one)
        begins, steps = np.array([one[1:] for one in found], np.int64).T
        return cls(first[0], np.ascontiguousarray(begins), np.ascontiguousarray(steps))

    def positions(self, numbers: Indices, positions: Indices) -> Indices:
        """Return positions in slices, by the number of the slice, as positions in the source: a new array."""
        found: Indices = self.begins.take(numbers) + positions * self.steps.take(numbers)
        return found


def down_to_leaf(node: Node, at: At) -> tuple[Leaf, Indices] | None:
    """Return the source and the positions in it that some addresses lie on, where only orders are between."""
    node, at = down_orders(node, at)
    return (node, at.positions) if isinstance(node, Leaf) else None


def down_orders(node: Node, at: At) -> tuple[Node, At]:
    """Return the first node below some orders, and the addresses in it that some addresses lie on."""
    while True:
        if isinstance(node, Ordered) or (isinstance(node, Sharded) and node.remainder != "pad"):
            at, node = node.bound(at), node.input
        elif isinstance(node, Kept):
            at, node = node.below(at), node.input
        else:
            return node, at


def shared_leaf(nodes: Sequence[Node]) -> Leaf | None:
    """Return the one source, with the same columns, that all nodes lie on; None where they do not."""
    first = leaf_of(nodes[0])
    if first is None:
        return None
    for node in nodes[1:]:
        leaf = leaf_of(node)
        if leaf is None or leaf.source is not first.source or leaf.names != first.names:
            return None
    return first


def positions_of(parts: Sequence[tuple[Node, Indices, At]], length: int) -> Indices:
    """Return the positions in a shared source of ``length`` records, of which each part fills some rows."""
    positions = np.empty(length, np.int64)
    for node, rows, at in parts:
        found = down_to_leaf(node, at)
        if found is not None:  # always, of nodes that share a leaf
            positions[rows] = found[1]
    return positions
