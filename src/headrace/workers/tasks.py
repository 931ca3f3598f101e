"""Jobs as an executor's tasks.

A pipeline is sent only to workers that do not have it: a task names it by a digest, and one that meets a worker without
it comes back and is sent again with the pipeline in it.
"""

from __future__ import annotations

import pickle
import threading
from collections import OrderedDict
from concurrent.futures import BrokenExecutor, CancelledError, ThreadPoolExecutor
from hashlib import blake2b
from typing import Any

import cloudpickle

from headrace.core.errors import ArgumentError, KindError, WorkerError
from headrace.workers.carried import told
from headrace.workers.inline import answer
from headrace.workers.remote import Report, revive
from headrace.workers.work import Desk, Done, Failed, Run, Work

_KEPT = 8  # pipelines that a worker thread remembers
_opened = threading.local()


class ExecutorPool:
    """Jobs handed to an executor."""

    def __init__(self, executor: Any, work: Work, size: int) -> None:
        self.size = size
        self._executor = executor
        self._work = work
        self._futures: set[Any] = set()
        self._payload = b"" if _shares_memory(executor) else _pickled(work)
        self._local = threading.local()
        self._digest = blake2b(self._payload, digest_size=16).hexdigest()

    def submit(self, job: Any) -> ExecutorTicket:
        return ExecutorTicket(self, job)

    def begin(self, job: Any, sent: bool = False) -> Any:
        """Hand a job to the executor, with the pipeline where a worker has asked for it."""
        try:
            if not self._payload:
                return self._executor.submit(self._here, job)
            return self._executor.submit(_there, self._digest, self._payload if sent else None, job)
        except RuntimeError as error:
            raise WorkerError(f"{type(self._executor).__name__} takes no more work: {error}") from error

    def _here(self, job: Any) -> Done | Failed:
        """Do a job in a thread of this process."""
        run: Run | None = getattr(self._local, "run", None)
        if run is None:
            try:
                run = self._local.run = self._work.open(Desk())
            except BaseException as error:
                return Failed(error, 0.0)
        return answer(run, job)

    def hold(self, future: Any) -> None:
        self._futures.add(future)

    def drop(self, future: Any) -> None:
        self._futures.discard(future)

    def close(self) -> None:
        for future in list(self._futures):
            future.cancel()
        self._futures.clear()


class ExecutorTicket:
    """A job that an executor has."""

    __slots__ = ("_future", "_job", "_pool")

    def __init__(self, pool: ExecutorPool, job: Any) -> None:
        self._pool = pool
        self._job = job
        self._future: Any = pool.begin(job)
        pool.hold(self._future)

    def ready(self) -> bool:
        return bool(self._future.done())

    def result(self) -> Done | Failed:
        outcome = self._wait()
        if outcome == _MISSING:
            self._future = self._pool.begin(self._job, sent=True)
            self._pool.hold(self._future)
            outcome = self._wait()
        return _checked(outcome)

    def _wait(self) -> Any:
        try:
            return self._future.result()
        except (BrokenExecutor, CancelledError) as error:
            raise WorkerError(f"the executor gave up {self._job!r:.200}: {type(error).__name__}: {error}") from error
        except Exception as error:  # our own function answers every error: this one is the executor's
            raise WorkerError(f"the executor failed on {self._job!r:.200}: {type(error).__name__}: {error}") from error
        finally:
            self._pool.drop(self._future)


_MISSING = "headrace: this worker does not have the pipeline"


def _there(digest: str, payload: bytes | None, job: Any) -> Any:
    """Do a job in a worker; one that has not got the pipeline says so."""
    runs: OrderedDict[str, Run] | None = getattr(_opened, "runs", None)
    if runs is None:
        runs = _opened.runs = OrderedDict()
    run = runs.get(digest)
    if run is None:
        if payload is None:
            return _MISSING
        try:
            run = cloudpickle.loads(payload).open(Desk())
        except BaseException as error:
            return _Sent(Failed(error, 0.0))
        runs[digest] = run
        while len(runs) > _KEPT:
            runs.popitem(last=False)
    runs.move_to_end(digest)
    return _Sent(answer(run, job))


def _pickled(work: Work) -> bytes:
    try:
        payload: bytes = cloudpickle.dumps(work)
    except Exception as error:
        raise ArgumentError(
            f"{work.words()} cannot be sent to an executor's workers: {type(error).__name__}: {error}"
        ) from error
    return payload


def _shares_memory(executor: Any) -> bool:
    """Say whether it runs threads of this very interpreter."""
    return isinstance(executor, ThreadPoolExecutor) and type(executor).__name__ != "InterpreterPoolExecutor"


def _checked(outcome: Any) -> Done | Failed:
    if isinstance(outcome, _Sent):  # it came from a thread of this process
        outcome = outcome.outcome
    if not isinstance(outcome, Done | Failed):
        raise WorkerError(f"the executor returned {outcome!r:.200}, where a job's outcome was expected")
    return outcome


class _Sent:
    """An outcome that arrives whatever the executor pickles with: errors whole, values by content if need be."""

    __slots__ = ("outcome",)

    def __init__(self, outcome: Done | Failed) -> None:
        self.outcome = outcome

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        outcome = self.outcome
        if isinstance(outcome, Done):
            buffers: list[pickle.PickleBuffer] = []  # such pickles copy large arrays once, not twice
            try:
                return _done, (_dumped(outcome, buffers if protocol >= 5 else None), buffers)
            except Exception as error:  # pickling runs the user's code, which may fail in any way
                what = f"a batch cannot travel between processes: {type(error).__name__}: {error}"
                outcome = Failed(KindError(f"{what}; give arrays, numbers, text, or containers of such"), 0.0)
        return _failed, (told(outcome.error), outcome.seconds)


def _dumped(outcome: Done, beside: list[pickle.PickleBuffer] | None) -> bytes:
    try:
        return pickle.dumps(outcome, 5, buffer_callback=None if beside is None else beside.append)
    except Exception:  # plain pickle refuses functions and classes that no import finds
        if beside:
            beside.clear()
        payload: bytes = cloudpickle.dumps(outcome, 5, buffer_callback=None if beside is None else beside.append)
        return payload


def _done(payload: bytes, buffers: list[Any]) -> Any:
    return pickle.loads(payload, buffers=buffers)


def _failed(report: Report, seconds: float) -> Failed:
    return Failed(revive(report), seconds)
