"""The crossing: a Dataset as a flow. Left of it the state of a run is a few integers."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from headrace.core.address import At, spread
from headrace.core.batch import Batch
from headrace.core.errors import OrderError, RecordError, SchemaError, StateError
from headrace.core.flow import Cursor, State
from headrace.core.order import ENDLESS_STRIDE
from headrace.core.source import Indices
from headrace.core.state import read_whole
from headrace.nodes.batched import Batched
from headrace.nodes.blocks import rows_that_fit
from headrace.nodes.leaf import Leaf
from headrace.nodes.maps import Map
from headrace.nodes.node import Context, Node
from headrace.nodes.picked import Picked
from headrace.nodes.rewrite import over
from headrace.nodes.sharded import Sharded
from headrace.nodes.show import chain, costs_nothing

Upper: TypeAlias = Map | Picked | Batched
"""What can stand on a share without making its state a reader's own."""

_MOST_RECORDS = 256  # records read together where they are handed out one by one


@dataclass(frozen=True, eq=False)
class Crossing:
    """The records of a node, epoch after epoch.

    The state is global: it says how far *all* readers of a sharded run have come, so that it can be resumed by
    another number of them and with batches of another size. ``{epoch, base, step, size, count}`` means that from the
    global position ``base`` on, ``step`` batches of ``size`` records were handed out by each of ``count`` readers.

    Args:
        node: What is read.
        epochs: How many epochs; None for ever.
    """

    node: Node
    epochs: int | None = 1

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        rounds = ENDLESS_STRIDE if self.epochs is None else self.epochs  # a take() of an endless one can be repeated
        return _CrossingCursor(self, int(spread(epoch, rounds)), state)

    def length(self) -> int | None:
        if self.epochs is None or self.node.length is None:
            return None
        return self.epochs * self.node.length

    def order(self) -> tuple[str, ...]:
        return self._lines

    @cached_property
    def _lines(self) -> tuple[str, ...]:
        return self.topology.ground.order()

    def code(self) -> tuple[str, ...]:
        return self.node.code()

    @property
    def endless(self) -> bool:
        """Whether there is no end; a filter is not evaluated for the answer."""
        return self.epochs is None or (costs_nothing(self.node) and self.node.length is None)

    @property
    def costly(self) -> bool:
        """Whether the length takes a pass over the records."""
        return not costs_nothing(self.node)

    def words(self) -> str:
        """Return the chain as text."""
        return f"{chain(self.node)} -> stream({'' if self.epochs == 1 else f'epochs={self.epochs}'})"

    @property
    def readers(self) -> int:
        """How many readers share the records."""
        return self.topology.count

    @cached_property
    def topology(self) -> Topology:
        """How the records are dealt out to readers and batches."""
        return Topology.of(self.node)


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


class _CrossingCursor:
    """A place in a node's epochs."""

    def __init__(self, flow: Crossing, first_epoch: int, state: State | None) -> None:
        self._flow = flow
        self._end = None if flow.epochs is None else first_epoch + flow.epochs
        self._context = Context()
        self._ahead: deque[Any] = deque()  # records that were read together with one handed out
        self._block = 1
        self._names: Any = None
        self._closed = False
        self._enter(first_epoch, 0, 0)
        if state is not None:
            self._load(state)

    def _enter(self, epoch: int, base: int, step: int) -> None:
        self._epoch, self._base, self._step = epoch, base, step
        self._node = self._flow.node if base == 0 else self._flow.topology.rebased(base)
        self._ahead.clear()
        self._steps: int | None = -1  # asked for at the first step: a filter's length costs a pass

    def _load(self, state: State) -> None:
        epoch, base, step = (read_whole(state, name) for name in ("epoch", "base", "step"))
        size, count = (read_whole(state, name, least=1) for name in ("size", "count"))
        _check_files(self._flow.node, state.get("files", {}))
        topology = self._flow.topology
        if (size, count) != (topology.size, topology.count):
            base, step = base + step * size * count, 0
        length = topology.ground.length
        self._enter(epoch, base if length is None else min(base, length), step)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while not self._closed and (self._end is None or self._epoch < self._end):
            if self._steps == -1:
                self._steps = self._node.length
            if self._steps is None or self._step < self._steps:
                item = self._read()
                self._step += 1  # only now: a failed read can be tried again
                return item
            if self._end is None and not self._flow.node.length:
                raise OrderError(
                    f"{self._flow.node.words()} gives no records, so streaming it for ever would never end"
                )
            self._enter(self._epoch + 1, 0, 0)
        self.close()
        raise StopIteration

    def _read(self) -> Any:
        if type(self._node) is Batched:
            return self._alike(self._node.batch(self._step, self._epoch, self._context))
        if self._node.batched:
            at = At(np.array([self._step], np.int64), self._epoch)
            return self._alike(self._node.read(at, self._context).rows()[0])
        if not self._ahead:
            self._read_ahead()
        return self._ahead.popleft()

    def _read_ahead(self) -> None:
        """Read some records together: twice as many each time, and one by one where one of them fails."""
        stop = self._step + self._block
        stop = stop if self._steps is None else min(stop, self._steps)
        at = At(np.arange(self._step, stop, dtype=np.int64), self._epoch)
        try:
            records = self._node.read(at, self._context)
        except RecordError:
            if len(at.positions) == 1:
                raise
            self._block = 1  # those before the one that fails are handed out first; it will raise in its turn
            return self._read_ahead()
        self._ahead.extend(records.rows())
        self._block = min(self._block * 2, rows_that_fit(records, _MOST_RECORDS))

    def _alike(self, item: Any) -> Any:
        """Make sure that every batch has the columns of those before it."""
        if isinstance(item, Batch | Mapping):
            names: Any = item.keys()
        elif type(item) is tuple:
            names = len(item)
        else:
            return item
        if self._names is None:
            self._names = names if isinstance(names, int) else dict.fromkeys(names).keys()
        elif self._names != names:  # names in another order are the same names
            raise SchemaError(
                f"batch {self._step} of epoch {self._epoch} has {_shown(names)}, earlier ones had "
                f"{_shown(self._names)}: a map must return the same columns for every record"
            )
        return item

    def indices(self, step: int | None = None) -> Indices:
        """Return the source records of a step of the running epoch, by default the next; int64, shape (records,)."""
        at = At(np.array([self._step if step is None else step], np.int64), self._epoch)
        return self._node.ids(at)

    def state(self) -> State:
        topology = self._flow.topology
        state: State = {
            "epoch": self._epoch,
            "base": self._base,
            "step": self._step,
            "size": topology.size,
            "count": topology.count,
        }
        return {**state, "files": self._files} if self._files else state

    @cached_property
    def _files(self) -> dict[str, str]:
        return _files(self._flow.node)

    def close(self) -> None:
        self._closed = True
        self._ahead.clear()
        self._context = Context()


def _shown(names: Any) -> str:
    return f"{names} fields" if isinstance(names, int) else f"columns {', '.join(names)}"


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    for below in node.inputs:
        yield from _leaves(below)


def _files(node: Node) -> dict[str, str]:
    """Return a stamp (size and time) for each file that the sources lie in; of many files one for all."""
    stamps: dict[str, str] = {}
    for leaf in _leaves(node):
        give = getattr(leaf.source, "files", None)
        stamps.update(give() if give is not None else {})
    if len(stamps) <= 4:
        return {f"{zlib.crc32(path.encode()):08x}": stamp for path, stamp in sorted(stamps.items())}
    joined = repr(sorted(stamps.items())).encode()
    return {f"{zlib.crc32(repr(sorted(stamps)).encode()):08x}": f"{zlib.crc32(joined):08x}"}


def _check_files(node: Node, saved: Any) -> None:
    """Refuse a state whose files changed since: same path, other size or time."""
    if not isinstance(saved, dict):
        raise StateError(f"the state is damaged: 'files' should be a mapping, got {saved!r}")
    for name, stamp in _files(node).items():
        if saved.get(name, stamp) != stamp:
            raise StateError(
                f"a file that this dataset reads has changed since the state was saved: size and time were "
                f"{saved[name]}, now {stamp}; start a new run, or bring the file back"
            )
