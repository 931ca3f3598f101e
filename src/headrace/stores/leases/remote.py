"""Turns at building on a back end: leases that are lost by those who give no sign of life.

Whoever writes the next lease has the turn. While it builds, a thread gives signs of life, each different from the last.
Those who wait take it for dead when its sign has not *changed* for a lease's length, and try for the next number, which
one of them is given. They measure by their own steady clock: no two machines' times are ever compared, so clocks may be
wrong. The price is that a death is noticed a lease's length after the wait began, at the earliest.

A holder that is cut off or stopped for longer may lose its turn to another. It is told by ``check``, and by its own
thread; where nobody else wanted the turn, it has it still. Between ``check`` and publishing another may be given the
turn: then both have built it, and the version is that of the first one to publish.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from headrace.core.durations import text_of
from headrace.core.errors import StoreError
from headrace.stores.backends.protocol import Backend
from headrace.stores.leases.generations import Generations
from headrace.stores.leases.holder import Holder
from headrace.stores.leases.turns import LostError, Turn, key_of
from headrace.stores.leases.waiting import Waiting

_SHORTEST, _LONGEST = 0.05, 5.0  # seconds between two looks
_BEAT = 5.0  # seconds between two signs of life at most, so that progress is seen
_SAID = 256  # letters of progress


@dataclass(frozen=True)
class RemoteTurns:
    """Gives turns at building to whoever can write to a back end.

    Args:
        backend: Where the leases lie.
        seconds: How long a holder may give no sign of life before another may be given the turn. Longer than any
            moment in which a living one cannot run Python or reach the place.
        patience: How many seconds to wait for another at most; None for as long as it gives signs of life.
    """

    backend: Backend
    seconds: float = 60.0
    patience: float | None = None

    @contextmanager
    def turn(
        self, id: str, version: str, done: Callable[[], bool], told: Callable[[str], None] | None = None
    ) -> Iterator[Turn | None]:
        """Wait until a version is ours to build, or is there: see :class:`~headrace.stores.leases.turns.Turns`."""
        generations = Generations(self.backend, key_of(id, version))
        longest = min(self.seconds / 4, _LONGEST)
        waiting = Waiting(f"{id!r} {version}", min(_SHORTEST, longest), longest, self.patience, told)
        turn = self._wait(generations, done, waiting)
        if turn is not None:
            try:
                if not done():
                    turn.begin()
                    yield turn
                    return
            finally:
                turn.leave()
        yield None

    def _wait(self, generations: Generations, done: Callable[[], bool], waiting: Waiting) -> RemoteTurn | None:
        holder = Holder.new()
        watch = _Watch(generations, self.seconds)
        while True:
            if watch.is_over():
                if generations.claim(watch.n + 1, holder.encode()):
                    return RemoteTurn(generations, watch.n + 1, holder, self.seconds)
                watch.move(watch.n + 1)
            elif done():
                return None
            else:
                waiting.pause(watch.holder)


class _Watch:
    """Looks at the newest holder's signs of life.

    Args:
        generations: The leases.
        seconds: After how long without a change the holder counts as dead.
    """

    def __init__(self, generations: Generations, seconds: float) -> None:
        self._generations = generations
        self._seconds = seconds
        self.move(0)

    def move(self, known: int) -> None:
        """Turn to the newest lease, that of a number or higher."""
        self.n = self._generations.newest(known)
        self.holder = _read(self._generations.read(self.n)) if self.n else None
        self._beat: bytes | None = None
        self._since = time.monotonic()

    def is_over(self) -> bool:
        """Look once; return whether there is no holder, or it has finished, or it seems dead."""
        if self.n == 0:
            return True
        asked = time.monotonic()  # before the look, so that a slow one, or a sleep of ours, makes nobody seem dead
        beat = self._generations.last_beat(self.n)
        if beat != self._beat:
            self._beat, self._since = beat, time.monotonic()
            self.holder = _read(beat) or self.holder
        return _is_last(beat) or asked - self._since >= self._seconds


def _read(content: bytes | None) -> Holder | None:
    return None if content is None else Holder.decode(content)


def _is_last(beat: bytes | None) -> bool:
    with suppress(ValueError, TypeError, KeyError):
        return beat is not None and bool(json.loads(beat)["over"])
    return False


class RemoteTurn:
    """A turn that is a lease, kept by a thread that gives signs of life.

    Args:
        generations: The version's leases.
        fence: The number of ours.
        holder: Who we are.
        seconds: How long a holder may give no sign of life.
    """

    def __init__(self, generations: Generations, fence: int, holder: Holder, seconds: float) -> None:
        self.fence = fence
        self._generations = generations
        self._holder = holder
        self._seconds = seconds
        self._said = ""
        self._count = 0
        self._lost = False
        self._trouble: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="headrace-lease", daemon=True)

    def begin(self) -> None:
        """Begin to give signs of life."""
        self._holder.begins()
        self._thread.start()

    def say(self, text: str) -> None:
        """Let the next sign of life say how far it is."""
        self._said = text

    def check(self) -> None:
        """Make sure that nobody else was given the turn.

        Raises:
            LostError: Somebody was, since we gave no sign of life for too long.
            StoreError: The place cannot be asked; or this is a child of the process that has the turn.
        """
        if self._holder.pid != os.getpid():
            raise StoreError(f"the turn is that of {self._holder}: it publishes, not the processes that it starts")
        if not self._lost and not self._generations.holds(self.fence, self._holder.encode()):
            self._lost = True
        if self._lost:
            why = f" ({self._trouble})" if self._trouble else ""
            raise LostError(
                f"another builds or has built this version at {self._generations.backend.url}, since we gave no sign "
                f"of life for longer than the lease of {text_of(self._seconds)}{why}: nothing of ours is published"
            )

    def leave(self) -> None:
        """Stop the signs of life and let the next one have a turn; in a forked child, leave it all to the parent."""
        if self._holder.pid != os.getpid():
            return
        self._holder.ends()
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        if not self._lost:
            with suppress(StoreError):  # those who wait then find out after a lease's length
                self._beat(over=True)

    def _live(self) -> None:
        """Give signs of life until the turn is over or lost; what fails is tried again at the next beat."""
        cleared = self.fence == 1
        while not self._lost:
            try:
                self._beat()
                self._lost = self._generations.above(self.fence) > self.fence
                if not cleared:
                    self._generations.clear(self.fence)
                    cleared = True
                self._trouble = None
            except Exception as error:  # told by check, should the turn be lost
                self._trouble = error
            if self._over.wait(min(self._seconds / 3, _BEAT)):
                return

    def _beat(self, over: bool = False) -> None:
        self._count += 1
        said = json.loads(replace(self._holder, said=self._said[:_SAID]).encode())
        self._generations.beat(self.fence, json.dumps({**said, "count": self._count, "over": over}).encode())
