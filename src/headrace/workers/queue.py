"""A queue of messages from one process to many, each of which goes to whichever reader takes it first."""

from __future__ import annotations

import errno
import socket
import sys
from collections import deque

# Either kind keeps messages whole. Linux has the one that also shows the end; macOS has the other alone, and lets
# messages be as long as the buffer.
_KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
_QUIET = getattr(socket, "MSG_NOSIGNAL", 0)
_ROOM = 1 << 17
_FULL = (errno.ENOBUFS, errno.ENOMEM)  # how some systems say that a queue of whole messages is full


class Queue:
    """One end of a queue: the writer's, or that of all readers.

    Readers share their end, so a reader that works on something long holds up nobody but itself.

    >>> writer, reader = Queue.pair()
    >>> writer.put(b"job 1")
    >>> writer.put(b"job 2")
    >>> reader.take(), reader.take(), reader.take()
    (b'job 1', b'job 2', None)
    >>> writer.close()
    >>> reader.take() == Queue.END
    True
    >>> reader.close()
    """

    __slots__ = ("_socket", "_unsent")
    END = b""
    """What readers take when the writer is gone and nothing is left."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._unsent: deque[bytes] = deque()

    @classmethod
    def pair(cls) -> tuple[Queue, Queue]:
        """Return the writer's and the readers' end of a new one."""
        one, other = socket.socketpair(socket.AF_UNIX, _KIND)
        if sys.platform != "linux":
            for end, buffer in ((one, socket.SO_SNDBUF), (other, socket.SO_RCVBUF)):
                end.setsockopt(socket.SOL_SOCKET, buffer, 2 * _ROOM)
        return cls(one), cls(other)

    @classmethod
    def adopt(cls, descriptor: int) -> Queue:
        """Return the end that has this descriptor."""
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """Return the descriptor, -1 once it is closed."""
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something was not sent yet."""
        return bool(self._unsent)

    def put(self, body: bytes) -> None:
        """Send a message, not an empty one, or keep it until ``flush``; never waits."""
        self._unsent.append(body)
        if len(self._unsent) == 1:
            self.flush()

    def flush(self) -> bool:
        """Send what was kept, as far as it goes; says whether all has gone. What nobody can read is dropped."""
        while self._unsent:
            try:
                self._socket.send(self._unsent[0], _QUIET)
            except (BrokenPipeError, ConnectionResetError, ConnectionRefusedError):
                self._unsent.clear()
                break
            except OSError as error:
                if isinstance(error, BlockingIOError) or error.errno in _FULL:
                    return False
                raise
            self._unsent.popleft()
        return True

    def take(self) -> bytes | None:
        """Return the next message, None where there is none yet, ``END`` where there will be none; never waits."""
        try:
            return self._socket.recv(_ROOM)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return self.END

    def close(self) -> None:
        """Close this end; may be called again."""
        self._unsent.clear()
        self._socket.close()
