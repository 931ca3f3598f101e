"""What every node of the random-access layer can answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from headrace.core.address import At
from headrace.core.buffers import Buffers
from headrace.core.failures import Failure, OnError
from headrace.core.meter import Clock, Kind
from headrace.core.records import Records
from headrace.core.schema import Schema
from headrace.core.source import Indices

if TYPE_CHECKING:
    from headrace.nodes.leaf import Leaf


@dataclass
class Context:
    """What one reader carries down a tree with each read.

    Args:
        buffers: Its own, which batches are gathered into.
        clock: Where steps say how long they took; None where nobody asks.
        on_error: What becomes of records that fail, in steps that have no policy of their own.
        failures: The records that were left out or replaced.
        decided: What a policy said of a record, so that it is asked once in each read.
        retried: The steps that were tried again on many records at once.
    """

    buffers: Buffers = field(default_factory=Buffers)
    clock: Clock | None = None
    on_error: OnError = "raise"
    failures: list[Failure] = field(default_factory=list)
    decided: dict[tuple[int, int, int], Any] = field(default_factory=dict)
    retried: set[int] = field(default_factory=set)
    _words: dict[int, str] = field(default_factory=dict, repr=False)

    def lap(self, node: Node, kind: Kind, items: int, began: float) -> None:
        """Note that a step worked by itself from a time of ``perf_counter`` until now."""
        if self.clock is not None:
            words = self._words.get(id(node))
            if words is None:
                words = self._words[id(node)] = node.words()
            self.clock.add(words, kind, items, perf_counter() - began)

    def settle(self) -> list[Failure]:
        """Return the records that were left out since the last time, and forget what was decided of them."""
        if self.decided or self.retried:
            self.decided.clear()
            self.retried.clear()
        if not self.failures:
            return []
        failures, self.failures = self.failures, []
        return failures


class Node(Protocol):
    """Records at addresses (epoch, position): a frozen description, a pure function, safe in any thread.

    Positions handed to ``read`` and ``ids`` lie in ``range(length)``: the face has checked them.
    """

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes below."""
        ...

    @property
    def length(self) -> int | None:
        """Records per epoch; None without an end. A filter is evaluated for it."""
        ...

    @property
    def sources(self) -> tuple[Leaf, ...]:
        """The nodes in which records lie, each once: ``ids`` number their records one source after the other."""
        ...

    @property
    def universe(self) -> int:
        """How many source records lie below; ``ids`` are in its range."""
        ...

    @property
    def batched(self) -> bool:
        """Whether a record is a whole batch."""
        ...

    def read(self, at: At, context: Context) -> Records:
        """Return the records at these addresses, owned by the caller."""
        ...

    def ids(self, at: At) -> Indices:
        """Return the source record under each address."""
        ...

    def find(self, record: int, epoch: int) -> int | None:
        """Return the first position of an epoch under which a source record lies; None when it is not in there."""
        ...

    @property
    def once(self) -> bool:
        """Whether no source record lies at two positions of an epoch; then orders over it can be inverted."""
        ...

    def schema(self) -> Schema | None:
        """Return what records look like; None where only a read can tell."""
        ...

    def order(self) -> tuple[str, ...]:
        """Return a line for each thing that decides which record lies where: the identity that states carry."""
        ...

    def code(self) -> tuple[str, ...]:
        """Return a line for each function that makes records."""
        ...

    def moves(self) -> str | None:
        """Name what makes another record lie at a position in another epoch; None when nothing does."""
        ...

    def varies(self) -> str | None:
        """Name what makes the set of records differ by epoch; None when nothing does."""
        ...

    def words(self) -> str:
        """Return this node's own step, as a chain shows it: ``shuffle(seed=0)``."""
        ...


@dataclass(frozen=True, eq=False)
class Over:
    """What lies over one other node, and follows it in everything that it does not say itself."""

    input: Node

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.input,)

    @property
    def length(self) -> int | None:
        return self.input.length

    @property
    def sources(self) -> tuple[Leaf, ...]:
        return self.input.sources

    @property
    def universe(self) -> int:
        return self.input.universe

    @property
    def batched(self) -> bool:
        return self.input.batched

    def ids(self, at: At) -> Indices:
        return self.input.ids(at)

    def find(self, record: int, epoch: int) -> int | None:
        return self.input.find(record, epoch)

    @property
    def once(self) -> bool:
        return self.input.once

    def schema(self) -> Schema | None:
        return self.input.schema()

    def order(self) -> tuple[str, ...]:
        return self.input.order()

    def code(self) -> tuple[str, ...]:
        return self.input.code()

    def moves(self) -> str | None:
        return self.input.moves()

    def varies(self) -> str | None:
        return self.input.varies()


def costs_nothing(node: Node) -> bool:
    """Say whether the length is known without a pass over records: of a filter that has run, or of kept records."""
    if getattr(node, "known", False):
        return True
    return not getattr(node, "passes", False) and all(map(costs_nothing, node.inputs))
