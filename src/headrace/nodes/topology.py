"""A chain taken apart where a run can be dealt out anew: among other readers, in batches of another size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from headrace.nodes.batched import Batched
from headrace.nodes.maps import Map
from headrace.nodes.node import Node
from headrace.nodes.picked import Picked
from headrace.nodes.rewrite import over
from headrace.nodes.sharded import Sharded

Upper: TypeAlias = Map | Picked | Batched
"""What can stand on a share without making its state a reader's own."""


@dataclass(frozen=True, eq=False)
class Topology:
    """A chain taken apart where elastic resumption cuts it: maps over a batch over a shard over the ground.

    Args:
        ground: The global order, which every reader shares.
        sharded: This reader's share of it, if it is sharded last before batch.
        batched: The batch, if there is one that no order stands on.
        uppers: All that stands on the share, or on the ground, the highest first.
    """

    ground: Node
    sharded: Sharded | None
    batched: Batched | None
    uppers: tuple[Upper, ...]

    @classmethod
    def of(cls, node: Node) -> Topology:
        uppers, below = _peeled(node, Map, Picked)
        batched = below if isinstance(below, Batched) else None
        ground = node if batched is None else batched.input
        uppers = [] if batched is None else [*uppers, batched]
        picks, below = _peeled(ground, Picked)  # a choice of columns may stand between
        if not isinstance(below, Sharded):
            return cls(ground, None, batched, tuple(uppers))
        return cls(below.input, below, batched, (*uppers, *picks))

    @property
    def size(self) -> int:
        """Records in a step of one reader."""
        return 1 if self.batched is None else self.batched.size

    @property
    def count(self) -> int:
        """Readers."""
        return 1 if self.sharded is None else self.sharded.count

    def rebased(self, base: int) -> Node:
        """Return the chain dealt out from a global position on."""
        if self.sharded is None:
            node: Node = Sharded(self.ground, 0, 1, "uneven", base)
        else:
            node = Sharded(self.ground, self.sharded.index, self.sharded.count, self.sharded.remainder, base)
        for upper in reversed(self.uppers):
            node = over(upper, node)
        return node


def _peeled(node: Node, *kinds: type[Map] | type[Picked]) -> tuple[list[Upper], Node]:
    """Return the nodes of some kinds that stand on top, the highest first, and what lies below them."""
    uppers: list[Upper] = []
    while isinstance(node, kinds):
        uppers.append(node)
        node = node.input
    return uppers, node
