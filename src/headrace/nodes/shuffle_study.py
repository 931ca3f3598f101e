"""What an order fetches and how random it is, from its arithmetic alone; nothing is read."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from headrace.core.address import At
from headrace.core.block_shuffle import BlockShuffle
from headrace.core.errors import ArgumentError, EndlessError
from headrace.core.line import lane_starts
from headrace.core.placement import Placement
from headrace.core.runs import Runs
from headrace.core.shuffle_quality import Quality, displacement, distinct, independence, spread
from headrace.core.shuffle_report import Fetching, ShuffleReport
from headrace.core.source import Indices
from headrace.nodes.arranged import Arranged, placed_runs
from headrace.nodes.block_shuffled import BlockShuffled
from headrace.nodes.leaf_runs import PIECE, runs_of_leaf
from headrace.nodes.maps import Map
from headrace.nodes.node import Node
from headrace.nodes.ordered import Ordered
from headrace.nodes.picked import Picked
from headrace.nodes.topology import Topology
from headrace.nodes.touched import sources_of, touched

LANES = 8  # as a block shuffle has them, where none is written
_DRAWN = 64  # batches of a true shuffle
_BATCHES = 256
_SAMPLE = 1 << 16  # positions that measures look at
_RUN = 1 << 18  # positions that a reader is followed along


def study(node: Node, count: int | None, batch: int | None, memory: int, epoch: int) -> ShuffleReport:
    """Return the report of a chain.

    Args:
        node: The chain; maps, batches and a share on top are looked through.
        count: Readers; None for as many as the chain is shared by.
        batch: Records in a batch; None for the chain's, else 32.
        memory: What a reader of all holds, where no block shuffle says it.
        epoch: Whose order.

    Raises:
        EndlessError: There is no end.
        ArgumentError: The records are batches that were put in an order.
    """
    topology = Topology.of(node)
    ground = topology.ground
    length = ground.length
    if length is None:
        raise EndlessError("shuffle_report() needs an end, and this dataset has none: take(n) first")
    if ground.batched:
        raise ArgumentError("shuffle_report() is of an order of records: ask before batch()")
    readers = topology.count if count is None else count
    size = (topology.size if topology.batched is not None else 32) if batch is None else batch
    shuffled = _block_shuffle(ground)
    order = None if shuffled is None else shuffled.bound
    held = memory if order is None else max(order.memory // readers, 1) if order.lanes % readers == 0 else order.memory
    piece, lanes = (PIECE, LANES) if shuffled is None else (shuffled.piece, shuffled.lanes)
    storage = _Storage(ground, length, epoch, piece, memory if order is None else order.memory, lanes)
    random = np.random.RandomState(0)  # whose numbers no release of NumPy changes
    measures = _measures(storage, readers, size, random)
    blocks = storage.present
    if order is None or shuffled is None or len(order.runs) > len(shuffled.runs):  # of pieces, no whole blocks
        fetched = _followed(storage, storage.count(blocks), readers, size, held)
    else:
        fetched = _reckoned(order, readers, epoch)
    return ShuffleReport(
        order=_words(ground),
        records=length,
        blocks=len(blocks),
        nbytes=int(storage.nbytes[blocks].sum()),
        distinct=storage.distinct(blocks),
        largest=int(storage.nbytes[blocks].max(initial=0)),
        readers=readers,
        batch=size,
        memory=held,
        **_windows(order, epoch),
        fetching=fetched,
        shuffled=_if_shuffled(storage, readers, size, held, random),
        quality=measures.quality,
    )


@dataclass(frozen=True, eq=False)
class _Lain:
    """How the records of a source lie.

    Args:
        runs: In which blocks.
        first: The number of the first block.
        begin: The place of the first record.
        length: How many records there are.
    """

    runs: Runs | Placement
    first: int
    begin: int
    length: int

    @property
    def weight(self) -> int:
        """Bytes of all."""
        return self.runs.total if isinstance(self.runs, Runs) else self.runs.distinct

    def block(self, records: Indices) -> Indices:
        """Return the block of each record, counted from 0."""
        return self.runs.at(records) if isinstance(self.runs, Runs) else self.runs.of(records)

    @property
    def fetched_nbytes(self) -> Indices:
        """Bytes of what is fetched by itself."""
        return self.runs.nbytes if isinstance(self.runs, Runs) else self.runs.chunk_nbytes

    def fetched(self, records: Indices) -> Indices:
        """Return what is fetched for some records."""
        return np.unique(self.runs.at(records) if isinstance(self.runs, Runs) else self.runs.touched(records)[0])

    def place(self, records: Indices) -> Indices:
        """Return where each record lies among all, counted from 0."""
        if isinstance(self.runs, Runs):
            return records
        tiled = self.runs.tiled()
        return self._ranks[records] if tiled is None else tiled.inverse(records)

    @cached_property
    def _ranks(self) -> Indices:
        ranks = np.empty(self.length, np.int64)
        ranks[np.argsort(self.block(np.arange(self.length)), kind="stable")] = np.arange(self.length)
        return ranks


@dataclass(frozen=True, eq=False)
class _Storage:
    """Where the records of an epoch lie: blocks and places of all sources, one source after the other."""

    node: Node
    length: int
    epoch: int
    piece: int
    memory: int
    lanes: int

    @cached_property
    def _lain(self) -> dict[int, _Lain]:
        """Of each source how its records lie."""
        found: dict[int, _Lain] = {}
        blocks = places = 0
        for leaf in sources_of(self.node):
            if id(leaf.source) not in found:
                runs = placed_runs(leaf, self.memory, self.lanes)
                runs = runs_of_leaf(leaf, self.piece) if isinstance(runs, Runs) else runs
                found[id(leaf.source)] = _Lain(runs, blocks, places, leaf.length)
                blocks, places = blocks + len(runs.nbytes), places + leaf.length
        return found

    @cached_property
    def nbytes(self) -> Indices:
        """Bytes of each block."""
        return np.concatenate([np.empty(0, np.int64), *(one.runs.nbytes for one in self._lain.values())])

    @cached_property
    def _fetched(self) -> dict[int, int]:
        """Of each source the number of the first of what is fetched by itself."""
        firsts, first = {}, 0
        for key, one in self._lain.items():
            firsts[key] = first
            first += len(one.fetched_nbytes)
        return firsts

    @cached_property
    def fetched_nbytes(self) -> Indices:
        """Bytes of each block that is fetched by itself: chunks, where blocks are made of several."""
        return np.concatenate([np.empty(0, np.int64), *(one.fetched_nbytes for one in self._lain.values())])

    def count(self, present: Indices) -> int:
        """Return how many of them there are, of which the blocks that are present are made."""
        chunks = len(self.fetched_nbytes)
        return len(present) if chunks == len(self.nbytes) else chunks

    def fetched(self, positions: Indices) -> Indices:
        """Return what is fetched for some positions, each once."""
        found = [np.empty(0, np.int64)]
        for leaf, records, _ in touched(self.node, At(positions, self.epoch)):
            found.append(self._fetched[id(leaf.source)] + self._lain[id(leaf.source)].fetched(records))
        return np.unique(np.concatenate(found))

    def distinct(self, present: Indices) -> int:
        """Return the bytes of what blocks have, once: less than theirs together where some share it."""
        total = 0
        for one in self._lain.values():
            low, high = present.searchsorted([one.first, one.first + len(one.runs.nbytes)])
            here = int(self.nbytes[present[low:high]].sum())
            known = one.runs
            total += here if isinstance(known, Runs) else here * known.distinct // max(int(known.nbytes.sum()), 1)
        return total

    @cached_property
    def present(self) -> Indices:
        """The blocks that an epoch reads from: of a long one as far as a sample shows, all if it shows most."""
        long = self.length > _RUN
        every = np.linspace(0, self.length - 1, _RUN).astype(np.int64) if long else np.arange(self.length)
        seen = np.unique(self.look(every)[0])
        return np.arange(len(self.nbytes)) if long and 2 * len(seen) > len(self.nbytes) else seen

    def look(self, positions: Indices) -> tuple[Indices, Indices]:
        """Return the block of each position, and its place; of the sides of a zip that with most bytes."""
        blocks, places = np.zeros(len(positions), np.int64), np.zeros(len(positions), np.int64)
        weight = np.full(len(positions), -1)
        for leaf, records, rows in touched(self.node, At(positions, self.epoch)):
            lain = self._lain[id(leaf.source)]
            heavier = weight[rows] < lain.weight
            rows, records = rows[heavier], records[heavier]
            weight[rows] = lain.weight
            blocks[rows], places[rows] = lain.first + lain.block(records), lain.begin + lain.place(records)
        return blocks, places


class _Measured(NamedTuple):
    quality: Quality
    drawn: float  # blocks in a batch of a true shuffle


def _measures(storage: _Storage, readers: int, batch: int, random: np.random.RandomState) -> _Measured:
    length = storage.length
    share = length // readers
    size = min(batch, share)
    if size < 1:
        return _Measured(Quality(None, None, None), 1.0)
    number = max(1, min(_BATCHES, share // size, _SAMPLE // size))
    steps = np.unique(random.randint(0, share // size, number, np.int64))
    rank = random.randint(0, readers, len(steps), np.int64)
    positions = rank[:, None] + readers * (steps[:, None] * size + np.arange(size))
    blocks, places = (found.reshape(positions.shape) for found in storage.look(positions.reshape(-1)))
    drawn, _ = storage.look(random.randint(0, length, positions.size, np.int64))
    shuffled = distinct(drawn.reshape(positions.shape))
    stored = 1 + (size - 1) * (len(storage.present) - 1) / max(length - 1, 1)
    some = np.unique(random.randint(0, length, min(4096, length), np.int64))
    quality = Quality(
        spread(distinct(blocks), stored, shuffled), displacement(storage.look(some)[1]), independence(places)
    )
    return _Measured(quality, shuffled)


def _block_shuffle(node: Node) -> BlockShuffled | None:
    while isinstance(node, Map | Picked):
        node = node.input
    return node if isinstance(node, BlockShuffled) else None


def _words(node: Node) -> str:
    """Return the highest order that decides, as it is written."""
    while len(node.inputs) == 1:
        if isinstance(node, Ordered) and (node.reorders or node.whole) and not isinstance(node, Arranged):
            return node.words()
        node = node.inputs[0]
    return "storage order" if not node.inputs else node.words()


def _windows(order: BlockShuffle | None, epoch: int) -> dict[str, int | None]:
    if order is None:
        return dict.fromkeys(("lanes", "windows", "window_records", "window_bytes"))
    line = order.line(epoch)
    return {
        "lanes": order.lanes,
        "windows": len(line.windows) - 1,
        "window_records": int(np.diff(line.windows).max(initial=0)),
        "window_bytes": int(_of_windows(order, epoch)[0].max(initial=0)),
    }


def _of_windows(order: BlockShuffle, epoch: int) -> tuple[Indices, Indices]:
    """Return how many bytes, and how many blocks, each window of an epoch touches."""
    line = order.line(epoch)
    sums = np.concatenate([[0], np.cumsum(order.runs.nbytes[line.runs])])
    firsts = line.starts.searchsorted(line.windows[:-1], "right") - 1
    lasts = line.starts.searchsorted(line.windows[1:], "left")
    return sums[lasts] - sums[firsts], lasts - firsts


def _reckoned(order: BlockShuffle, readers: int, epoch: int) -> Fetching:
    """Return what a block shuffle fetches: each block once for each lane that it lies in."""
    line, runs = order.line(epoch), order.runs
    nbytes, numbers = _of_windows(order, epoch)
    borders = lane_starts(order.length, order.lanes)
    lane_of = np.minimum(borders.searchsorted(line.windows[:-1], "right") - 1, order.lanes - 1)
    sizes = np.concatenate([[0], np.cumsum(runs.nbytes[line.runs])])
    firsts = line.starts.searchsorted(borders[:-1], "right") - 1
    lasts = np.maximum(line.starts.searchsorted(borders[1:], "left"), firsts)
    filled = borders[1:] > borders[:-1]
    items, weights = np.where(filled, lasts - firsts, 0), np.where(filled, sizes[lasts] - sizes[firsts], 0)
    held = np.zeros((order.lanes, 2), np.int64)
    for lane in np.flatnonzero(filled).tolist():
        here = np.flatnonzero(lane_of == lane)
        for place, of in enumerate((nbytes[here], numbers[here])):
            held[lane, place] = int(np.max(of[:-1] + of[1:])) if len(of) > 1 else int(of.sum())
    each = readers if order.lanes % readers else 1  # then every reader reads from every lane
    owner = np.zeros(order.lanes, np.int64) if each > 1 else np.arange(order.lanes) % readers
    by_reader = [np.flatnonzero(owner == reader) for reader in range(1 if each > 1 else readers)]
    fetches = int(items.sum()) * each
    return Fetching(
        fetches=fetches,
        amplification=fetches / max(len(runs), 1),
        reader_blocks=min(len(runs), max(int(items[lanes].sum()) for lanes in by_reader)),
        reader_bytes=max(int(weights[lanes].sum()) for lanes in by_reader),
        held_blocks=min(len(runs), max(int(held[lanes, 1].sum()) for lanes in by_reader)),
        held_bytes=min(runs.total, max(int(held[lanes, 0].sum()) for lanes in by_reader)),
    )


def _followed(storage: _Storage, count: int, readers: int, batch: int, memory: int) -> Fetching:
    """Follow reader 0 with a cache of whole blocks, least recently used out; of a long epoch along its beginning.

    What is fetched in the second half of what was followed goes on to the end.
    """
    share = -(-storage.length // readers)
    steps = min(-(-share // batch), max(1, _RUN // batch))
    held: OrderedDict[int, int] = OrderedDict()
    room, most, most_bytes, fetched, late, nbytes = memory, 0, 0, 0, 0, 0
    seen: set[int] = set()
    for step in range(steps):
        positions = readers * np.arange(step * batch, min((step + 1) * batch, share))
        for block in storage.fetched(positions[positions < storage.length]).tolist():
            if block in held:
                held.move_to_end(block)
                continue
            size = int(storage.fetched_nbytes[block])
            held[block], room, fetched, nbytes = size, room - size, fetched + 1, nbytes + size
            late += step >= steps // 2
            while room < 0 and len(held) > 1:
                room += held.popitem(last=False)[1]
            most, most_bytes = max(most, len(held)), max(most_bytes, memory - room)
        seen.update(held)
    rest = (-(-share // batch) - steps) * late / max(steps - steps // 2, 1)
    each = max(fetched + rest, count) if readers == 1 else fetched + rest  # none is left out
    whole = rest == 0
    return Fetching(
        fetches=round(each * readers),
        amplification=each * readers / max(count, 1),
        reader_blocks=len(seen) if whole else min(count, len(seen) + round(rest)),
        reader_bytes=round(nbytes * each / max(fetched, 1)),
        held_blocks=most,
        held_bytes=most_bytes,
    )


def _if_shuffled(storage: _Storage, readers: int, batch: int, memory: int, random: np.random.RandomState) -> Fetching:
    """Estimate what a true shuffle fetches: of the blocks of each batch those that the cache does not hold."""
    total, count = int(storage.fetched_nbytes.sum()), len(storage.fetched_nbytes)
    share = -(-storage.length // readers)
    size = min(batch, share)
    drawn = nbytes = 0.0
    for _ in range(_DRAWN if size else 0):
        found = storage.fetched(random.randint(0, storage.length, size, np.int64))
        drawn += len(found) / _DRAWN
        nbytes += float(storage.fetched_nbytes[found].sum()) / _DRAWN
    part = min(1.0, memory / max(total, 1))
    seen = min(count, round(share / max(size, 1) * drawn))
    each = max(float(seen), share / max(size, 1) * drawn * (1 - part)) if part < 1 else float(seen)
    return Fetching(
        fetches=round(each * readers),
        amplification=each * readers / max(count, 1),
        reader_blocks=seen,
        reader_bytes=round(each * nbytes / max(drawn, 1e-9)),
        held_blocks=round(count * part),
        held_bytes=min(memory, total),
    )
