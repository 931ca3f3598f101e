"""Flows that stand on one other and change neither its items' number nor their order."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.core.flow import Cursor, Flow, State


@dataclass(frozen=True, eq=False)
class Through:
    """A flow over another one, whose states are those of the other: it may be added or left out at a resume.

    Args:
        upstream: Where items come from.
    """

    upstream: Flow
    stateless = True

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        return self.upstream.start(state, epoch)

    def length(self) -> int | None:
        return self.upstream.length()

    def order(self) -> tuple[str, ...]:
        return self.upstream.order()

    def code(self) -> tuple[str, ...]:
        return self.upstream.code()

    @property
    def endless(self) -> bool:
        """Whether there is no end, as far as that is known beforehand."""
        return bool(getattr(self.upstream, "endless", False))


@dataclass(frozen=True, eq=False)
class AtEpoch(Through):
    """The items of one epoch.

    Args:
        upstream: Where items come from.
        epoch: Which epoch it is started with, whatever is asked for.
    """

    epoch: int = 0

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        return self.upstream.start(state, self.epoch)

    def words(self) -> str:
        return f"epoch {self.epoch}"
