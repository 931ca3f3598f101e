"""Servers that run as processes of their own: started on a free port, and gone with whoever started them."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_PATIENCE = 60.0  # seconds for a server to come up on a machine that has other things to do
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_LIBC = ctypes.CDLL(None)


def free_port() -> int:
    """Return a port on loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def running(command: Sequence[str], *ports: int, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a server while the block lasts, in an empty folder of its own.

    It is killed when the block is left, also by an error, and by the system when this process dies in any other way.
    Call it in the main thread: the system looks at the death of the thread.

    Args:
        command: The program with its arguments.
        ports: It is up when it listens at all of them.
        env: What is added to the environment.

    Raises:
        RuntimeError: It ended, or did not come up; with what it said.
    """
    with TemporaryDirectory(prefix="headrace-server-") as folder:
        log = Path(folder) / "log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        try:
            _wait(process, ports, log)
            yield
        finally:
            process.kill()
            process.wait(30)


def _die_with_parent() -> None:
    _LIBC.prctl(_DIES_WITH_PARENT, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], ports: Sequence[int], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    said = log.read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"{process.args!r} did not come up at port {port}; it said: {said}") from None
                time.sleep(0.02)


def program(name: str, *places: Path) -> str:
    """Return where a program lies that ``scripts/test-servers`` installs.

    A test that cannot have it fails in CI and for root, who can run the script; else it is skipped with the reason.
    """
    for place in (shutil.which(name), *map(str, places)):
        if place and os.access(place, os.X_OK):
            return place
    reason = f"{name} is not installed: run scripts/test-servers"
    if os.environ.get("CI") or os.geteuid() == 0:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
