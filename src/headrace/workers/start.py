"""How workers are started: by a nursery, which is a fresh interpreter or a fork of this process."""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Protocol

from headrace.core.errors import WorkerError
from headrace.workers.child import serve
from headrace.workers.diary import Diary
from headrace.workers.frames import Channel
from headrace.workers.nursery import interpreter_flags, path_of_imports
from headrace.workers.nursery import main as be_nursery
from headrace.workers.queue import Queue
from headrace.workers.system import restore_signals, signals_held
from headrace.workers.work import StartMethod

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""The variables by which libraries are told how many threads they may start."""

# Modules that need nothing but NumPy, start no thread and open no file: loaded once, by whoever is forked.
_LIGHT = ("headrace.core.", "headrace.nodes.", "headrace.stages.", "headrace.workers.")
_FRESH = "import sys; sys.path[:] = sys.argv[1:]; import {modules}; headrace.workers.nursery.main({given}, {serve})"


class Process(Protocol):
    """A nursery's process, as its parent sees it."""

    pid: int

    @property
    def exit_code(self) -> int | None:
        """How it ended, a signal as a negative number; None where it has not, or that is not known."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait for its end; says whether it has come."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


@dataclass
class Staff:
    """Processes that run, and the program's connections to them.

    Args:
        nursery: The process that has started the workers.
        control: The channel to it.
        queue: Where jobs are put for whichever worker is free first.
        channels: One to each worker.
        diaries: What each worker writes down.
    """

    nursery: Process
    control: Channel
    queue: Queue
    channels: list[Channel] = field(default_factory=list)
    diaries: list[Diary] = field(default_factory=list)

    def let_go(self) -> None:
        """Close the connections."""
        for channel in (*self.channels, self.control):
            channel.close()
        self.queue.close()
        for diary in self.diaries:
            diary.close()


def start(count: int, method: StartMethod, threads: int | None) -> Staff:
    """Start workers; does not wait until they run.

    Args:
        count: How many.
        method: ``forkserver`` and ``spawn`` for a nursery in a fresh interpreter, which forks workers or starts further
            interpreters; ``fork`` for one that is a copy of this process.
        threads: How many threads libraries for numbers may start in each worker; None leaves that to them.

    Raises:
        WorkerError: The system did not start them; says why.
    """
    with ExitStack() as undo:
        try:
            here, there = Channel.pair()
            undo.callback(here.close)
            with closing(there), signals_held():
                nursery = _forked(here, there, threads) if method == "fork" else _fresh(there, method, threads)
                undo.callback(_end, here, nursery)
            writer, reader = Queue.pair()
            undo.callback(writer.close)
            staff = Staff(nursery, here, writer)
            undo.callback(staff.let_go)
            with closing(reader):
                for index in range(count):
                    _start_worker(staff, reader, {"index": index, "count": count, "threads": threads})
        except OSError as error:
            raise WorkerError(
                f"worker processes could not be started: {error}; with few processes or open files left "
                f"(ulimit -u, -n), use fewer workers, or Threads"
            ) from error
        undo.pop_all()
    return staff


def _start_worker(staff: Staff, queue: Queue, settings: dict[str, object]) -> None:
    here, there = Channel.pair()
    staff.channels.append(here)
    with closing(there):
        staff.diaries.append(Diary.new())
        files = [there.fileno(), queue.fileno(), staff.diaries[-1].descriptor]
        staff.control.send(pickle.dumps(("start", {**settings, "argv": list(sys.argv)})), files)


def _end(control: Channel, nursery: Process) -> None:
    """End a nursery that is not needed after all."""
    control.close()
    nursery.kill()
    nursery.wait(5.0)


def _fresh(control: Channel, method: StartMethod, threads: int | None) -> _Fresh:
    limits = {} if threads is None else dict.fromkeys(THREADS, str(threads))
    light = [name for name in sys.modules if name.startswith(_LIGHT)] if method == "forkserver" else []
    modules = ", ".join(["headrace.workers.nursery", *sorted(light)])
    given = f"{control.fileno()}, {os.getpid()}"
    serve_words = "headrace.workers.child.serve" if method == "forkserver" else "None"
    code = _FRESH.format(modules=modules, given=given, serve=serve_words)
    command = [sys.executable, *interpreter_flags(), "-c", code, *path_of_imports()]
    return _Fresh(
        subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[control.fileno()], env={**os.environ, **limits})
    )


class _Fresh:
    """A nursery in an interpreter of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    def wait(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        self._process.kill()


def _forked(here: Channel, there: Channel, threads: int | None) -> _Forked:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # what is buffered would be written by both
    parent = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: this one was asked for
        number = os.fork()
    if number:
        return _Forked(number)
    try:
        here.close()
        _forget_the_parent(threads)
        be_nursery(there.fileno(), parent, serve)
    finally:
        os._exit(1)


def _forget_the_parent(threads: int | None) -> None:
    """Undo, after a fork, what belongs to the parent alone: its signals, its last acts, its input."""
    restore_signals()
    atexit._clear()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdin = open(0, closefd=False)
    if threads is not None:
        os.environ.update(dict.fromkeys(THREADS, str(threads)))


class _Forked:
    """A nursery that is a copy of this process."""

    def __init__(self, number: int) -> None:
        self.pid = number
        self.exit_code: int | None = None
        self._ended = False

    def wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not self._ended:
            try:
                number, status = os.waitpid(self.pid, os.WNOHANG)
                if number:
                    self._ended, self.exit_code = True, os.waitstatus_to_exitcode(status)
            except ChildProcessError:  # the program itself has waited for all its children
                self._ended = True
            if self._ended or time.monotonic() > until:
                break
            time.sleep(0.002)
        return self._ended

    def kill(self) -> None:
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
