"""Several streams side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

from headrace.core.errors import StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_list
from headrace.stages.stage import is_adjustable, is_endless


@dataclass(frozen=True, eq=False)
class Zip:
    """Tuples of one item of each stream; the shortest one ends it.

    Args:
        upstreams: Where the fields come from.
    """

    upstreams: tuple[Flow, ...]

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        states = [None] * len(self.upstreams) if state is None else read_list(state, "upstreams", len(self.upstreams))
        ended = state is not None and state.get("ended", False)
        if not isinstance(ended, bool):
            raise StateError(f"the state is damaged: 'ended' should be true or left out, got {ended!r:.100}")
        return ZipCursor(start_all(self.upstreams, states, epoch), ended)

    def length(self) -> int | None:
        lengths = [flow.length() for flow in self.upstreams if not is_endless(flow)]
        known = [length for length in lengths if length is not None]
        return min(known) if known and len(known) == len(lengths) else None

    @property
    def endless(self) -> bool:
        """Whether there is no end: that is so when no stream has one."""
        return all(map(is_endless, self.upstreams))

    @property
    def adjustable(self) -> bool:
        """Whether one of the streams may be changed while it runs."""
        return any(map(is_adjustable, self.upstreams))

    def order(self) -> tuple[str, ...]:
        return branches("zip", [flow.order() for flow in self.upstreams])

    def code(self) -> tuple[str, ...]:
        return branches("zip", [flow.code() for flow in self.upstreams])

    def words(self) -> str:
        return "zip"


class ZipCursor:
    """A place in several streams, which move together.

    That it has ended is told apart from where they stand: those before the one that ended have given an item that
    nobody was handed, and the next one may fail.
    """

    __slots__ = ("_closed", "_cursors", "_ended")

    def __init__(self, cursors: list[Cursor], ended: bool) -> None:
        self._cursors = cursors
        self._ended = ended
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._ended or self._closed:
            raise StopIteration
        fields = []
        for cursor in self._cursors:  # tuple(map(next, ...)) would take an end for a shorter tuple
            try:
                fields.append(next(cursor))
            except StopIteration:
                self._ended = True
                raise
        return tuple(fields)

    def state(self) -> State:
        ended = {"ended": True} if self._ended else {}
        return {"upstreams": [cursor.state() for cursor in self._cursors], **ended}

    def close(self) -> None:
        self._closed = True
        close_all(self._cursors)


def start_all(flows: Sequence[Flow], states: Sequence[Any], epoch: int) -> list[Cursor]:
    """Start several flows; where one cannot be started, those before are closed again."""
    with ExitStack() as opened:
        cursors = []
        for flow, state in zip(flows, states, strict=True):
            cursor = flow.start(state, epoch)
            opened.callback(cursor.close)
            cursors.append(cursor)
        opened.pop_all()
    return cursors


def close_all(cursors: Sequence[Cursor]) -> None:
    """Close several cursors, all of them even where one fails."""
    with ExitStack() as closing:
        for cursor in reversed(cursors):
            closing.callback(cursor.close)


def branches(name: str, lines: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the lines of several flows as one list that still tells which belongs to which.

    >>> branches("zip", [("range(0, 3)",), ("range(0, 9)", "take(2)")])
    ('zip 0: range(0, 3)', 'zip 1: range(0, 9)', 'zip 1: take(2)')
    """
    return tuple(f"{name} {place}: {line}" for place, own in enumerate(lines) for line in own)
