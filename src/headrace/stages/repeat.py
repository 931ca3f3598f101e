"""A stream again and again, each round with an epoch of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from headrace.core.arguments import whole
from headrace.core.errors import OrderError, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_state, read_whole
from headrace.stages.stage import Stage, chain

ENDLESS_ROUNDS = 1 << 32


@dataclass(frozen=True, eq=False)
class Repeat(Stage):
    """All items, then all again: what is seeded or reshuffled below differs from round to round.

    In epoch e, round r starts the stream below with epoch ``e * times + r`` (endless: ``e * 2**32 + r``).

    Args:
        upstream: Where items come from.
        times: How many rounds; None for ever.
    """

    times: int | None = None

    @classmethod
    def of(cls, upstream: Flow, times: Any = None) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: ``times`` is neither a whole number nor None.
            ArgumentError: ``times`` is below 0.
        """
        return cls(upstream, None if times is None else whole(times, "the number of times to repeat"))

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        first = epoch * (ENDLESS_ROUNDS if self.times is None else self.times)
        if state is None:
            return RepeatCursor(self, first, 0, None)
        done = read_whole(state, "round")
        if self.times is not None and done > self.times:
            raise StateError(f"the state is damaged: it is in round {done}, of {self.times}")
        upstream = state.get("upstream")
        return RepeatCursor(self, first, done, None if upstream is None else read_state(state))

    def length(self) -> int | None:
        items = self.upstream.length()
        if self.times is None or items is None:
            return 0 if self.times == 0 else None
        return items * self.times

    @property
    def endless(self) -> bool:
        return self.times is None or (self.times > 0 and super().endless)

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), self.words())

    def words(self) -> str:
        return f"repeat({'' if self.times is None else self.times})"


class RepeatCursor:
    """A place in the rounds: which one, and where in it; between two rounds nothing is open."""

    __slots__ = ("_closed", "_first", "_flow", "_given", "_round", "_upstream")

    def __init__(self, flow: Repeat, first: int, done: int, state: State | None) -> None:
        self._flow = flow
        self._first = first
        self._round = done
        self._closed = False
        self._upstream = None if state is None else flow.upstream.start(state, first + done)
        self._given = state is not None  # whether the round has given an item: a state is taken after one

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while not self._closed:
            if self._upstream is None:
                if self._round == self._flow.times:
                    break
                self._upstream = self._flow.upstream.start(None, self._first + self._round)
                self._given = False
            try:
                item = next(self._upstream)
            except StopIteration:
                self._end_round()
            else:
                self._given = True
                return item
        raise StopIteration

    def _end_round(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None
        if not self._given and self._flow.times is None:
            raise OrderError(f"{chain(self._flow.upstream)} gives no items; repeating it would never end")
        self._round += 1

    def state(self) -> State:
        return {"round": self._round, "upstream": None if self._upstream is None else self._upstream.state()}

    def close(self) -> None:
        self._closed = True
        if self._upstream is not None:
            self._upstream.close()
