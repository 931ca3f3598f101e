"""Where the time of a step of a stream goes: now and then one step is measured, all others run as they are.

A cursor draws from the one below it by ``next``, item by item; a clock around each of these calls would cost more than
many stages do. So for a step that is measured clocks are put between the cursors, and taken out again behind it.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import Any

from headrace.core.flow import Cursor, State
from headrace.core.meter import Meter


class Probe:
    """Measures steps, and makes a Meter of what it has seen.

    Args:
        words: What is measured, as a report calls it.
    """

    __slots__ = ("_began", "_ended", "_items", "_sampled", "_stages", "_tail", "_words")

    def __init__(self, words: str = "inline") -> None:
        self._words = words
        self._items = 0
        self._tail = 0
        self._sampled = 0
        self._stages: dict[str, list[float]] = {}  # by words: seconds of its own, items
        self._began = self._ended = perf_counter()

    def count(self, items: int) -> None:
        """Note that so many items were handed out since the last time."""
        self._items += items
        self._ended = perf_counter()

    def end(self, items: int) -> None:
        """Note that the iteration is over, so many items after the last count."""
        if not self._tail:
            self._tail = items
            self._ended = perf_counter()

    def step(self, cursor: Cursor) -> Any:
        """Return the next item of a cursor, and measure where the time goes."""
        clocks = _placed(cursor)
        began = perf_counter()
        try:
            item = next(cursor)
            whole = perf_counter() - began
        finally:
            for above, clock in clocks:
                if above._upstream is clock:  # a repeat may have begun its next round
                    above._upstream = clock.cursor
        self._sampled += 1
        for number, (name, spent) in enumerate(_spent(cursor, clocks, whole)):
            known = self._stages.setdefault(f"{name}\0{number}", [0.0, 0.0])
            known[0] += spent
            known[1] += 1 if not number else clocks[number - 1][1].items
        return item

    def meter(self) -> Meter:
        """Return what was measured, scaled from the steps that were to all steps."""
        items = self._items + self._tail
        meter = Meter(self._words, 0, delivered=items, began=self._began, ended=self._ended)
        scale = items / max(self._sampled, 1)
        for name, (seconds, given) in reversed(self._stages.items()):
            words = name.partition("\0")[0]
            meter.add({words: ("stage", items, round(given * scale), seconds * scale, 0)})
            meter.waited += seconds * scale
        return meter


class _Clock:
    """Stands between two cursors for one step."""

    __slots__ = ("cursor", "items", "seconds")

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor
        self.items = 0
        self.seconds = 0.0

    def __iter__(self) -> _Clock:
        return self

    def __next__(self) -> Any:
        began = perf_counter()
        item = next(self.cursor)
        self.seconds += perf_counter() - began
        self.items += 1
        return item

    @property
    def take_columns(self) -> Any:
        """What gives items as columns, measured; there is none where the cursor has none."""
        return partial(self._timed, self.cursor.take_columns)

    @property
    def take_lent(self) -> Any:
        """What lends items, measured; there is none where the cursor has none."""
        return partial(self._timed, self.cursor.take_lent)

    def _timed(self, take: Any, many: int) -> Any:
        began = perf_counter()
        items = take(many)
        self.seconds += perf_counter() - began
        self.items += len(items)
        return items

    def state(self) -> State:
        state: State = self.cursor.state()
        return state

    def close(self) -> None:
        self.cursor.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)


def _placed(cursor: Any) -> list[tuple[Any, _Clock]]:
    """Put a clock under each cursor of a chain; return them, from the top, each with the cursor above it."""
    clocks: list[tuple[Any, _Clock]] = []
    while (below := getattr(cursor, "_upstream", None)) is not None:
        clock = _Clock(below)
        cursor._upstream = clock
        clocks.append((cursor, clock))
        cursor = below
    return clocks


def _spent(cursor: Any, clocks: list[tuple[Any, _Clock]], whole: float) -> list[tuple[str, float]]:
    """Return the words of each stage of a chain, from the top, with the seconds of its own."""
    inclusive = [whole, *(clock.seconds for _, clock in clocks)]
    cursors = [cursor, *(clock.cursor for _, clock in clocks)]
    return [
        (_words(one), max(0.0, inclusive[place] - sum(inclusive[place + 1 : place + 2])))
        for place, one in enumerate(cursors)
    ]


def _words(cursor: Any) -> str:
    """Return a stage as a chain shows it, where its cursor knows its description."""
    flow = getattr(cursor, "_flow", None)
    name = getattr(flow, "name", None)
    if isinstance(name, str):
        return name
    if flow is None or getattr(flow, "ledger", None) is not None or not hasattr(flow, "words"):
        return type(cursor).__name__.strip("_").removesuffix("Cursor").lower()
    return str(flow.words())
