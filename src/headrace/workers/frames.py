"""Messages between processes, with open files beside them: whole ones, over sockets that nobody else can reach.

A *channel* joins two processes. A *queue* has one writer and many readers, each message going to whichever of them is
free. Sending never waits: what a socket does not take at once is kept and sent later, so that two processes that write
to each other cannot lock each other up.
"""

from __future__ import annotations

import array
import errno
import os
import select
import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

_HEAD = struct.Struct("=II")  # bytes of the body, number of files
_FILES_AT_ONCE = 200  # systems allow about 250 with one call
_ROOM = socket.CMSG_SPACE(_FILES_AT_ONCE * array.array("i").itemsize)
_CHUNK = 1 << 16
_QUIET = getattr(socket, "MSG_NOSIGNAL", 0)  # a program may have asked to be killed by SIGPIPE: not by ours
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)

LARGEST = 1 << 14
"""Bytes that one message should have at most; what is larger goes through shared memory."""


class Message(NamedTuple):
    """What arrived: the body, and the descriptors of the files sent with it, which now are the receiver's."""

    body: bytes
    files: list[int]


class Channel:
    """One end of a connection between two processes.

    Args:
        end: A connected stream socket of the UNIX family, which is the channel's from now on.

    >>> here, there = Channel.pair()
    >>> here.send(b"a job")
    >>> there.receive()
    [Message(body=b'a job', files=[])]
    >>> here.close()
    >>> there.receive(), there.ended
    ([], True)
    >>> there.close()
    """

    __slots__ = ("_arrived", "_files", "_socket", "_unsent", "ended")

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._arrived = bytearray()
        self._files: deque[int] = deque()
        self._unsent: deque[tuple[memoryview, list[int]]] = deque()
        self.ended = False
        """Whether the other end is gone. What is sent now is dropped."""

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return the two ends of a new one."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(one), cls(other)

    @classmethod
    def adopt(cls, descriptor: int) -> Channel:
        """Return the end that has this descriptor."""
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """Return the descriptor, -1 once it is closed."""
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something was not sent yet."""
        return bool(self._unsent)

    def send(self, body: bytes, files: Sequence[int] = ()) -> None:
        """Send a message, or keep it until ``flush``; never waits.

        Args:
            body: What to say.
            files: Descriptors. The receiver gets its own; these may be closed as soon as this returns.
        """
        if self.ended:
            return
        rest = max(0, -(-len(files) // _FILES_AT_ONCE) - 1)  # a byte carries each further handful of files
        self._put(memoryview(_HEAD.pack(len(body) + rest, len(files)) + body), list(files[:_FILES_AT_ONCE]))
        for number in range(1, rest + 1):
            self._put(memoryview(b"\0"), list(files[number * _FILES_AT_ONCE : (number + 1) * _FILES_AT_ONCE]))

    def _put(self, data: memoryview, files: list[int]) -> None:
        if not self._unsent:
            sent = self._try(data, files)
            if sent == len(data) or self.ended:
                return
            if sent:
                data, files = data[sent:], []
        self._unsent.append((data, [os.dup(file) for file in files]))

    def _try(self, data: memoryview, files: list[int]) -> int:
        """Return how many bytes the socket took; the files go with the first of them."""
        beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        try:
            return self._socket.sendmsg([data], beside, _QUIET) if files else self._socket.send(data, _QUIET)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError):
            self.ended = True
            self._drop()
            return 0
        except OSError as error:
            if error.errno != errno.ETOOMANYREFS:  # more files on their way than the system allows: some must arrive
                raise
            return 0

    def flush(self) -> bool:
        """Send what was kept, as far as it goes; says whether all has gone."""
        while self._unsent:
            data, files = self._unsent[0]
            sent = self._try(data, files)
            if self.ended:
                break
            if not sent:
                return False
            for file in files:
                os.close(file)
            self._unsent[0] = (data[sent:], [])
            if sent == len(data):
                self._unsent.popleft()
        return True

    def push(self) -> None:
        """Wait until all that was kept is sent, or the other end is gone."""
        while not self.flush():
            wait(self, writing=True)

    def receive(self) -> list[Message]:
        """Return the messages that have arrived; never waits. Notes in ``ended`` when there can be no more.

        Raises:
            OSError: This process may not open as many files as were sent to it.
        """
        while not self.ended:
            try:
                data, beside, flags, _ = self._socket.recvmsg(_CHUNK, _ROOM, _CLOSE_ON_EXEC)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data, beside, flags = b"", [], 0
            for level, kind, content in beside:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    files = array.array("i")
                    files.frombytes(content[: len(content) - len(content) % files.itemsize])
                    self._files.extend(files)
            if flags & socket.MSG_CTRUNC:
                raise OSError("this process has too many open files to take those that were sent to it (ulimit -n)")
            self._arrived += data
            self.ended = not data
            if len(data) < _CHUNK and not beside:
                break
        return self._cut()

    def _cut(self) -> list[Message]:
        """Return the whole messages among the bytes that have arrived."""
        found, begin, arrived = [], 0, self._arrived
        while len(arrived) - begin >= _HEAD.size:
            length, files = _HEAD.unpack_from(arrived, begin)
            end = begin + _HEAD.size + length
            if len(arrived) < end:
                break
            body = bytes(arrived[begin + _HEAD.size : end - max(0, -(-files // _FILES_AT_ONCE) - 1)])
            found.append(Message(body, [self._files.popleft() for _ in range(files)]))
            begin = end
        if begin:
            del arrived[:begin]
        return found

    def _drop(self) -> None:
        for _, files in self._unsent:
            for file in files:
                os.close(file)
        self._unsent.clear()

    def hang_up(self) -> None:
        """Let both ends see that this is over, also a thread that waits at one of them."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other end has gone, or this one was closed
            self.ended = True

    def close(self) -> None:
        """Close this end, and the files that arrived and were not asked for; may be called again."""
        self._drop()
        while self._files:
            os.close(self._files.popleft())
        self._socket.close()
        self.ended = True

    def detach(self) -> int:
        """Return the descriptor, which is the caller's from now on."""
        return self._socket.detach()


def wait(channel: Channel, writing: bool = False, seconds: float | None = None) -> bool:
    """Wait until there is something to receive (or room to send); says whether there is."""
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLOUT if writing else select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
