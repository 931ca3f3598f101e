"""Several streams in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_list, read_whole
from headrace.stages.stage import dealt, is_adjustable, is_endless
from headrace.stages.zip import branches, close_all, start_all


@dataclass(frozen=True, eq=False)
class Interleave:
    """``block`` items of each stream in turn; one that has ended is left out from then on, until all have ended.

    A stream is started at its first turn, and closed as soon as it has ended.

    Args:
        upstreams: Where items come from.
        block: How many items a stream gives in its turn.
    """

    upstreams: tuple[Flow, ...]
    block: int = 1

    @classmethod
    def of(cls, upstreams: Sequence[Flow], block: Any = 1) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: The block is no whole number.
            ArgumentError: It is below 1, or there are no streams.
        """
        if not upstreams:
            raise ArgumentError("interleave needs at least one stream")
        return cls(tuple(upstreams), whole(block, "block", 1))

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        cursor = InterleaveCursor(self, epoch)
        if state is not None:
            cursor.restore(state)
        return cursor

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
        lines = [(*flow.order(), *dealt(flow)) for flow in self.upstreams]
        return (*branches("interleave", lines), self.words())

    def code(self) -> tuple[str, ...]:
        return branches("interleave", [flow.code() for flow in self.upstreams])

    def words(self) -> str:
        return f"interleave({'' if self.block == 1 else f'block={self.block}'})"


class InterleaveCursor:
    """A place in the turns: whose turn it is, how much of it is left, and where each stream stands.

    Streams begin in their order, one by one, so that those which have not begun are the last ones.
    """

    __slots__ = ("_begun", "_block", "_closed", "_current", "_epoch", "_flows", "_left", "_live", "_turn")

    def __init__(self, flow: Interleave, epoch: int) -> None:
        self._flows = flow.upstreams
        self._block = flow.block
        self._epoch = epoch
        self._begun: list[Cursor | None] = []  # of each stream that was started; None where it has ended
        self._live = list(range(len(flow.upstreams)))  # those that have not ended
        self._turn = 0  # which of these
        self._left = flow.block  # items
        self._current: Cursor | None = None  # of the one whose turn it is, once it was asked
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while True:
            if not self._left:
                self._pass_on()
            current = self._current
            if current is None:
                current = self._enter()
            try:
                item = next(current)
            except StopIteration:
                self._leave_out(current)
            else:
                self._left -= 1
                return item

    def _enter(self) -> Cursor:
        """Return the cursor of the stream whose turn it is, and start it if that is its first one."""
        if self._closed or not self._live:
            raise StopIteration
        number = self._live[self._turn]
        if number == len(self._begun):
            self._begun.append(self._flows[number].start(None, self._epoch))
        self._current = current = self._begun[number]
        assert current is not None  # one that is live has not ended
        return current

    def _pass_on(self) -> None:
        self._turn = (self._turn + 1) % len(self._live)
        self._left = self._block
        self._current = None

    def _leave_out(self, ended: Cursor) -> None:
        """Let go of the stream whose turn it is; it is the next one's turn."""
        self._begun[self._live.pop(self._turn)] = None
        if self._turn == len(self._live):
            self._turn = 0
        self._left = self._block
        self._current = None
        ended.close()

    def state(self) -> State:
        return {
            "streams": [None if cursor is None else cursor.state() for cursor in self._begun],
            "turn": self._live[self._turn] if self._live else 0,
            "left": self._left,
        }

    def restore(self, state: State) -> None:
        """Start each stream where it stood."""
        streams = read_list(state, "streams")
        turn, left = read_whole(state, "turn"), read_whole(state, "left")
        if len(streams) > len(self._flows) or not all(one is None or isinstance(one, dict) for one in streams):
            raise StateError(
                f"the state is damaged: {len(streams)} places in {len(self._flows)} streams: {streams!r:.100}"
            )
        begun = [number for number, one in enumerate(streams) if one is not None]
        self._live = [*begun, *range(len(streams), len(self._flows))]
        beyond = turn > len(streams) or turn not in self._live or (turn == len(streams) and left < self._block)
        if left > self._block or (self._live and beyond):
            raise StateError(f"the state is damaged: it is the turn of stream {turn}, with {left} items left of it")
        self._turn = self._live.index(turn) if self._live else 0
        self._left = left if self._live else self._block
        started = start_all(
            [self._flows[number] for number in begun], [streams[number] for number in begun], self._epoch
        )
        self._begun = [None] * len(streams)
        for number, cursor in zip(begun, started, strict=True):
            self._begun[number] = cursor

    def close(self) -> None:
        self._closed = True
        self._current = None
        close_all([cursor for cursor in self._begun if cursor is not None])
