"""What a reader tells sources of the blocks that it will ask for: the order is known, so this is arithmetic."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from headrace.core.address import At
from headrace.core.placement import Placement
from headrace.core.runs import Runs
from headrace.core.source import Indices
from headrace.nodes.block_shuffled import BlockShuffled
from headrace.nodes.cached import Cached
from headrace.nodes.leaf_runs import blocks_of
from headrace.nodes.node import Node
from headrace.nodes.topology import Topology
from headrace.nodes.touched import sources_of, touched

AHEAD = 1 << 30
"""Bytes of blocks that are named ahead, where no block shuffle says how much memory there is."""

_STRETCHES = 16  # into which that is divided: when one is over, sources are told anew
_MOST_STRETCHES = 64
_LOOKED_AT = 2048  # records of a stretch, at least
_PER_BLOCK = 8  # and of each block that it may have as many; one is missed in some thousand
_MOST_LOOKED_AT = 1 << 16
_BATCHES = 64  # of a stretch of batches that cannot be looked into record by record
_JITTER = np.random.Generator(np.random.PCG64(0)).random(_MOST_LOOKED_AT)  # else every k-th would be of one lane


def expects(node: Node) -> bool:
    """Say whether some source below may want to be told."""
    if isinstance(node, Cached) or getattr(getattr(node, "source", None), "expect", None) is not None:
        return True
    return any(expects(below) for below in node.inputs)


@dataclass(frozen=True, eq=False)
class _Listener:
    """A source that wants to be told.

    Args:
        tell: Its ``expect``.
        blocks: What is fetched for its records: blocks, or the pieces that they are made of.
        length: How many records it has.
    """

    tell: Callable[[Sequence[int]], None]
    blocks: Runs | Placement
    length: int

    @cached_property
    def nbytes(self) -> Indices:
        """Bytes of each block."""
        return self.blocks.nbytes if isinstance(self.blocks, Runs) else self.blocks.chunk_nbytes

    @cached_property
    def count(self) -> int:
        """How many blocks are not empty."""
        return int((self.blocks.lengths > 0).sum()) if isinstance(self.blocks, Runs) else len(self.nbytes)

    def used(self, records: Indices) -> tuple[Indices, Indices]:
        """Return the blocks of records, each once, and the place of the first of its records."""
        if isinstance(self.blocks, Runs):
            return np.unique(self.blocks.at(records), return_index=True)
        chunks, rows = self.blocks.touched(records)
        blocks, first = np.unique(chunks, return_index=True)
        return blocks, rows[first]


class _Stretch(NamedTuple):
    """Some steps, and the blocks that they read from: of each source those first used first."""

    epoch: int
    stop: int
    blocks: dict[int, list[int]]


class Expecting:
    """Tells sources ahead of time, a stretch of steps after the other; in between it costs a comparison.

    A source has ``expect(blocks)``: the numbers of the blocks that will be read from, this step's first. They are found
    from a sample of the positions of the next steps, up to the memory of a block shuffle or a gigabyte of them; more of
    the steps that come when those have passed.

    Args:
        node: What is read, as it is dealt out from position 0 on.
        end: The epoch before which reading ends; None: there is no end.
    """

    def __init__(self, node: Node, end: int | None) -> None:
        self._whole = node
        self._end = end
        self._listeners = _listeners(node)
        known = self._listeners.values()
        self._all = sum(one.count for one in known)
        length = max(sum(one.length for one in known), 1)
        weight = sum(int(one.nbytes.sum()) for one in known) / length
        self._budget = -(-_memory(node) // Topology.of(node).count) or AHEAD
        self._records = max(1, int(self._budget / _STRETCHES / max(weight, 1)))
        blocks = self._records * self._all / length
        self._looked_at = min(max(_LOOKED_AT, int(_PER_BLOCK * blocks)), _MOST_LOOKED_AT)
        self._told: dict[int, list[int]] = {}
        self._stretches: deque[_Stretch] = deque()
        self._at = (-1, -1, -1, 0)  # epoch and base, and from which step to which there is nothing to tell

    def look(self, node: Node, epoch: int, base: int, step: int, stride: int) -> None:
        """Tell the sources what comes from a step on, where that is news.

        Args:
            node: As it is dealt out from ``base`` on.
            epoch: The epoch.
            base: The global position from which records are dealt out.
            step: The step that is read next.
            stride: From one step that is read to the next.
        """
        now, begun, low, high = self._at
        if now == epoch and begun == base and low <= step < high:
            return
        goes_on = self._stretches and (epoch, step) >= (now, low) and (begun == base or (base == 0 and epoch > now))
        if not goes_on:
            self._stretches.clear()
        while self._stretches and (self._stretches[0].epoch, self._stretches[0].stop) <= (epoch, step):
            self._stretches.popleft()
        self._fill(node, epoch, step, stride)
        first = self._stretches[0] if self._stretches else None
        self._at = (epoch, base, step, first.stop if first is not None and first.epoch == epoch else step + 1)
        self._tell()

    def _fill(self, node: Node, epoch: int, step: int, stride: int) -> None:
        """Look further ahead, as far as there is room."""
        if self._stretches:
            last = self._stretches[-1]
            node = node if last.epoch == epoch else self._whole
            epoch, step = last.epoch, last.stop
        while len(self._stretches) < _MOST_STRETCHES and not self._is_enough():
            length = node.length
            if length is not None and step >= length:
                epoch, step, node = epoch + 1, step - length, self._whole
                if not self._whole.length or (self._end is not None and epoch >= self._end):
                    return
                continue
            stop, positions, records = self._sample(node, step, stride)
            self._stretches.append(_Stretch(epoch, stop, self._used(records, At(positions, epoch))))
            step = stop

    def _is_enough(self) -> bool:
        named = self._named()
        if sum(map(len, named.values())) >= self._all:
            return True
        return sum(int(self._listeners[key].nbytes[blocks].sum()) for key, blocks in named.items()) >= self._budget

    def _named(self) -> dict[int, list[int]]:
        """Return the blocks of all stretches, for each source those first used first."""
        return {
            key: list(dict.fromkeys(block for stretch in self._stretches for block in stretch.blocks.get(key, ())))
            for key in self._listeners
        }

    def _sample(self, node: Node, step: int, stride: int) -> tuple[int, Indices, Node]:
        """Return where the stretch from a step on ends, some positions in it, and the node that they are of."""
        batched = Topology.of(node).batched
        size = 1 if batched is None else batched.size
        below = node if batched is None else batched.input
        length, most = node.length, -(-self._records // size)
        if below.batched:
            most = min(most, _BATCHES)
        left = most if length is None else len(range(step, length, stride))
        count = min(most, left)
        looked = min(count * size, _BATCHES if below.batched else self._looked_at)
        spread = _JITTER[:looked] if looked < count * size else 0.0
        places = ((np.arange(looked) + spread) * (count * size / looked)).astype(np.int64)
        steps, rows = np.divmod(places, size)
        positions = (step + steps * stride) * size + rows
        if below.length is not None:
            positions = positions[positions < below.length]
        return step + count * stride, positions, below

    def _used(self, node: Node, at: At) -> dict[int, list[int]]:
        """Return the blocks under addresses, for each source those first used first."""
        firsts: dict[int, dict[int, int]] = {}
        for leaf, records, rows in touched(node, at):
            listener = self._listeners.get(id(leaf.source))
            if listener is None:
                continue
            blocks, first = listener.used(records)
            known = firsts.setdefault(id(leaf.source), {})
            for block, row in zip(blocks.tolist(), rows[first].tolist(), strict=True):
                known[block] = min(row, known.get(block, row))
        return {key: sorted(known, key=known.__getitem__) for key, known in firsts.items()}

    def _tell(self) -> None:
        for key, blocks in self._named().items():
            listener = self._listeners[key]
            sums = np.cumsum(listener.nbytes[blocks])
            named = blocks[: max(1, int(sums.searchsorted(self._budget, "right")))]
            if named != self._told.get(key):
                self._told[key] = named
                _tellers[key] = id(self)
                listener.tell(named)

    def __del__(self) -> None:
        """Tell the sources that nothing more will be read, unless another reader has told them something since."""
        for key in getattr(self, "_told", ()):
            if _tellers.get(key) == id(self):
                del _tellers[key]
                self._listeners[key].tell([])


_tellers: dict[int, int] = {}  # who has told a source last, by identity, while both live


def _listeners(node: Node) -> dict[int, _Listener]:
    """Return the sources that want to be told, by identity."""
    found: dict[int, _Listener] = {}
    for leaf in sources_of(node):
        tell = getattr(leaf.source, "expect", None)
        if tell is None:
            continue
        blocks: Runs | Placement | None = blocks_of(leaf, empty=True)
        if blocks is None and hasattr(leaf.source, "placement"):
            blocks = leaf.source.placement(1, 1)
        if blocks is not None and (len(blocks) if isinstance(blocks, Runs) else len(blocks.chunk_nbytes)):
            found.setdefault(id(leaf.source), _Listener(tell, blocks, leaf.length))
    return found


def _memory(node: Node) -> int:
    """Return the memory of the block shuffles in a chain, together."""
    here = node.memory if isinstance(node, BlockShuffled) else 0
    return here + sum(map(_memory, node.inputs))
