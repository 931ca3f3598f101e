"""Waiting for many connections at once."""

from __future__ import annotations

import select
from collections.abc import Iterable
from typing import Protocol


class _Connection(Protocol):
    def fileno(self) -> int: ...


class Ear:
    """Hears when something arrives at any of some connections, or when they end.

    >>> from headrace.workers.frames import Channel
    >>> here, there = Channel.pair()
    >>> ear = Ear([here])
    >>> ear.listen(0.0, [])
    []
    >>> there.send(b"hello")
    >>> ear.listen(0.0, []) == [here.fileno()]
    True
    >>> here.close(), there.close()
    (None, None)
    """

    def __init__(self, connections: Iterable[_Connection]) -> None:
        self._poll = select.poll()
        self._heard: set[int] = set()
        for one in connections:
            self._poll.register(one.fileno(), select.POLLIN)
            self._heard.add(one.fileno())

    def ignore(self, connection: _Connection) -> None:
        """Listen to a connection no more."""
        self._poll.unregister(connection.fileno())
        self._heard.discard(connection.fileno())

    def listen(self, seconds: float | None, unsent: Iterable[_Connection]) -> list[int]:
        """Wait until something happens, or the time is up; returns the descriptors where it did.

        Args:
            seconds: How long; None for as long as it takes.
            unsent: Connections with something to send, for which room counts as well.
        """
        sending = [one.fileno() for one in unsent]
        for number in sending:
            self._poll.register(number, select.POLLOUT | (select.POLLIN if number in self._heard else 0))
        try:
            return [number for number, _ in self._poll.poll(None if seconds is None else seconds * 1000)]
        finally:
            for number in sending:
                if number in self._heard:
                    self._poll.register(number, select.POLLIN)
                else:
                    self._poll.unregister(number)
