"""Waiting for another who builds: how long between two looks, what is told, and when it is too long."""

from __future__ import annotations

import time
from collections.abc import Callable

from headrace.core.durations import text_of
from headrace.core.errors import StoreError
from headrace.stores.leases.holder import Holder

_TELLING = 1.0
"""Seconds between two times that a waiter is told how far it is."""


class Waiting:
    """One wait for a turn. All times are by this process's steady clock, which no change of the time of day moves.

    Args:
        what: What is waited for, such as ``"'digits' 1.0"``.
        shortest: Seconds between the first looks.
        longest: Seconds between later ones: a tenth of what was waited already, up to this.
        patience: After how many seconds it is an error; None for never.
        told: What is told who builds, and how far it is.
    """

    def __init__(
        self,
        what: str,
        shortest: float,
        longest: float,
        patience: float | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self._what = what
        self._shortest = shortest
        self._longest = longest
        self._patience = patience
        self._told = told
        self._began = self._seen = time.monotonic()
        self._telling = -1e9
        self._holder: Holder | None = None

    def pause(self, holder: Holder | None) -> None:
        """Wait a little for a holder; None where it cannot be read just now.

        Raises:
            StoreError: It is this very thread, or patience is at its end.
        """
        now = time.monotonic()
        if holder is not None:
            if self._holder is None or holder.token != self._holder.token:
                self._seen = now
            self._holder = holder
        self._refuse(now)
        if self._told is not None and now - self._telling >= _TELLING:
            self._telling = now
            self._told(self._tale(now))
        left = min(max((now - self._began) / 10, self._shortest), self._longest)
        if self._patience is not None:
            left = min(left, max(0.0, self._began + self._patience - time.monotonic()) + 0.001)
        time.sleep(left)

    def _refuse(self, now: float) -> None:
        if self._holder is not None and self._holder.is_this_thread:
            raise StoreError(
                f"{self._what} is built by a function that asks for {self._what} itself, and would wait for ever: "
                "give what it reads another name"
            )
        if self._patience is not None and now - self._began >= self._patience:
            raise StoreError(
                f"waited {text_of(now - self._began)}, the patience given, and {self._tale(now)}. "
                "Be more patient, or end that process: then the next one who waits builds it"
            )

    def _tale(self, now: float) -> str:
        holder = self._holder
        if holder is None:
            return f"{self._what} is about to be built by another process"
        tale = f"{self._what} is being built by {holder}, watched for {text_of(now - self._seen)}"
        return f"{tale}: {holder.said}" if holder.said else tale
