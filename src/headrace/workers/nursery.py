"""The nursery: a small process that starts workers, sees how they end, and takes them along when it ends itself.

It stands between a program and its workers because only a process's parent learns how it ended, and because a program
with threads should not be forked. It has no threads, and knows nothing of the work. It ends when it is told to, or when
the program has ended in whatever way; then it kills what still runs.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

from headrace.workers.frames import Channel
from headrace.workers.system import leave_signals_alone, readable, restore_signals, signals_held, watch_process

Serve: TypeAlias = Callable[[list[int], dict[str, Any]], None]
"""What a worker does all its life, given its descriptors and its settings."""

_PATIENCE = 5.0  # seconds that the system may take to end a process that was killed
_LOOK = 1.0  # seconds between looks at who the parent is, where the system does not tell
_SPAWNED = "import sys; sys.path[:] = sys.argv[2:]; from headrace.workers.child import main; main(sys.argv[1])"


def main(control: int, parent: int, serve: Serve | None) -> None:
    """Live as a nursery, and end.

    Args:
        control: The descriptor of the channel to the program.
        parent: The program's process number.
        serve: What workers do, which are forked from here; None for fresh interpreters.
    """
    code = 1
    try:
        restore_signals()
        leave_signals_alone()
        _Nursery(Channel.adopt(control), parent, serve).live()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)  # workers that are left end with their parent


class _Nursery:
    def __init__(self, control: Channel, parent: int, serve: Serve | None) -> None:
        self._control = control
        self._parent = parent
        self._serve = serve
        self._workers: dict[int, int] = {}  # by process number: which worker it is
        self._spawned: dict[int, subprocess.Popen[bytes]] = {}
        self._until: float | None = None  # when workers that have not ended are killed
        self._parent_ends = watch_process(parent)
        self._hears, self._heard = os.pipe()
        for descriptor in (self._hears, self._heard):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._heard, warn_on_full_buffer=False)

    def live(self) -> None:
        """Do what the program says until it is gone or wants no more."""
        while self._until is None or self._workers:
            if not self._hear():
                break
            self._reap()
            if self._until is not None and time.monotonic() > self._until:
                break
        self._kill()

    def _hear(self) -> bool:
        """Wait for something to happen; says whether the program is still there."""
        watched = [self._control.fileno(), self._hears]
        watched += [] if self._parent_ends is None else [self._parent_ends]
        patience = _LOOK if self._parent_ends is None else None
        if self._until is not None:
            patience = max(0.0, self._until - time.monotonic())
        happened = readable(watched, patience)
        if self._hears in happened:
            os.read(self._hears, 4096)
        if self._parent_ends in happened or os.getppid() != self._parent:
            return False
        for message in self._control.receive():
            order, argument = pickle.loads(message.body)
            if order == "start":
                self._start(message.files, argument)
            else:
                self._until = time.monotonic() + argument
        return not self._control.ended

    def _start(self, files: list[int], settings: dict[str, Any]) -> None:
        try:
            number = self._fork(files, settings) if self._serve else self._spawn(files, settings)
        except OSError as error:
            self._tell("refused", settings["index"], 0, error.errno or 0)
            return
        finally:
            for file in files:
                os.close(file)
        self._workers[number] = settings["index"]
        self._tell("started", settings["index"], number, 0)

    def _fork(self, files: list[int], settings: dict[str, Any]) -> int:
        settings = {**settings, "nursery": os.getpid()}
        gc.freeze()  # what is shared from here on should not be touched, and so copied, by collections
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, which the user asked for
            with signals_held():
                number = os.fork()
                if not number:
                    self._be_worker(files, settings)
        return number

    def _be_worker(self, files: list[int], settings: dict[str, Any]) -> NoReturn:
        try:
            assert self._serve is not None
            restore_signals()
            for descriptor in (self._hears, self._heard, *([self._parent_ends] if self._parent_ends else [])):
                os.close(descriptor)
            self._control.close()
            self._serve(files, settings)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)  # a worker that has done its part has left already

    def _spawn(self, files: list[int], settings: dict[str, Any]) -> int:
        given = pickle.dumps({**settings, "nursery": os.getpid(), "files": files}).hex()
        command = [sys.executable, *interpreter_flags(), "-c", _SPAWNED, given, *path_of_imports()]
        with signals_held():  # they wait until the new interpreter has seen to them
            child = subprocess.Popen(command, pass_fds=files)
        self._spawned[child.pid] = child
        return child.pid

    def _reap(self) -> None:
        """Tell the program of workers that have ended."""
        while self._workers:
            try:
                number, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not number:
                return
            self._note(number, os.waitstatus_to_exitcode(status))

    def _note(self, number: int, exit_code: int) -> None:
        index = self._workers.pop(number, None)
        if number in self._spawned:
            self._spawned.pop(number).returncode = exit_code
        if index is not None:
            self._tell("ended", index, number, exit_code)

    def _kill(self) -> None:
        """End the workers that are left, whatever they are doing."""
        for number in self._workers:
            os.kill(number, signal.SIGKILL)
        until = time.monotonic() + _PATIENCE
        while self._workers and time.monotonic() < until:
            self._reap()
            if self._workers:
                readable([self._hears], 0.05)
        self._control.push()
        self._control.close()

    def _tell(self, what: str, index: int, number: int, exit_code: int) -> None:
        self._control.send(pickle.dumps((what, index, number, exit_code)))


def interpreter_flags() -> list[str]:
    """Return the options of this interpreter that another one should have, those for warnings left out."""
    flags: Sequence[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [flag for flag in flags if not flag.startswith("-W")]


def path_of_imports() -> list[str]:
    """Return where this interpreter looks for modules."""
    return [entry for entry in sys.path if isinstance(entry, str)]
