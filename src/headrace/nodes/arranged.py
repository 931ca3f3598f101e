"""A node whose records stand in the order in which they lie: block by block, where their numbers run across blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headrace.core.address import At, Order
from headrace.core.order import Sequential
from headrace.core.placement import Placement
from headrace.core.runs import Runs
from headrace.core.source import Indices
from headrace.core.subset import Subset
from headrace.nodes.joined import Zip
from headrace.nodes.leaf import Leaf
from headrace.nodes.leaf_runs import runs_of_leaf
from headrace.nodes.maps import Map
from headrace.nodes.node import Node
from headrace.nodes.ordered import Ordered
from headrace.nodes.picked import Picked
from headrace.nodes.sharded import Sharded


def arranged(node: Node, memory: int, lanes: int) -> Node:
    """Return a node with its records block by block, where a source below says that they lie so; else as it is.

    Args:
        node: Its records stand in one order for all epochs.
        memory: Of the block shuffle for which they are arranged.
        lanes: Of the same.
    """
    if node.batched or node.moves() is not None or isinstance(node, Sharded) or not _placed(node):
        return node
    return Arranged(node, Sequential, "by chunks", False, True, True, memory, lanes)


def placed_runs(leaf: Leaf, memory: int, lanes: int) -> Placement | Runs:
    """Return how the records of a source lie: by what it says for a block shuffle, or in the order of their numbers."""
    give = getattr(leaf.source, "placement", None)
    found: Placement | None = None if give is None else give(memory, lanes)
    return runs_of_leaf(leaf) if found is None else found


def _placed(node: Node) -> bool:
    """Say whether a source below can tell how its records lie."""
    return any(getattr(leaf.source, "placement", None) is not None for leaf in node.sources)


@dataclass(frozen=True, eq=False)
class Arranged(Ordered):
    """Records block by block; within a block in the order in which they stood.

    Args:
        memory: Of the block shuffle that needs it.
        lanes: Of the same.
    """

    memory: int = 1
    lanes: int = 8

    @cached_property
    def bound(self) -> Order:
        """The order: arithmetic where all records of a source stand in its order, else a list of positions."""
        return self._laid[0]

    @property
    def runs(self) -> Runs | None:
        """Which positions lie together; None where nothing tells."""
        return self._laid[1]

    @cached_property
    def _laid(self) -> tuple[Order, Runs | None]:
        length = self.input.length
        if length is None:
            return Sequential(None), None
        side, share = self._heaviest()
        sources = [placed_runs(leaf, self.memory, self.lanes) for leaf in side.sources]
        if not any(isinstance(source, Placement) for source in sources):
            return Sequential(length), None
        only = sources[0] if len(sources) == 1 and _is_whole(side) else None
        tiled = only.tiled() if isinstance(only, Placement) else None
        if isinstance(only, Placement) and tiled is not None and tiled.length == length:
            blocks = only.of(tiled(At(tiled.starts)).positions)
            return tiled, Runs.of(tiled.starts, np.ceil(only.nbytes[blocks] * share).astype(np.int64), length)
        blocks = _blocks(side, sources, length)
        nbytes = np.concatenate([source.nbytes for source in sources]) * share
        order = np.argsort(blocks, kind="stable")
        laid = blocks[order]
        starts = np.flatnonzero(np.diff(laid, prepend=-1))
        return Subset(length, order), Runs.of(starts, np.ceil(nbytes[laid[starts]]).astype(np.int64), length)

    def _heaviest(self) -> tuple[Node, float]:
        """Return the side of a zip with most bytes, or what stands in its place, and how many times these all have."""
        node = self.input
        while isinstance(node, Map | Picked):
            node = node.input
        if not isinstance(node, Zip):
            return self.input, 1.0
        sizes = [
            sum(_total(placed_runs(leaf, self.memory, self.lanes)) for leaf in side.sources) for side in node.inputs
        ]
        heaviest = int(np.argmax(sizes))
        return node.inputs[heaviest], sum(sizes) / max(sizes[heaviest], 1)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("_laid", None)
        return state


def _total(source: Placement | Runs) -> int:
    return source.total if isinstance(source, Runs) else source.distinct


def _blocks(node: Node, sources: list[Placement | Runs], length: int) -> Indices:
    """Return the block of each position, those of one source after those of the other."""
    ids = node.ids(At(np.arange(length, dtype=np.int64)))
    begins = np.cumsum([0, *(leaf.length for leaf in node.sources)])
    owner = begins.searchsorted(ids, "right") - 1
    blocks, first = np.empty(length, np.int64), 0
    for number, source in enumerate(sources):
        here = np.flatnonzero(owner == number) if len(sources) > 1 else slice(None)
        records = ids[here] - begins[number]
        blocks[here] = first + (source.at(records) if isinstance(source, Runs) else source.of(records))
        first += len(source.nbytes)
    return blocks


def _is_whole(node: Node) -> bool:
    """Say whether all records of a source stand there in its order."""
    while isinstance(node, Map | Picked):
        node = node.input
    return isinstance(node, Leaf)
