"""A worker process: it is given works, and answers jobs with what their functions return."""

from __future__ import annotations

import atexit
import os
import pickle
import select
import sys
import traceback
from time import perf_counter
from typing import Any

from headrace.workers import remote, slots
from headrace.workers.diary import Diary
from headrace.workers.frames import Channel, wait
from headrace.workers.queue import Queue
from headrace.workers.segments import Segment
from headrace.workers.shipping import unship
from headrace.workers.system import die_with, leave_signals_alone
from headrace.workers.task import Task
from headrace.workers.work import Desk


def main(given: str) -> None:
    """Be a worker in an interpreter that was started for it; never returns."""
    settings = pickle.loads(bytes.fromhex(given))
    serve(settings["files"], settings)


def serve(files: list[int], settings: dict[str, Any]) -> None:
    """Be a worker; never returns.

    Args:
        files: The descriptors of the channel, of the queue of jobs, and of the diary.
        settings: Which worker this is (``index``) of how many (``count``), the process number of its ``nursery``,
            how many ``threads`` libraries may start (None for any), and the program's ``argv``.
    """
    code = 1
    try:
        die_with(settings["nursery"])
        leave_signals_alone()
        sys.argv = settings["argv"]
        _own_randomness()
        diary = Diary(files[2])
        diary.record_crashes()
        worker = _Worker(Channel.adopt(files[0]), Queue.adopt(files[1]), diary, settings)
        worker.live()  # named, so that it is not taken apart at the end, with warnings of what it has open
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(code)


def _own_randomness() -> None:
    """Give this worker random numbers of its own where code draws from NumPy's global generator, which was forked."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def _leave(code: int) -> None:
    """End this process as interpreters end, without taking apart what the system frees faster."""
    try:
        atexit._run_exitfuncs()
        _flush()
    finally:
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # there is none, nobody reads it, or the user has closed it
            continue


class _Worker:
    def __init__(self, channel: Channel, queue: Queue, diary: Diary, settings: dict[str, Any]) -> None:
        self._channel = channel
        self._queue = queue
        self._diary = diary
        self._index: int = settings["index"]
        self._count: int = settings["count"]
        self._threads: int | None = settings["threads"]
        self._tasks: dict[int, Task] = {}
        self._newest = -1
        self._wait = _waiter(channel, queue)

    def live(self) -> None:
        """Answer jobs until the program is gone, or wants no more."""
        while True:
            self._listen()
            if self._channel.ended:
                return
            body = self._queue.take()
            if body is None:
                self._wait()
            elif body == Queue.END:
                return
            else:
                self._take_on(body)

    def _listen(self) -> None:
        """Do what the program has said to this worker."""
        for message in self._channel.receive():
            what, task, *rest = pickle.loads(message.body)
            if what == "free":
                if task in self._tasks:
                    self._tasks[task].release(rest[0])
            elif what == "segment":
                self._tasks[task].inbox.adopt(rest[0], message.files[0], rest[1])
            elif what == "work":
                self._open(task, message.files, *rest)
            elif what == "forget":
                self._tasks.pop(task, None)

    def _open(self, number: int, files: list[int], payload: bytes | int, sizes: list[int], most: int) -> None:
        """Open a work, and say so if that fails; jobs of it then wait for it to be sent again, or fail."""
        self._newest = max(self._newest, number)
        task = self._tasks.setdefault(number, Task(most))
        try:
            if isinstance(payload, int):
                payload = Segment.adopt(files.pop(0), payload).root.tobytes()
            work = unship(payload, list(zip(files, sizes)))
        except ModuleNotFoundError as error:
            self._say("missing", number, error.name, remote.capture(error, self._index))
            return
        except BaseException as error:
            self._say("unread", number, remote.capture(error, self._index))
            return
        self._limit_torch()
        try:
            task.run = work.open(Desk(task.outbox.buffers, self._index, self._count))
        except BaseException as error:
            task.error = error

    def _limit_torch(self) -> None:
        """Tell torch how many threads it may start, where it was loaded before the limits were set."""
        torch = sys.modules.get("torch")
        if torch is not None and self._threads is not None and hasattr(torch, "set_num_threads"):
            torch.set_num_threads(self._threads)

    def _task(self, number: int) -> Task | None:
        """Return the work that a job belongs to, once it is here; None where it has been given up meanwhile."""
        while not self._channel.ended:
            task = self._tasks.get(number)
            if task is None and number <= self._newest:
                return None
            if task is not None and (task.run is not None or task.error is not None):
                return task
            wait(self._channel)
            self._listen()
        return None

    def _take_on(self, body: bytes) -> None:
        work, number, slot, packed = pickle.loads(body)
        task = self._task(work)
        if task is None:
            return
        self._diary.begin(number)
        self._answer(task, work, number, slot, packed)
        self._diary.end()
        _flush()

    def _answer(self, task: Task, work: int, number: int, job_slot: int, packed: Any) -> None:
        """Do a job and say how it went; of the value nothing is held when this returns."""
        slot = task.slot()
        began = perf_counter()
        try:
            job = task.inbox.take(job_slot, packed)
        except ModuleNotFoundError as error:
            task.free.append(slot)
            self._say("unread job", work, number, error.name, remote.capture(error, self._index))
            return
        try:
            if task.error is not None:
                raise task.error
            task.outbox.begin(slot)
            slots.offer(task.outbox)
            assert task.run is not None
            value, notes = task.run(job)
            seconds = perf_counter() - began
        except BaseException as error:
            self._fail(task, work, number, slot, error, perf_counter() - began)
            return
        finally:
            slots.offer(None)
        try:
            packed, segment = task.outbox.put(slot, (value, notes))
        except BaseException as error:
            self._fail(task, work, number, slot, error, seconds)
            return
        del value, notes, job
        segment = task.outbox.settle(slot) or segment
        self._reply(task, ("done", work, number, slot, seconds, packed), slot, packed, segment)

    def _fail(self, task: Task, work: int, number: int, slot: int, error: BaseException, seconds: float) -> None:
        told = remote.capture(error, self._index)
        packed, segment = task.outbox.put(slot, told)
        self._reply(task, ("failed", work, number, slot, seconds, packed), slot, packed, segment)

    def _reply(self, task: Task, reply: tuple[Any, ...], slot: int, packed: Any, segment: Any) -> None:
        if packed.head is None and not packed.spans:
            task.free.append(slot)
        if segment is None:
            self._say(*reply, None)
        else:
            self._say(*reply, segment.size, files=[segment.fd])
            segment.close()

    def _say(self, *what: Any, files: list[int] | None = None) -> None:
        self._channel.send(pickle.dumps(what, 5), files or ())
        self._channel.push()


def _waiter(channel: Channel, queue: Queue) -> Any:
    """Return a function that waits for either; where the system can, a job wakes one worker and not all."""
    if hasattr(select, "EPOLLEXCLUSIVE"):
        waiting = select.epoll()
        waiting.register(channel.fileno(), select.EPOLLIN)
        waiting.register(queue.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)
        return waiting.poll
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    poll.register(queue.fileno(), select.POLLIN)
    return poll.poll
