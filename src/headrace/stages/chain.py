"""Streams one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from headrace.core.errors import StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_state, read_whole
from headrace.stages.stage import is_adjustable, is_endless
from headrace.stages.zip import branches


@dataclass(frozen=True, eq=False)
class Chain:
    """The items of each stream, one stream after the other; each is started when the one before has ended.

    Args:
        upstreams: Where items come from.
    """

    upstreams: tuple[Flow, ...]

    @classmethod
    def of(cls, *flows: Flow) -> Self:
        """Make one of flows; a chain among them is taken apart, so that ``(a + b) + c`` is ``a + (b + c)``."""
        return cls(tuple(one for flow in flows for one in (flow.upstreams if isinstance(flow, Chain) else (flow,))))

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        if state is None:
            return ChainCursor(self, epoch, 0, None)
        number = read_whole(state, "stream")
        if number > len(self.upstreams):
            raise StateError(f"the state is damaged: it is in stream {number}, of {len(self.upstreams)}")
        upstream = state.get("upstream")
        if upstream is not None and number == len(self.upstreams):
            raise StateError("the state is damaged: it is after the last stream, and in it")
        return ChainCursor(self, epoch, number, None if upstream is None else read_state(state))

    def length(self) -> int | None:
        lengths = [flow.length() for flow in self.upstreams]
        known = [length for length in lengths if length is not None]
        return sum(known) if len(known) == len(lengths) else None

    @property
    def endless(self) -> bool:
        """Whether there is no end: that is so when one stream has none."""
        return any(map(is_endless, self.upstreams))

    @property
    def adjustable(self) -> bool:
        """Whether one of the streams may be changed while it runs."""
        return any(map(is_adjustable, self.upstreams))

    def order(self) -> tuple[str, ...]:
        return branches("chain", [flow.order() for flow in self.upstreams])

    def code(self) -> tuple[str, ...]:
        return branches("chain", [flow.code() for flow in self.upstreams])

    def words(self) -> str:
        return "chain"


class ChainCursor:
    """A place in a chain: in which stream, and where in it; between two streams nothing is open."""

    __slots__ = ("_closed", "_epoch", "_flow", "_number", "_upstream")

    def __init__(self, flow: Chain, epoch: int, number: int, state: State | None) -> None:
        self._flow = flow
        self._epoch = epoch
        self._number = number
        self._closed = False
        self._upstream = None if state is None else flow.upstreams[number].start(state, epoch)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while not self._closed:
            if self._upstream is None:
                if self._number == len(self._flow.upstreams):
                    break
                self._upstream = self._flow.upstreams[self._number].start(None, self._epoch)
            try:
                return next(self._upstream)
            except StopIteration:
                self._upstream.close()
                self._upstream = None
                self._number += 1
        raise StopIteration

    def state(self) -> State:
        return {"stream": self._number, "upstream": None if self._upstream is None else self._upstream.state()}

    def close(self) -> None:
        self._closed = True
        if self._upstream is not None:
            self._upstream.close()
