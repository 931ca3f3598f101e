"""One work among the workers of a crew: what goes out to them, and what comes back, by number."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from typing import Any

from headrace.core.buffers import Buffers
from headrace.core.errors import HeadraceError, KindError, WorkerError
from headrace.workers.blame import unpicklable
from headrace.workers.crew import Crew
from headrace.workers.deaths import shown
from headrace.workers.frames import LARGEST
from headrace.workers.inbox import Inbox
from headrace.workers.modules import ByContent, Modules, missing
from headrace.workers.remote import Report, revive
from headrace.workers.segments import Segment
from headrace.workers.shipping import Places, Shipment, ship
from headrace.workers.slots import Outbox
from headrace.workers.work import Done, Failed, Work

_SURPLUS = 2  # slots of each worker that views may lease beside those for the jobs in its hand


class Slip:
    """A job in hand: what was asked, and the reply once it has come."""

    __slots__ = ("_delivery", "job", "number", "reply", "slot")

    def __init__(self, delivery: Delivery, number: int, job: Any, slot: int) -> None:
        self._delivery = delivery
        self.number = number
        self.job = job
        self.slot = slot
        self.reply: Any = None

    def check(self) -> None:
        """Raise an error if no worker can do the work.

        Raises:
            WorkerError: Says why.
        """
        self._delivery.check()


class Delivery:
    """What passes between the program and a crew for one work.

    Args:
        crew: The workers.
        work: What they do.
        depth: The most jobs that are in hand at once.
        copy: Whether values are copies, and never views of the slots.
    """

    def __init__(self, crew: Crew, work: Work, depth: int, copy: bool) -> None:
        self._crew = crew
        self._work = work
        self._words = work.words()
        share = -(-max(1, depth) // crew.count)
        self._most_slots = 2 * share + _SURPLUS
        buffers = Buffers()
        self._inboxes = [Inbox(0 if copy else share + _SURPLUS, buffers) for _ in range(crew.count)]
        self._outbox = Outbox(to_worker=True)
        self._free_slots: list[int] = []
        self._slots = 0
        self._slips: dict[int, Slip] = {}
        self._modules = Modules()  # those that workers cannot import, and that were sent to them
        self._sent: list[int] = [0] * crew.count  # how many of those each worker has been sent
        self._broken: tuple[str, BaseException | None] | None = None
        self._number = -1

    def begin(self) -> None:
        """Send the work to the workers.

        Raises:
            KindError: It holds something that cannot travel; says what and where.
        """
        self._work.share(Places())
        shipment = self._ship()
        with self._crew.turn:
            self._crew.tidy()
            self._number = self._crew.add(self)
            for worker in range(self._crew.count):
                try:
                    self._send(worker, shipment)
                except OSError as error:
                    raise WorkerError(
                        f"{self._words} cannot be given to worker {worker}: {error}; its data takes "
                        f"{len(shipment.descriptors)} open files: raise their limit (ulimit -n), or use fewer workers"
                    ) from error

    def retire(self) -> None:
        """Let the workers forget the work, and let go of the memory shared with them."""
        self._crew.retire(self._number)
        self._let_go()

    def close(self) -> None:
        """End the workers, and let go of the memory shared with them."""
        self._crew.close()
        self._let_go()

    def _let_go(self) -> None:
        """Hold no memory any more, and nothing that holds this: none of it shall wait for the garbage collector."""
        self._broken = self._broken or ("the workers were closed before this result was taken", None)
        for slot in range(self._slots):
            self._outbox.drop(slot)
        self._inboxes = []
        self._outbox = Outbox()
        self._slips.clear()

    def _ship(self) -> Shipment:
        with self._modules.by_content():
            try:
                return ship(self._work)
            except Exception as error:
                raise KindError(
                    f"{self._words} cannot travel to other processes: {unpicklable(self._work, error)}"
                ) from error

    def _send(self, worker: int, shipment: Shipment) -> None:
        files = [file for file, _ in shipment.descriptors]
        sizes = [size for _, size in shipment.descriptors]
        payload: bytes | int = shipment.payload
        segment = None
        if len(shipment.payload) > LARGEST:
            segment = Segment(len(shipment.payload))
            segment.root[: len(shipment.payload)] = memoryview(shipment.payload)
            files.insert(0, segment.fd)
            payload = len(shipment.payload)
        self._crew.tell(worker, "work", self._number, payload, sizes, self._most_slots, files=files)
        self._sent[worker] = len(self._modules)

    # Jobs going out.

    def submit(self, job: Any) -> Slip:
        """Hand in a job; never waits."""
        with self._crew.turn:
            self._crew.tidy()
            slot = self._free_slots.pop() if self._free_slots else self._new_slot()
            slip = Slip(self, self._crew.next_job(), job, slot)
            self._slips[slip.number] = slip
            if self._crew.is_usable:
                self._return_slots()
                self._hand_in(slip, job)
            return slip

    def _hand_in(self, slip: Slip, job: Any) -> None:
        try:
            packed, segment = self._outbox.put(slip.slot, job)
        except Exception as error:
            self._settle(slip, Failed(error, 0.0))
            return
        if segment is not None:
            for worker in range(self._crew.count):
                self._crew.tell(worker, "segment", self._number, slip.slot, segment.size, files=[segment.fd])
            segment.close()
        self._crew.put(self._number, slip.number, slip.slot, packed)

    def _new_slot(self) -> int:
        self._slots += 1
        return self._slots - 1

    def _return_slots(self) -> None:
        """Tell the workers which slots were emptied, or are no longer viewed by anybody."""
        for worker, inbox in enumerate(self._inboxes):
            freed = inbox.freed()
            if freed:
                for slot in freed:
                    if slot >= self._most_slots:
                        inbox.drop(slot)
                self._crew.tell(worker, "free", self._number, freed)

    # Results coming in.

    def file(self, worker: int, what: str, rest: Sequence[Any], files: list[int]) -> None:
        """Take what a worker says of the work; the crew calls this, holding its turn."""
        if not self._inboxes:  # it was given up meanwhile
            for file in files:
                os.close(file)
        elif what in ("done", "failed"):
            number, slot, seconds, packed, size = rest
            if files:
                self._inboxes[worker].adopt(slot, files[0], size)
            self._settle(self._slips[number], (what, worker, slot, seconds, packed))
        elif what == "missing":
            self._send_again(worker, *rest)
        elif what == "unread job":
            number, name, _ = rest
            self._hand_in_by_content(self._slips[number], name)
        else:
            error = revive(rest[0])
            self._broken = (f"worker {worker} could not load {self._words}: {type(error).__name__}: {error}", error)

    def _settle(self, slip: Slip, reply: Any) -> None:
        slip.reply = reply
        slip.job = None
        self._free_slots.append(slip.slot)
        self._slips.pop(slip.number, None)

    def _send_again(self, worker: int, name: str | None, report: Report) -> None:
        """Send the work once more, with the content of a module that the worker cannot import."""
        is_on_its_way = name in self._modules and self._sent[worker] < len(self._modules)
        if not is_on_its_way and not self._modules.add(name):
            self._broken = (missing(self._words, name), revive(report))
            return
        try:
            self._send(worker, self._ship())
        except HeadraceError as error:
            self._broken = (f"{missing(self._words, name)} (sending its content failed too: {error})", error)

    def _hand_in_by_content(self, slip: Slip, name: str | None) -> None:
        """Hand a job in once more, with the content of a module that the worker cannot import."""
        self._modules.add(name)
        if name not in self._modules or isinstance(slip.job, ByContent):
            self._settle(slip, Failed(WorkerError(missing(f"a job of {self._words}", name)), 0.0))
            return
        slip.job = ByContent(slip.job, self._modules)
        self._hand_in(slip, slip.job)

    def check(self) -> None:
        """Raise an error if no worker can do the work.

        Raises:
            WorkerError: Says why.
        """
        if self._broken is not None:
            raise WorkerError(self._broken[0]) from self._broken[1]

    def job_words(self, number: int) -> str | None:
        """Return the words for a job that is in hand, None if it is not."""
        slip = self._slips.get(number)
        return None if slip is None else f"{shown(slip.job)} of {self._words}"

    def is_ready(self, slip: Slip) -> bool:
        """Say whether the reply to a job is here, or can no more come."""
        if slip.reply is None:
            with self._crew.turn:
                self._crew.look()
        return slip.reply is not None or self._broken is not None or not self._crew.is_usable

    def result(self, slip: Slip) -> Done | Failed:
        """Wait for the reply to a job and return it; once for each.

        Raises:
            WorkerError: None can come; says why.
        """
        if slip.reply is None:
            self._crew.wait_for(slip)
        if isinstance(slip.reply, Failed):
            return slip.reply
        what, worker, slot, seconds, packed = slip.reply
        inboxes = self._inboxes
        if not inboxes:
            raise WorkerError("the workers were closed before this result was taken")
        slip.reply = None
        if packed.head is None and not packed.spans:  # it came with the reply, and its slot is free already
            value = pickle.loads(packed.header)
        else:
            value = inboxes[worker].take(slot, packed)
            with self._crew.turn:
                if self._crew.is_usable:
                    self._return_slots()
        if what == "failed":
            return Failed(revive(value), seconds)
        value, notes = value
        return Done(value, notes, seconds, packed.nbytes)
