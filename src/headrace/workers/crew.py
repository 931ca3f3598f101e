"""A crew: worker processes that run, seen from the program: who is there, what arrives from them, and how they end.

The program has no thread for them. Whoever waits for a result reads what arrives, for itself and for all others.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from headrace.core.errors import WorkerError
from headrace.workers import deaths
from headrace.workers.ear import Ear
from headrace.workers.frames import Channel
from headrace.workers.queue import Queue
from headrace.workers.start import start
from headrace.workers.system import readable
from headrace.workers.work import StartMethod

GRACE = 0.5
"""Seconds that workers get to end by themselves when their program closes them."""

_PATIENCE = 8.0  # seconds until a nursery that should have ended is killed
_MOMENT = 0.2  # seconds that a process takes to end once its connections have ended
_SOON = 1.5  # seconds in which a nursery says how a worker ended, whose connection has ended


class Reader(Protocol):
    """Whom a crew hands what arrives: one for each work."""

    def file(self, worker: int, what: str, rest: Sequence[Any], files: list[int]) -> None:
        """Take what a worker says of the work."""
        ...

    def job_words(self, number: int) -> str | None:
        """Return the words for a job that is in hand; None if it is none of this work's."""
        ...


class Crew:
    """Worker processes that run.

    Args:
        count: How many.
        method: How they are started.
        threads: How many threads libraries for numbers may start in each; None for as many as they like.

    Raises:
        WorkerError: They could not be started.
    """

    def __init__(self, count: int, method: StartMethod, threads: int | None) -> None:
        self.count = count
        self.turn = threading.Condition()  # of a lock that signal handlers may take again
        """Held by whoever changes anything here; never while waiting for a worker."""
        self._program = os.getpid()
        self._readers: dict[int, Reader] = {}
        self._retired: deque[int] = deque()
        self._numbers: dict[int, int] = {}  # of the workers' processes
        self._works = self._jobs = 0
        self._is_reading = self._is_torn = self._is_closed = self._is_gone = False
        self._over: str | None = None  # why nothing more can come
        self._lost: tuple[int, float] | None = None  # a worker whose connection has ended, and until when that waits
        self._staff = start(count, method, threads)
        self._control, self._channels, self._queue = self._staff.control, self._staff.channels, self._staff.queue
        self._ear = Ear((self._control, *self._channels))
        self._index_of = {channel.fileno(): index for index, channel in enumerate(self._channels)}

    # What is said to workers; whoever calls these holds the turn.

    def add(self, reader: Reader) -> int:
        """Give a new work a number."""
        self._works += 1
        self._readers[self._works] = reader
        return self._works

    def next_job(self) -> int:
        """Return a number for a job."""
        self._jobs += 1
        return self._jobs

    def tell(self, worker: int, *what: Any, files: Sequence[int] = ()) -> None:
        """Say something to one worker."""
        self._channels[worker].send(pickle.dumps(what, 5), files)

    def put(self, *job: Any) -> None:
        """Hand in a job, for whichever worker is free first."""
        self._queue.put(pickle.dumps(job, 5))

    def retire(self, work: int) -> None:
        """Forget a work at the next opportunity; may be called from anywhere, also while garbage is collected."""
        self._retired.append(work)

    def tidy(self) -> None:
        """Let workers forget the works that were retired."""
        while self._retired:
            work = self._retired.popleft()
            if self._readers.pop(work, None) is not None:
                for index in range(self.count):
                    self.tell(index, "forget", work)

    @property
    def is_usable(self) -> bool:
        """Whether this process may give work to it."""
        return self._over is None and not self._is_closed and not self._is_torn and self._program == os.getpid()

    def check(self) -> None:
        """Raise an error if nothing more can come.

        Raises:
            WorkerError: Says why.
        """
        if self._program != os.getpid():
            raise WorkerError(
                f"these workers belong to the process {self._program}, of which this one ({os.getpid()}) is a fork: "
                f"start a stream of its own here"
            )
        if self._over is not None:
            raise WorkerError(self._over)
        if self._is_closed:
            raise WorkerError("the workers were closed before this job was done")
        if self._is_torn:
            raise WorkerError(
                "reading from the workers was interrupted, and what was read is lost: start the stream again"
            )

    # What workers say.

    def look(self) -> None:
        """File what has arrived; does not wait. Whoever calls this holds the turn."""
        if not self._is_reading and self._over is None and not self._is_closed:
            self._file(self._listen(0.0))

    def wait_for(self, slip: Any) -> None:
        """Wait until a slip has a reply, or none can come.

        Raises:
            WorkerError: None can come; says why.
        """
        with self.turn:
            while slip.reply is None:
                self.check()
                slip.check()
                if self._is_reading:  # another thread reads, for this one too
                    self.turn.wait()
                    continue
                self._is_reading = True
                try:
                    self.turn.release()
                    try:
                        happened = self._listen(None)
                    finally:
                        self.turn.acquire()
                    self._file(happened)
                finally:
                    self._is_reading = False
                    self.turn.notify_all()

    def _listen(self, seconds: float | None) -> list[int]:
        """Return the descriptors where something has happened."""
        ends: list[Channel | Queue] = [*self._channels, self._queue]
        unsent = [one for one in ends if one.waiting and not one.flush()]
        if self._lost is not None and seconds is None:
            seconds = _SOON
        return self._ear.listen(seconds, unsent)

    def _file(self, happened: list[int]) -> None:
        """Read what has arrived, and hand it to whom it belongs."""
        if self._is_closed:
            return
        self._is_torn = True  # unless the last line is reached
        for descriptor in happened:
            if descriptor in self._index_of:
                self._hear(self._index_of[descriptor])
        self._hear_nursery()
        if self._lost is not None and self._over is None and time.monotonic() > self._lost[1]:
            self._bury(self._lost[0], None)
        self._is_torn = False

    def _hear(self, worker: int) -> None:
        channel = self._channels[worker]
        for message in channel.receive():
            what, work, *rest = pickle.loads(message.body)
            reader = self._readers.get(work)
            if reader is None:  # it was given up meanwhile
                for file in message.files:
                    os.close(file)
            else:
                reader.file(worker, what, rest, message.files)
        if channel.ended and channel.fileno() in self._index_of:
            self._ear.ignore(channel)
            del self._index_of[channel.fileno()]
            self._lost = self._lost or (worker, time.monotonic() + _SOON)

    def _hear_nursery(self) -> None:
        for message in self._control.receive():
            what, index, number, code = pickle.loads(message.body)
            if what == "started":
                self._numbers[index] = number
            elif what == "refused":
                self._over = self._over or (
                    f"worker {index} of {self.count} could not be started: {os.strerror(code)}; use fewer workers, "
                    f"or Threads"
                )
            else:
                self._hear(index)  # what it has said before it ended
                self._bury(index, code)
        if self._control.ended and self._over is None:
            self._staff.nursery.wait(_MOMENT)
            self._over = deaths.of_nursery(self._staff.nursery.pid, self._staff.nursery.exit_code)

    def _bury(self, worker: int, exit_code: int | None) -> None:
        """Note how a worker has ended; nothing more can come."""
        diary = self._staff.diaries[worker]
        number = diary.job
        job = None
        if number is not None:
            job = next(filter(None, (reader.job_words(number) for reader in self._readers.values())), None)
        self._over = self._over or deaths.words(worker, self._numbers.get(worker), exit_code, job, diary.crash)

    # The end.

    def close(self) -> None:
        """End the workers, whatever they are doing, and wait until they are gone.

        May be called again, also to finish what was interrupted.
        """
        with self.turn:
            if self._is_gone:
                return
            if not self._is_closed and self._program == os.getpid():
                self._is_closed = True
                self._dismiss()
        if self._program == os.getpid():
            self._see_off()
        with self.turn:
            self._is_closed = self._is_gone = True
            self.turn.notify_all()
            self.turn.wait_for(lambda: not self._is_reading, 1.0)
            self._staff.let_go()
            self._readers.clear()  # they hold this, and data: none of it shall wait for the garbage collector

    def _dismiss(self) -> None:
        """Tell everybody to end."""
        self._hear_nursery()
        for channel in self._channels:
            channel.hang_up()
        if self._numbers:
            self._control.send(pickle.dumps(("close", GRACE)))
        else:  # there are no workers yet, or they have begun nothing: they end with their nursery
            self._staff.nursery.kill()
        self.turn.notify_all()

    def _see_off(self) -> None:
        """Wait until the nursery has ended, which outlives all workers."""
        until = time.monotonic() + _PATIENCE
        while not self._control.ended and time.monotonic() < until:
            readable([self._control.fileno()], until - time.monotonic())
            self._control.receive()
        if not self._staff.nursery.wait(1.0 if self._control.ended else 0.0):
            self._staff.nursery.kill()
            self._staff.nursery.wait(_PATIENCE)
