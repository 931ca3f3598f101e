"""The front of a stream, or all but its front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from headrace.core.arguments import whole
from headrace.core.errors import StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_state, read_whole
from headrace.stages.stage import Stage, StageCursor, is_endless


@dataclass(frozen=True, eq=False)
class Take(Stage):
    """The first ``n`` items, or all if there are fewer; no more than these are drawn.

    Args:
        upstream: Where items come from.
        n: How many at most.
    """

    n: int

    @classmethod
    def of(cls, upstream: Flow, n: Any) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: ``n`` is no whole number.
            ArgumentError: ``n`` is below 0.
        """
        return cls(upstream, whole(n, "the number of items to take"))

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        taken = 0 if state is None else read_whole(state, "count")
        if taken > self.n:
            raise StateError(f"the state is damaged: {taken} items are taken already, of {self.n}")
        return TakeCursor(self.upstream.start(None if state is None else read_state(state), epoch), self.n, taken)

    def length(self) -> int | None:
        items = self.upstream.length()
        if items is None:
            return self.n if is_endless(self.upstream) else None
        return min(items, self.n)

    @property
    def endless(self) -> bool:
        return False

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), self.words())

    def words(self) -> str:
        return f"take({self.n})"


class TakeCursor(StageCursor):
    """A place in the front of a stream: how many items came."""

    __slots__ = ("_count", "_n")

    def __init__(self, upstream: Cursor, n: int, count: int) -> None:
        super().__init__(upstream)
        self._n = n
        self._count = count

    def __next__(self) -> Any:
        if self._count >= self._n:
            raise StopIteration
        item = next(self._upstream)
        self._count += 1
        return item

    def state(self) -> State:
        return {"upstream": self._upstream.state(), "count": self._count}


@dataclass(frozen=True, eq=False)
class Skip(Stage):
    """All but the first ``n`` items, which are drawn and dropped when the first one is asked for.

    Args:
        upstream: Where items come from.
        n: How many to drop.
    """

    n: int

    @classmethod
    def of(cls, upstream: Flow, n: Any) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: ``n`` is no whole number.
            ArgumentError: ``n`` is below 0.
        """
        return cls(upstream, whole(n, "the number of items to skip"))

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        left = self.n if state is None else read_whole(state, "left")
        if left > self.n:
            raise StateError(f"the state is damaged: {left} items are left to skip, of {self.n}")
        return SkipCursor(self.upstream.start(None if state is None else read_state(state), epoch), left)

    def length(self) -> int | None:
        items = self.upstream.length()
        return None if items is None else max(items - self.n, 0)

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), self.words())

    def words(self) -> str:
        return f"skip({self.n})"


class SkipCursor(StageCursor):
    """A place behind the front of a stream: how many items are left to drop."""

    __slots__ = ("_left",)

    def __init__(self, upstream: Cursor, left: int) -> None:
        super().__init__(upstream)
        self._left = left

    def __next__(self) -> Any:
        while self._left:
            next(self._upstream)
            self._left -= 1
        return next(self._upstream)

    def state(self) -> State:
        return {"upstream": self._upstream.state(), "left": self._left}
