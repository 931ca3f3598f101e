"""Records that are made once, kept in a store, and read from there ever after."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from headrace.core.address import At
from headrace.core.records import Records
from headrace.core.schema import Schema
from headrace.core.source import Source
from headrace.nodes.leaf import Leaf
from headrace.nodes.node import Context, Node, Over, costs_nothing


class Keeper(Protocol):
    """Keeps the records of nodes under a name or a key."""

    def find(self, node: Node, /) -> Source | None:
        """Return the kept records of a node, in its order; None where they were not made yet."""
        ...

    def make(self, node: Node, /) -> Source:
        """Return the kept records of a node, made now unless another has made them meanwhile."""
        ...

    def order(self, source: Source, /) -> tuple[str, ...] | None:
        """Return the lines of the node's order that were noted with its records; None where there are none."""
        ...

    def words(self) -> str:
        """Return how a chain shows the step."""
        ...


@dataclass(frozen=True, eq=False)
class Cached(Over):
    """The records of the node below, made when one is first read, or found where they were made before.

    The node below lies still, so that one epoch of it is all there is. In all but reading this node is the one below:
    a state saved without the cache is resumed with it. What would take a pass over the records below is noted with
    those that are kept.

    Args:
        input: The node below.
        keeper: Who keeps them.
    """

    keeper: Keeper
    _memo: dict[str, Leaf] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=Lock, repr=False)

    @property
    def leaf(self) -> Leaf:
        """The kept records; made now, if they are nowhere. Other threads wait for it."""
        if "leaf" not in self._memo:
            with self._lock:
                if "leaf" not in self._memo:
                    self._memo["leaf"] = Leaf(self.keeper.make(self.input))
        return self._memo["leaf"]

    @property
    def known(self) -> bool:
        """Whether they are at hand."""
        return "leaf" in self._memo

    def _needed(self) -> Leaf | None:
        """Return the kept records, if they are at hand, or if the node below could only tell by reading its own."""
        return self.leaf if self.known or not costs_nothing(self.input) else None

    @property
    def length(self) -> int | None:
        leaf = self._needed()
        return self.input.length if leaf is None else leaf.length

    def order(self) -> tuple[str, ...]:
        leaf = self._needed()
        noted = None if leaf is None else self.keeper.order(leaf.source)
        return self.input.order() if noted is None else noted

    def read(self, at: At, context: Context) -> Records:
        return self.leaf.read(At(at.positions), context)

    def schema(self) -> Schema | None:
        return self._memo["leaf"].schema() if self.known else self.input.schema()

    def words(self) -> str:
        return self.keeper.words()

    def __getstate__(self) -> dict[str, Any]:
        leaf = self.leaf  # made by who sends it to others, once
        return {**self.__dict__, "_memo": {"leaf": leaf}, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=Lock())
