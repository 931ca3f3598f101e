"""Who holds a turn, as it is written down for those who wait."""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from dataclasses import asdict, dataclass

_ours: dict[str, int] = {}
"""The threads of this process that hold turns, by the holder's token; a child that is forked holds none."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ours.clear)


@dataclass(frozen=True)
class Holder:
    """Who holds a turn.

    Args:
        host: The machine's name.
        pid: The process.
        token: What nobody else has.
        said: How far it is, in the holder's words.
    """

    host: str
    pid: int
    token: str
    said: str = ""

    @classmethod
    def new(cls) -> Holder:
        """Return this process, with a new token."""
        return cls(socket.gethostname(), os.getpid(), uuid.uuid4().hex)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def encode(self) -> bytes:
        """Return the holder as a line of JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, content: bytes) -> Holder | None:
        """Read what ``encode`` gave; None of anything else, such as a line that is just being written."""
        try:
            found = json.loads(content)
            return cls(str(found["host"]), int(found["pid"]), str(found["token"]), str(found["said"]))
        except (ValueError, KeyError, TypeError):
            return None

    def begins(self) -> None:
        """Note that this thread holds a turn as this holder."""
        _ours[self.token] = threading.get_ident()

    def ends(self) -> None:
        """Note that the turn is over."""
        _ours.pop(self.token, None)

    @property
    def is_this_thread(self) -> bool:
        """Whether the very thread that asks holds the turn: if it waited, it would wait for ever."""
        return _ours.get(self.token) == threading.get_ident()
