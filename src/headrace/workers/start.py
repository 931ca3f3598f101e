"""How a nursery is started: as a fresh interpreter, or as a fork of this process."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
import warnings
from typing import Literal, Protocol, TypeAlias

from headrace.core.errors import WorkerError
from headrace.workers import nursery
from headrace.workers.child import serve
from headrace.workers.frames import Channel
from headrace.workers.system import restore_signals

StartMethod: TypeAlias = Literal["forkserver", "spawn", "fork"]

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

    def wait(self, seconds: float) -> bool:
        """Wait for its end; says whether it has come."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


def start_nursery(method: StartMethod, threads: int | None) -> tuple[Process, Channel]:
    """Start a nursery; returns its process and this end of the channel to it.

    Args:
        method: ``forkserver`` and ``spawn`` for a fresh interpreter, which forks workers or starts further
            interpreters; ``fork`` for a copy of this process.
        threads: How many threads libraries for numbers may start in each worker; None leaves that to them.

    Raises:
        WorkerError: The system did not start it; says why.
    """
    here, there = Channel.pair()
    try:
        process = _forked(here, there, threads) if method == "fork" else _fresh(there, method, threads)
    except OSError as error:
        here.close()
        raise WorkerError(
            f"worker processes could not be started: {error}; with few processes or open files left (ulimit -u, -n), "
            f"use fewer workers, or Threads"
        ) from error
    finally:
        there.close()
    return process, here


def _fresh(control: Channel, method: StartMethod, threads: int | None) -> _Fresh:
    limits = {} if threads is None else dict.fromkeys(THREADS, str(threads))
    light = [name for name in sys.modules if name.startswith(_LIGHT)] if method == "forkserver" else []
    modules = ", ".join(["headrace.workers.nursery", *sorted(light)])
    given = f"{control.fileno()}, {os.getpid()}"
    serve_words = "headrace.workers.child.serve" if method == "forkserver" else "None"
    code = _FRESH.format(modules=modules, given=given, serve=serve_words)
    command = [sys.executable, *nursery.interpreter_flags(), "-c", code, *nursery.path_of_imports()]
    return _Fresh(
        subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[control.fileno()], env={**os.environ, **limits})
    )


class _Fresh:
    """A nursery in an interpreter of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

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
        nursery.main(there.fileno(), parent, serve)
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
        self._ended = False

    def wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not self._ended:
            try:
                self._ended = os.waitpid(self.pid, os.WNOHANG)[0] != 0
            except ChildProcessError:  # the program itself has waited for all its children
                self._ended = True
            if self._ended or time.monotonic() > until:
                break
            time.sleep(0.002)
        return self._ended

    def kill(self) -> None:
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
