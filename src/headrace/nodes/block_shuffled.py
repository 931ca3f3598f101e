"""The node of a block shuffle: the order, over the blocks that lie below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headrace.core.amounts import text_of
from headrace.core.block_shuffle import BlockShuffle
from headrace.core.errors import OrderError
from headrace.core.order import Sequential
from headrace.core.runs import Runs
from headrace.nodes.arranged import arranged
from headrace.nodes.leaf_runs import PIECE
from headrace.nodes.maps import Map
from headrace.nodes.node import Node, costs_nothing
from headrace.nodes.ordered import Ordered
from headrace.nodes.picked import Picked
from headrace.nodes.storage import runs_of

_WINDOW = 8  # blocks, at least, of data without blocks of its own


@dataclass(frozen=True, eq=False)
class BlockShuffled(Ordered):
    """Blocks in random order, and records within windows of some; see :class:`headrace.core.block_shuffle`.

    Args:
        seed: A non-negative integer.
        memory: In bytes.
        lanes: How many.
    """

    seed: int = 0
    memory: int = 1
    lanes: int = 8

    @classmethod
    def of(cls, node: Node, seed: int, memory: int, lanes: int, reshuffle: bool) -> BlockShuffled:
        """Return the records of a node in such an order."""
        says = f"block_shuffle(memory={text_of(memory)!r}, seed={seed}"
        says += f"{'' if lanes == 8 else f', lanes={lanes}'}{'' if reshuffle else ', reshuffle=False'})"
        return cls(arranged(node, memory, lanes), Sequential, says, reshuffle, True, True, seed, memory, lanes)

    @cached_property
    def runs(self) -> Runs:
        """Which positions of the node below lie together.

        Raises:
            OrderError: See :func:`headrace.nodes.storage.runs_of`.
        """
        return runs_of(self.input, self.piece)

    @property
    def piece(self) -> int:
        """How many bytes a block of data without blocks has at most."""
        return max(1, min(PIECE, self.memory // (2 * self.lanes * _WINDOW)))

    @cached_property
    def bound(self) -> BlockShuffle:
        """The order over the blocks that lie below."""
        return BlockShuffle(self.runs, self.seed, self.memory, self.lanes, self.reorders)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state.pop("runs", None)
        return state


def refuse_apart(nodes: Sequence[Node]) -> None:
    """Refuse to join block shuffles side by side that were meant to be the same, and are not.

    Of one seed, over as many records, they would be the same if the records lay in the same blocks.

    Raises:
        OrderError: They lie in others.
    """
    first: dict[tuple[int, int | None], str] = {}
    for node in nodes:
        while isinstance(node, Map | Picked):
            node = node.input
        if not isinstance(node, BlockShuffled) or not costs_nothing(node):
            continue
        order = " | ".join(one.split(" records ")[-1] for one in node.order()[1:])  # all but which data it is
        if first.setdefault((node.seed, node.length), order) != order:
            raise OrderError(
                f"zip would put side by side what does not belong together: {node.words()} gives two sides of "
                f"{node.length:,} records two orders, since their records lie in different blocks. Write "
                "zip(...) first, then block_shuffle(...); or give them different seeds, if that is meant"
            )
