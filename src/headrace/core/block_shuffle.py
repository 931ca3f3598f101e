"""The shuffle of what lies far away: whole blocks in random order, records within a window of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from headrace.core import permutation, seeds
from headrace.core.address import At, drawn_at
from headrace.core.amounts import text_of
from headrace.core.arguments import whole
from headrace.core.cache import ByteCache
from headrace.core.errors import ArgumentError
from headrace.core.line import Line, lane_starts
from headrace.core.runs import Runs
from headrace.core.source import Indices
from headrace.core.windows import Windows

PIECES = 64
"""Into how many pieces a lane's share of a few large blocks is cut, so that lanes differ by epoch."""

_AHEAD = 16_384


@dataclass(frozen=True)
class BlockShuffle:
    """Blocks in random order, in lanes; within each lane, windows of whole blocks whose records are mixed.

    The blocks of an epoch are laid end to end in random order, and this line is cut into ``lanes`` of equal length.
    Position p belongs to lane p % lanes: so a reader of every W-th position has whole lanes, where W divides their
    number, and the order is the same for any number of readers. In each lane one window after the other is served, in
    random order of its records. A block lies in one window, or in two lanes where a border between them cuts it.

    Two windows of each lane have room in ``memory``: one that is served and the next, which is fetched meanwhile. Where
    all blocks have room in it, a lane is one window. Blocks that are too large for a window are cut, where they lie at
    hand; those that are fetched whole are refused.

    The scheme of two levels, blocks and then records of some, is that of CorgiPile (Xu et al., "In-database machine
    learning with CorgiPile: stochastic gradient descent without full data shuffle", SIGMOD 2022).

    Args:
        runs: The blocks.
        seed: A non-negative integer.
        memory: In bytes, for one reader of all lanes; of W readers each holds a W-th.
        lanes: How many.
        reshuffle: Whether every epoch has an order of its own; else all have that of epoch 0.

    Raises:
        ArgumentError: The memory does not hold two blocks for each lane, and they are fetched whole.

    >>> order = BlockShuffle(Runs.of([0, 3, 6, 9], [30] * 4, 12), seed=0, memory=120, lanes=2)
    >>> sorted(order(At(np.arange(12), epochs=3)).positions.tolist()) == list(range(12))
    True
    """

    runs: Runs
    seed: int
    memory: int
    lanes: int = 8
    reshuffle: bool = True
    key: seeds.Key = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", seeds.check(self.seed))
        object.__setattr__(self, "lanes", whole(self.lanes, "lanes", 1))
        object.__setattr__(self, "memory", whole(self.memory, "memory", 1))
        object.__setattr__(self, "key", seeds.key(self.seed, "block_shuffle"))
        if self.runs.total > self.memory and self.runs.largest > self.room:
            if self.runs.fetched:
                raise ArgumentError(self._too_little())
            object.__setattr__(self, "runs", self.runs.cut_to(self.room))
        elif 0 < len(self.runs) < self.lanes:  # all in memory; as they are, each lane would be the same in all epochs
            object.__setattr__(self, "runs", self.runs.cut(max(1, self.runs.length // (PIECES * self.lanes))))

    def _too_little(self) -> str:
        needed = 2 * self.lanes * self.runs.largest
        fewer = self.memory // (2 * self.runs.largest)
        mend = f"give it memory={text_of(min(needed, self.runs.total) * 1.005)!r}"
        mend += f", or lanes={fewer}" if fewer else ""
        return (
            f"block_shuffle(memory={text_of(self.memory)!r}, lanes={self.lanes}) holds two windows of whole blocks for "
            f"each lane, and the largest of {len(self.runs):,} blocks has {text_of(self.runs.largest)}: {mend}, or "
            "write the data in smaller blocks"
        )

    @property
    def room(self) -> int:
        """How many bytes the blocks of a window may have."""
        return self.memory // (2 * self.lanes)

    @property
    def length(self) -> int:
        return self.runs.length

    @property
    def below(self) -> int:
        return self.runs.length

    @property
    def reorders(self) -> bool:
        return self.reshuffle

    def __call__(self, at: At, /) -> At:
        return drawn_at(at, self.reshuffle, self._look_up)

    def find(self, position: int, below_epoch: int, epoch: int) -> int | None:
        if below_epoch != epoch or not 0 <= position < self.length:
            return None
        return int(self.inverse(np.array([position], np.int64), epoch)[0])

    def epochs(self, epoch: int) -> Iterable[int]:
        return (epoch,)

    def text(self) -> str:
        once = "" if self.reshuffle else ", reshuffle=False"
        about = f"{len(self.runs)} blocks {self.runs.digest}"
        return f"block_shuffle(seed={self.seed}, memory={self.memory}, lanes={self.lanes}{once}) of {about}"

    def line(self, epoch: int) -> Line:
        """Return where everything lies in an epoch; recent ones are kept, up to 256 MB in all."""
        return Line.unpacked(_lines.get((self, epoch if self.reshuffle else 0), _make_line))

    def forward(self, positions: Indices, epoch: int) -> Indices:
        """Return which position below lies under each position of an epoch: a new array."""
        found = np.empty(positions.shape, np.int64)
        line, windows = self.line(epoch), Windows(self.key, epoch if self.reshuffle else 0)
        borders = lane_starts(self.length, self.lanes)
        for start in range(0, positions.size, permutation.BLOCK):  # few enough to stay in the processor's cache
            rounds, lanes = np.divmod(positions[start : start + permutation.BLOCK], self.lanes)
            within = borders[lanes] + rounds
            within = self._mixed(line, within, windows.forward)
            places = line.starts.searchsorted(within, "right") - 1
            found[start : start + permutation.BLOCK] = (self.runs.starts[line.runs] - line.starts)[places] + within
        return found

    def inverse(self, below: Indices, epoch: int) -> Indices:
        """Return under which position of an epoch each position below lies: a new array."""
        line, windows = self.line(epoch), Windows(self.key, epoch if self.reshuffle else 0)
        runs = self.runs.at(below)
        within = line.starts[line.places[runs]] + (below - self.runs.starts[runs])
        within = self._mixed(line, within, windows.inverse)
        borders = lane_starts(self.length, self.lanes)
        lanes = borders.searchsorted(within, "right") - 1
        found: Indices = (within - borders[lanes]) * self.lanes + lanes
        return found

    def _mixed(self, line: Line, within: Indices, mix: Callable[[Indices, Indices, Indices], Indices]) -> Indices:
        """Return where the records of windows go, by their places in the line."""
        numbers = line.windows.searchsorted(within, "right") - 1
        begins = line.windows[numbers]
        return begins + mix(within - begins, numbers, line.windows[numbers + 1] - begins)

    def _look_up(self, positions: Indices, epoch: int) -> Indices:
        """Look up in stretches that are made at once and kept, where positions lie close together as in a batch."""
        size = positions.size
        if 1 < size < _AHEAD:
            low, high = int(positions[0]), int(positions[-1])
            stride = max((high - low) // (size - 1), 1)  # of a share every stride-th; its other positions are not made
            if stride <= self.lanes:
                rest = low % stride
                wanted = (positions - rest) // stride if stride > 1 else positions
                first, last = int(wanted.min()) // _AHEAD, int(wanted.max()) // _AHEAD
                if last - first < 2 and (stride == 1 or (wanted * stride + rest == positions).all()):
                    names = [(self, epoch, stride, rest, block) for block in range(first, last + 1)]
                    tables = [_ahead.get(name, _make_ahead) for name in names]
                    table = tables[0] if len(tables) == 1 else np.concatenate(tables)
                    return table.take(wanted - first * _AHEAD)
        return self.forward(positions, epoch)


def _make_line(name: tuple[BlockShuffle, int]) -> Indices:
    order, epoch = name
    room = None if order.runs.total <= order.memory else order.room
    laid = permutation.explicit(order.key, epoch, len(order.runs))
    return Line.laid(order.runs, laid, order.lanes, room).packed()


def _make_ahead(name: tuple[BlockShuffle, int, int, int, int]) -> Indices:
    order, epoch, stride, rest, block = name
    begin = block * _AHEAD * stride + rest
    return order.forward(np.arange(begin, min(begin + _AHEAD * stride, order.length), stride), epoch)


_lines: ByteCache[tuple[BlockShuffle, int], Indices] = ByteCache(256 << 20, idle=1.0)
_ahead: ByteCache[tuple[BlockShuffle, int, int, int, int], Indices] = ByteCache(16 << 20)
