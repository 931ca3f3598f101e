"""The crossing: a Dataset as a flow. Left of it the state of a run is a few integers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.errors import OrderError, SchemaError
from headrace.core.failures import SKIP, OnError, leaves_out
from headrace.core.flow import Cursor, State
from headrace.core.ledger import Ledger
from headrace.core.order import ENDLESS_STRIDE
from headrace.core.permutation import EXPLICIT_LIMIT
from headrace.core.sizes import records_in
from headrace.core.source import Indices
from headrace.core.state import read_whole
from headrace.nodes.blocks import items_that_fit
from headrace.nodes.expecting import expects
from headrace.nodes.maps import has_policies
from headrace.nodes.node import Node, costs_nothing
from headrace.nodes.reading import Job, Reading
from headrace.nodes.show import chain
from headrace.nodes.stamps import check_files, files
from headrace.nodes.topology import Topology
from headrace.workers.inline import Inline
from headrace.workers.prefetch import Prefetch
from headrace.workers.running import Running
from headrace.workers.straight import Straight
from headrace.workers.work import Done, Failed, Place, Workers

_MOST_RECORDS = 256  # records read together where they are handed out one by one
_MOST_BATCHES = 16
_SMALL = 1 << 18  # bytes
_SHORT = 2e-4  # seconds: batches that take less are asked for together
_LAST_EPOCH = 1 << 62
_FOLDED = 1 << 30
_WORTH_PREPARING = 1 << 15  # records: the order of fewer is made in less than a millisecond


@dataclass(frozen=True, eq=False)
class Crossing:
    """The records of a node, epoch after epoch.

    The state is global: it says how far *all* readers of a sharded run have come, so that it can be resumed by
    another number of them and with batches of another size. ``{epoch, base, step, size, count}`` means that from the
    global position ``base`` on, ``step`` batches of ``size`` records were handed out by each of ``count`` readers.

    Args:
        node: What is read.
        epochs: How many epochs; None for ever.
        workers: Who reads. Neither they nor what follows here belong to the identity of the flow.
        prefetch: How far they run ahead.
        copy: Whether batches are owned; else those from other processes are views of memory shared with them.
        on_error: What becomes of records that fail.
        max_errors: How many different records may fail, or which fraction of an epoch's.
        lane: Which steps are read: ``(index, count)`` for every count-th of all epochs' steps, from index on.
        offset: How many steps lie behind: whole epochs of them, and the front of the first one that is read. It is a
            place to begin at, and no part of the identity of the flow.
        ledger: What the latest iteration has measured, and which records failed in it.
    """

    node: Node
    epochs: int | None = 1
    workers: Workers = field(default_factory=Inline)
    prefetch: Prefetch = field(default_factory=Prefetch)
    copy: bool = True
    on_error: OnError = "raise"
    max_errors: int | float = 100
    lane: tuple[int, int] = (0, 1)
    offset: int = 0
    ledger: Ledger = field(default_factory=Ledger)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        return _CrossingCursor(self, epoch, state)

    def length(self) -> int | None:
        if self.epochs is None or self.node.length is None:
            return None
        if leaves_out(self.on_error) and not self.node.batched:  # batches become shorter, and as a rule not fewer
            return None
        index, count = self.lane
        _, skipped = self.begin
        return len(range(index, max(0, self.epochs * self.node.length - skipped), count))

    @cached_property
    def begin(self) -> tuple[int, int]:
        """The epoch in which the offset lies, and how many of its steps lie behind."""
        length = self.node.length if self.offset else 0
        return divmod(self.offset, length) if length else (0, self.offset if length is None else 0)

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
        given = [] if self.epochs == 1 else [f"epochs={self.epochs}"]
        given += [f"start_offset={self.offset}"] if self.offset else []
        given += [f"workers={self.workers.words()}"] if self.workers.size else []
        return f"{chain(self.node)} -> stream({', '.join(given)})"

    @property
    def readers(self) -> int:
        """How many readers share the records."""
        return self.topology.count

    @cached_property
    def topology(self) -> Topology:
        """How the records are dealt out to readers and batches."""
        return Topology.of(self.node)

    def share(self, place: Place) -> None:
        """Hold the large arrays of the sources in memory that processes share."""
        Reading(self.node).share(place)

    def with_lane(self, index: int, count: int) -> Crossing:
        """Return every ``count``-th item of this flow, from ``index`` on."""
        outer_index, outer_count = self.lane
        return replace(self, lane=(outer_index + index * outer_count, outer_count * count), ledger=Ledger())


def first_epoch(epoch: int, epochs: int | None) -> int:
    """Return the first of a node's epochs that a flow of so many goes through when it is started for an epoch.

    Each epoch of the flow has some of its own, as long as 62 bits hold them. What is beyond that, as the epochs of
    muxes that nest are, is folded by a hash into 30 bits, so that whatever repeats below has room.

    >>> first_epoch(3, 2), first_epoch(1, None) == 2**32, first_epoch(2**100, 1) < 2**30
    (6, True, True)
    """
    rounds = ENDLESS_STRIDE if epochs is None else max(epochs, 1)  # a take() of an endless one can be repeated
    if (epoch + 1) * rounds <= _LAST_EPOCH:
        return epoch * rounds
    digest = blake2b(str(epoch).encode(), digest_size=16).digest()
    return int.from_bytes(digest, "little") % min(_LAST_EPOCH // rounds, _FOLDED) * rounds


class _CrossingCursor:
    """A place in a node's epochs."""

    def __init__(self, flow: Crossing, round: int, state: State | None) -> None:
        self._flow = flow
        behind, self._skipped = flow.begin
        self._first = first_epoch(round, flow.epochs) + behind
        self._end = None if flow.epochs is None else self._first + flow.epochs
        self._ahead: deque[Any] = deque()  # items that came with the one handed out last
        self._running: Running | Straight | None = None
        self._batched = flow.node.batched
        self._stride = flow.lane[1]
        self._block = 1
        self._quick = 0  # batches of this epoch that are read without asking for jobs
        self._names: Any = None
        self._error: BaseException | None = None  # of the step behind those ahead
        self._barren = 0  # steps in a row that were left out
        self._closed = False
        if round:  # only the first one begins behind the front
            self._skipped = 0
        self._enter(self._first, 0, self._skipped + flow.lane[0] if self._skipped else 0)
        if state is None:
            if not round:  # rounds of a repeat are one iteration
                flow.ledger.begin()
        else:
            self._load(state)

    def _enter(self, epoch: int, base: int, step: int) -> None:
        self._epoch, self._base, self._step = epoch, base, step

    @property
    def _node(self) -> Node:
        return self._flow.node if self._base == 0 else self._flow.topology.rebased(self._base)

    def _load(self, state: State) -> None:
        epoch, base, step = (read_whole(state, name) for name in ("epoch", "base", "step"))
        size, count = (read_whole(state, name, least=1) for name in ("size", "count"))
        check_files(self._flow.node, state.get("files", {}))
        topology = self._flow.topology
        if (size, count) != (topology.size, topology.count):
            base, step = base + step * size * count, 0
        length = topology.ground.length
        self._enter(epoch, base if length is None else min(base, length), step)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        ahead = self._ahead
        if self._quick and not ahead:
            return self._quickly()
        while True:
            while not ahead:
                self._fetch()
            item = ahead.popleft()
            if item is SKIP:
                self._leave_out()
                continue
            if self._batched:
                self._check_alike(item)
            self._step += self._stride  # only now: what failed can be tried again
            self._barren = 0
            return item

    def _quickly(self) -> Any:
        """Read a batch here and now: what ``_fetch`` does, where it is known that nothing else can happen."""
        try:
            item = self._running.one(self._epoch, self._step)  # type: ignore[union-attr]
        except BaseException:
            self._restart()
            raise
        self._check_alike(item)
        self._step += 1
        self._quick -= 1
        if not self._quick:  # from here on the jobs say again what there is to do
            self._running.renew(self._jobs(self._epoch, self._base, self._step))  # type: ignore[union-attr]
        return item

    def _leave_out(self) -> None:
        """Go past a step that a policy leaves out.

        Raises:
            OrderError: All of an epoch were, with parts of those beside it, and there is no end.
        """
        self._barren += 1
        if self._end is None and self._barren * self._flow.lane[1] >= 2 * (self._flow.node.length or math.inf):
            self._restart()
            raise OrderError(
                f"all records of an epoch were left out by on_error, so streaming {self._flow.node.words()} for ever "
                "would never end; what failed is listed in stream.errors"
            )
        self._step += self._flow.lane[1]

    def _fetch(self) -> None:
        """Wait for the next items."""
        if self._closed:
            raise StopIteration
        if self._error is not None:
            error = self._error
            self._restart()
            try:
                raise error
            finally:
                del error  # see below
        if self._running is None:
            self._running = self._opened()
        elif isinstance(self._running, Running) and self._running.is_straight:
            self._running.close()
            self._running = self._straight()
        try:
            job, outcome = self._running.next()
        except StopIteration:
            if self._end is not None:
                self._enter(self._end, 0, 0)  # all readers end at one place, those that had no share in it too
            self.close()
            raise
        except BaseException:
            self._restart()
            raise
        if isinstance(outcome, Failed):
            self._restart()
            try:
                raise outcome.error
            finally:
                del outcome  # the error holds this frame: in a circle, all data would wait for the garbage collector
        items, notes = outcome.value, outcome.notes
        if job.many:
            self._enter(job.epoch, job.base, job.step)
        self._ahead.extend(items)
        self._error = None if notes.error is None else notes.error.error
        records = sum(map(records_in, items)) if self._batched else len(items)
        self._running.handed_out(outcome, notes.laps, len(items), records)
        if len(items) >= self._block:
            self._enlarge(outcome)
        if notes.failures:
            self._admit(notes.failures, len(items) > 1)
        if type(self._running) is Straight and self._batched and self._plain:
            self._quick = max(0, (self._node.length or 0) - job.step - 1)

    @cached_property
    def _plain(self) -> bool:
        """Whether no policy decides about records, and each step comes after the one before."""
        flow = self._flow
        return flow.on_error == "raise" and self._stride == 1 and not has_policies(flow.node)

    def _enlarge(self, outcome: Done) -> None:
        """Ask for more together: of records as many as are few in memory, of batches where they are quickly made."""
        if not self._batched:
            self._block = min(2 * self._block, items_that_fit(outcome.nbytes, self._block, _MOST_RECORDS))
        elif outcome.seconds < _SHORT and outcome.nbytes < _SMALL:
            self._block = min(2 * self._block, self._most_batches)

    def _admit(self, failures: Any, several: bool) -> None:
        """Take in failures; of several items with one too many those before it come first, asked for one by one."""
        try:
            self._flow.ledger.admit(failures, self._flow.max_errors, self._flow.topology.ground.length)
        except BaseException:
            self._restart()
            if not several:
                raise

    def _opened(self) -> Running | Straight:
        """Start the workers, and give them what there is to do from here on."""
        flow = self._flow
        _ = flow.node.length  # a filter is evaluated here, once for all workers
        self._most_batches = max(1, min(_MOST_BATCHES, flow.prefetch.depth(flow.workers.size) // 3))
        if not flow.workers.size:
            self._most_batches = 1
        work = self._work
        jobs = self._jobs(self._epoch, self._base, self._step)
        bounded = flow.node.batched and flow.prefetch.batches is not None
        weigh = (lambda: self._block) if bounded else None
        if type(flow.workers) is Inline:
            return self._straight()
        return Running(flow.workers, work, jobs, flow.prefetch, flow.copy, flow.ledger, flow.length(), weigh)

    def _straight(self) -> Straight:
        """Go on from here without workers."""
        return Straight(self._work, self._jobs(self._epoch, self._base, self._step), self._flow.ledger)

    @property
    def _work(self) -> Reading:
        """What there is to read; until when only where a source is told of it: else one work serves many iterations."""
        node, on_error = self._flow.node, self._flow.on_error
        return Reading(node, on_error, self._end) if expects(node) else Reading(node, on_error)

    def _jobs(self, epoch: int, base: int, step: int) -> Iterator[Job]:
        """Give all that is left to do."""
        flow = self._flow
        node = self._node
        stride = flow.lane[1]
        first = base == 0 and step == 0
        while self._end is None or epoch < self._end:
            steps = node.length
            if stride > 1 and first:
                step = (flow.lane[0] + self._skipped - (epoch - self._first) * (steps or 0)) % stride
            half, warm = (0, ()) if steps is None else (steps // 2, self._warming(epoch, steps))
            while steps is None or step < steps:
                count = self._block
                if count > 1 and steps is not None:
                    count = min(count, len(range(step, steps, stride)))
                yield Job(epoch, base, step, count, stride)
                step += count * stride
                if warm and step >= half:
                    yield from warm
                    warm = ()
            if self._end is None and not flow.node.length:
                raise OrderError(f"{flow.node.words()} gives no records, so streaming it for ever would never end")
            epoch, base, step, node, first = epoch + 1, 0, 0, flow.node, True

    def _warming(self, epoch: int, steps: int) -> tuple[Job, ...]:
        """Return jobs that make the next epoch's order ahead of time, one for each worker."""
        node, size = self._flow.node, self._flow.workers.size
        last = self._end is not None and epoch + 1 >= self._end
        if last or not size or steps < 4 * size or not _WORTH_PREPARING <= node.universe <= EXPLICIT_LIMIT:
            return ()
        return () if node.moves() is None else (Job(epoch + 1, 0, 0, 0),) * size

    def _restart(self) -> None:
        """Let go of what is in hand; the next call begins again where this one began."""
        self._ahead.clear()
        self._error = None
        self._block = 1
        self._quick = 0
        running, self._running = self._running, None
        if running is not None:
            running.close()

    def _check_alike(self, item: Any) -> None:
        """Make sure that every batch has the columns of those before it."""
        if type(item) is Batch:
            names: Any = item._columns.keys()
        elif isinstance(item, Batch | Mapping):
            names = item.keys()
        elif type(item) is tuple:
            names = len(item)
        else:
            return
        if self._names is None:
            self._names = names if isinstance(names, int) else dict.fromkeys(names).keys()
        elif self._names != names:  # names in another order are the same names
            self._restart()
            raise SchemaError(
                f"batch {self._step} of epoch {self._epoch} has {_shown(names)}, earlier ones had "
                f"{_shown(self._names)}: a map must return the same columns for every record"
            )

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
        return files(self._flow.node)

    def close(self) -> None:
        self._closed = True
        self._restart()


def _shown(names: Any) -> str:
    return f"{names} fields" if isinstance(names, int) else f"columns {', '.join(names)}"
