"""A work as a worker process holds it: the function that answers jobs, and the slots that values go to."""

from __future__ import annotations

from headrace.workers.inbox import Inbox
from headrace.workers.slots import Outbox
from headrace.workers.work import Run


class Task:
    """A work that this worker was given."""

    def __init__(self, most: int) -> None:
        self.outbox = Outbox()
        self.inbox = Inbox(leases=0)
        self.most = most  # slots that keep their memory while they are free
        self.free: list[int] = []
        self.slots = 0
        self.run: Run | None = None
        self.error: BaseException | None = None

    def release(self, slots: list[int]) -> None:
        """Take slots back that the program has emptied."""
        self.free += slots
        for slot in slots:
            if slot >= self.most:
                self.outbox.drop(slot)

    def slot(self) -> int:
        """Return the lowest slot that is free, the memory used last; one that user code holds none of, if possible."""
        slot = self.outbox.choose([*sorted(self.free), self.slots])
        if slot == self.slots:
            self.slots += 1
        else:
            self.free.remove(slot)
        return slot
