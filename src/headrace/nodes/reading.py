"""Reading batches, or records, by their numbers: the work that an iteration of a Dataset gives to workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from headrace.core.address import At
from headrace.core.errors import RecordError, StoreError
from headrace.core.failures import SKIP, Failure, OnError
from headrace.core.meter import Clock, Laps
from headrace.nodes.batched import Batched
from headrace.nodes.expecting import Expecting, expects
from headrace.nodes.forgive import Parting, Skipped
from headrace.nodes.node import Context, Node
from headrace.nodes.show import chain
from headrace.nodes.stamps import leaves
from headrace.nodes.topology import Topology
from headrace.workers.carried import Carried, released
from headrace.workers.work import Desk, Place, Run


class Job(NamedTuple):
    """Steps of an epoch: batches, or records.

    Args:
        epoch: The epoch.
        base: The global position from which the records are dealt out in it.
        step: The first step.
        many: How many steps; 0 to make ready for the epoch.
        stride: From one to the next.
    """

    epoch: int
    base: int
    step: int
    many: int
    stride: int = 1

    def __repr__(self) -> str:  # as messages call it
        if not self.many:
            return f"the order of epoch {self.epoch}"
        last = self.step + (self.many - 1) * self.stride
        steps = f"step {last}" if self.many == 1 else f"steps {self.step} to {last}"
        return f"{steps} of epoch {self.epoch}"


class Notes(NamedTuple):
    """What is said beside the items.

    Args:
        laps: How long each stage took.
        failures: Which records were left out or replaced.
        error: What the step behind the items raised, to be raised when these are handed out; None where none did.
    """

    laps: Laps
    failures: list[Failure]
    error: Carried | None = None


_TOGETHER = 16  # jobs whose measurements are told of together, where they need not be sent


@dataclass(frozen=True, eq=False)
class Reading:
    """The items of a node by their numbers.

    A job's value is a list of items, ``SKIP`` in the place of one that a policy leaves out. It is shorter than asked
    for where the next one fails; the notes hold that error.

    Args:
        node: What is read, as it is dealt out from position 0 on.
        on_error: What becomes of records that fail.
        end: The epoch before which reading ends, for sources that are told what comes; None: there is no end.
    """

    node: Node
    on_error: OnError = "raise"
    end: int | None = None

    def open(self, desk: Desk) -> Run:
        return _Reader(self, desk)

    def share(self, place: Place) -> None:
        for leaf in leaves(self.node):
            give = getattr(leaf.source, "share", None)
            if give is not None:
                leaf.__dict__.pop("columns", None)  # asked for again where they lie then; else they would be held twice
                give(place)

    def words(self) -> str:
        return chain(self.node)


class _Reader:
    """One worker's reader."""

    __slots__ = ("_base", "_context", "_expecting", "_flushes", "_node", "_unsent", "_work")

    def __init__(self, work: Reading, desk: Desk) -> None:
        self._work = work
        self._context = Context(desk.buffers, Clock(), work.on_error)
        self._flushes = desk.flushes
        self._unsent = 0  # jobs that were measured, and not told of yet
        self._expecting = Expecting(work.node, work.end) if expects(work.node) else None
        self._enter(0)

    def _enter(self, base: int) -> None:
        self._base = base
        self._node = self._work.node if base == 0 else Topology.of(self._work.node).rebased(base)

    def __call__(self, job: Job) -> tuple[list[Any], Notes]:
        epoch, base, step, count, stride = job
        if base != self._base:
            self._enter(base)
        try:
            if self._expecting is not None and count:
                self._expecting.look(self._node, epoch, base, step, stride)
            items, error = self._items(epoch, step, count, stride)
        finally:
            failures = self._context.settle()
            for one in failures:
                released(one.error)  # else each would keep the batch that it was raised in
        self._unsent += 1
        laps = {} if self._flushes and self._unsent < _TOGETHER else self.flush()
        return items, Notes(laps, failures, error)

    def one(self, epoch: int, step: int) -> Any:
        """Return one item from the base of the job before: what a job of one step gives, in less time."""
        if self._expecting is not None:
            self._expecting.look(self._node, epoch, self._base, step, 1)
        return self._item(self._node, epoch, step)

    def flush(self) -> Laps:
        """Return what was measured and not told of yet."""
        self._unsent = 0
        clock = self._context.clock
        return {} if clock is None else clock.take()

    def _items(self, epoch: int, step: int, count: int, stride: int) -> tuple[list[Any], Carried | None]:
        node = self._node
        if count == 1:
            return [self._item(node, epoch, step)], None
        if not count:
            node.ids(At(np.zeros(1, np.int64), epoch))  # orders of an epoch are made when they are first looked at
            return [], None
        steps = range(step, step + count * stride, stride)
        if node.batched:
            return self._one_by_one(node, epoch, steps)
        try:
            return node.read(At(np.array(steps, np.int64), epoch), self._context).rows(), None
        except Parting:
            return self._one_by_one(node, epoch, steps)
        except (RecordError, StoreError, GeneratorExit) as error:  # of single records; others are of all
            items, failed = self._one_by_one(node, epoch, steps)
            if failed is None:  # it fails at times only: an error that was raised is an error all the same
                return [], Carried(self._quiet(error, step) if isinstance(error, GeneratorExit) else error)
            return items, failed

    def _item(self, node: Node, epoch: int, step: int) -> Any:
        try:
            if type(node) is Batched:
                return node.batch(step, epoch, self._context)
            return node.read(At(np.array([step], np.int64), epoch), self._context).rows()[0]
        except Skipped:
            return SKIP
        except (GeneratorExit, StopIteration) as error:  # in the caller's loop these would look like its end
            raise self._quiet(error, step) from error

    def _quiet(self, error: BaseException, step: int) -> RecordError:
        return RecordError(
            f"{self._work.words()} failed at step {step}: a function raised {type(error).__name__}, which ends a loop "
            "quietly; raise another error"
        )

    def _one_by_one(self, node: Node, epoch: int, steps: range) -> tuple[list[Any], Carried | None]:
        """Read up to the first step that fails; its error is raised at once where it is the first of all."""
        items: list[Any] = []
        for step in steps:
            try:
                items.append(self._item(node, epoch, step))
            except Exception as error:
                if not items:
                    raise
                return items, Carried(error)
        return items, None
