"""Requests of a forked child, made by a helper: a fresh process, which ends when all that use it have ended.

The child and the helper talk over pairs of sockets, one for each thread that asks at the moment; nothing of it has a
name in the file system or on the network.
"""

from __future__ import annotations

import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headrace.core.errors import StoreError
from headrace.stores.backends.bucket import Bucket
from headrace.stores.backends.clouds import Place
from headrace.stores.backends.content import whole
from headrace.stores.backends.protocol import Content, Entry
from headrace.stores.backends.retrying import Patience

_LENGTH = struct.Struct("<Q")
_START = "import sys; sys.path[:] = {path!r}; from headrace.stores.backends import forked; forked.serve({fd})"


class Carried:
    """A :class:`~headrace.stores.backends.protocol.Backend` whose requests a helper process makes.

    Args:
        place: The bucket and the prefix.
        patience: How long to wait for it.
    """

    def __init__(self, place: Place, patience: Patience) -> None:
        self._given = (place, patience)

    @property
    def url(self) -> str:
        """The address, without secrets."""
        return self._given[0].url

    def check(self) -> None:
        """Make sure that the bucket is there and may be listed."""
        self._call("check")

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        """Return an object's bytes, or some of them."""
        found: bytes = self._call("get", key, start, stop)
        return found

    def look(self, key: str) -> Entry | None:
        """Return what is known of an object; None where there is none."""
        found: Entry | None = self._call("look", key)
        return found

    def put(self, key: str, content: Content) -> None:
        """Write an object, in the place of what has the key."""
        self._call("put", key, _packed(content))

    def put_if_absent(self, key: str, content: Content) -> bool:
        """Write an object if there is none of this key."""
        return bool(self._call("put_if_absent", key, _packed(content)))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield all objects whose keys begin with a prefix, sorted by key."""
        yield from self._call("list", prefix)

    def delete(self, key: str) -> None:
        """Take an object away."""
        self._call("delete", key)

    def _call(self, method: str, *args: object) -> Any:
        done, value = _helper().ask(pickle.dumps((self._given, method, args)))
        if done:
            return value
        raise value


class Helper:
    """A process that makes requests for this one."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._control, there = socket.socketpair()
        self._idle: list[socket.socket] = []
        code = _START.format(path=sys.path, fd=there.fileno())
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                start_new_session=True,
            )

    def ask(self, request: bytes) -> tuple[bool, Any]:
        """Return whether a request succeeded, and its result or the error."""
        try:
            line = self._idle.pop()
        except IndexError:
            line = self._connect()
        try:
            _send(line, request)
            answer: tuple[bool, Any] = pickle.loads(_receive(line))
        except (OSError, EOFError) as error:
            line.close()
            _forget(self)
            raise StoreError(
                f"the helper process {self._process.pid}, which makes requests for the forked process {self.owner}, "
                f"is gone ({error}): it may have been killed; the next request starts another"
            ) from error
        except BaseException:
            line.close()  # an answer may be on its way yet
            raise
        self._idle.append(line)
        return answer

    def _connect(self) -> socket.socket:
        here, there = socket.socketpair()
        with there:
            try:
                socket.send_fds(self._control, [b"x"], [there.fileno()])
            except OSError:
                pass  # the first use of the line tells
        return here


_helpers: dict[int, Helper] = {}
_starting = threading.Lock()


def _renew_lock() -> None:
    global _starting
    _starting = threading.Lock()  # which another thread may have held at the moment of the fork


os.register_at_fork(after_in_child=_renew_lock)


def _helper() -> Helper:
    """Return this process's helper."""
    with _starting:
        process = os.getpid()
        if process not in _helpers:
            _helpers.clear()  # those of the parent, which go on without us
            _helpers[process] = Helper()
        return _helpers[process]


def _forget(helper: Helper) -> None:
    with _starting:
        if _helpers.get(helper.owner) is helper:
            del _helpers[helper.owner]


def serve(fd: int) -> None:
    """Be a helper: make requests until nobody is left who could ask."""
    backends: dict[bytes, Bucket] = {}
    with socket.socket(fileno=fd) as control:
        while True:
            data, lines, _, _ = socket.recv_fds(control, 1, 1)
            if not data:
                os._exit(0)
            threading.Thread(target=_answer, args=(socket.socket(fileno=lines[0]), backends), daemon=True).start()


def _answer(line: socket.socket, backends: dict[bytes, Bucket]) -> None:
    """Answer the requests of one line until its other end is closed."""
    with line:
        while True:
            try:
                given, method, args = pickle.loads(_receive(line))
            except (OSError, EOFError):
                return
            try:
                known = pickle.dumps(given)
                backend = backends.get(known) or backends.setdefault(known, Bucket(*given))
                _send(line, pickle.dumps((True, _done(backend, method, args))))
            except Exception as error:  # for the child to raise
                _send(line, pickle.dumps((False, error)))


def _done(backend: Bucket, method: str, args: tuple[Any, ...]) -> Any:
    value = getattr(backend, method)(*args)
    if method == "list":
        return list(value)
    return bytes(value) if isinstance(value, memoryview) else value


def _packed(content: Content) -> bytes | Path:
    return content.absolute() if isinstance(content, Path) else bytes(whole(content))


def _send(line: socket.socket, message: bytes) -> None:
    line.sendall(_LENGTH.pack(len(message)))
    line.sendall(message)


def _receive(line: socket.socket) -> bytearray:
    (size,) = _LENGTH.unpack(_exactly(line, _LENGTH.size))
    return _exactly(line, size)


def _exactly(line: socket.socket, size: int) -> bytearray:
    found = bytearray(size)
    view = memoryview(found)
    while view:
        count = line.recv_into(view)
        if not count:
            raise EOFError("the other end is closed")
        view = view[count:]
    return found
