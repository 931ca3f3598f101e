"""Items that a step holds for a while: those of a window, of buckets, of a cache, of open bins.

They are known by their number upstream, and a state names these numbers, never the items. To have the items again,
places upstream (states of the cursor there) are kept now and then; whoever resumes reads on from the oldest needed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import chain
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

from headrace.core.errors import StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_list, read_state, read_whole
from headrace.stages.stage import below, walk

_LEAST_GAP = 32  # items between two places
_FAR = 256  # items in a row that nobody holds, from which on a state names the place behind them, too
_MOST_PLACES = 16  # that a state names beside the oldest
_WORTH = 4  # so many times must going past a gap take longer than starting again behind it
_TIMED = 8  # items, before it is said how long one takes

Place: TypeAlias = tuple[int, State]
"""How many items came before it, and the state of the cursor upstream."""

T = TypeVar("T")


class Held:
    """An upstream, and the items that were drawn from it and not let go of yet.

    ``items`` has them by their number, the oldest first. A step takes out of it what it hands out::

        number = held.draw()
        item = held.items.pop(number)

    Nothing is kept but these items, and no more places than about two for each. While ``read`` is below ``due``, a step
    that does little else may draw from ``cursor`` itself: put the item in, then count it in ``read``.

    Args:
        flow: What lies upstream.
        epoch: Of the step.
        words: How the step is called in errors.
        state: Of the step, made of what ``state`` gave; None for the front.
        numbers: The items that the state says were held, in any order; they are in ``items`` again.

    Raises:
        StateError: The numbers are none that can have been held, or upstream has fewer items than it had.
    """

    __slots__ = ("_at_once", "_epoch", "_flow", "_places", "_thin_at", "_words", "cursor", "due", "items", "read")

    cursor: Cursor

    def __init__(
        self, flow: Flow, epoch: int, words: str, state: State | None = None, numbers: Iterable[Any] = ()
    ) -> None:
        self._flow = flow
        self._epoch = epoch
        self._words = words
        self.items: dict[int, Any] = {}
        self.read = 0  # items that came from upstream
        self._places: list[Place] = []
        self.due = 0  # the number before which the next place is kept
        self._thin_at = _MOST_PLACES
        self._at_once: bool | None = None
        if state is None:
            self.cursor = flow.start(None, epoch)
        else:
            self._restore(state, list(numbers))

    def draw(self) -> int:
        """Draw the next item upstream into ``items``, and return its number.

        Raises:
            StopIteration: There is none.
        """
        number = self.read
        if number >= self.due:
            self._keep_place(number)
        self.items[number] = next(self.cursor)
        self.read = number + 1
        return number

    def _keep_place(self, number: int) -> None:
        places, held = self._places, len(self.items)
        if not places or places[-1][0] < number:
            places.append((number, self.cursor.state()))
        self._forget()
        self.due = number + (held if held > _LEAST_GAP else _LEAST_GAP)

    def _forget(self) -> None:
        """Drop the places that no item needs: each needs the last one before it."""
        places = self._places
        oldest = next(iter(self.items), self.read)
        while len(places) > 1 and places[1][0] <= oldest:
            del places[0]
        if len(places) > self._thin_at:
            needed = {bisect_right(places, number, key=_number) - 1 for number in self.items}
            self._places = [places[at] for at in sorted(needed | {len(places) - 1})]
            self._thin_at = 2 * len(self._places) + _MOST_PLACES

    def state(self) -> State:
        """Return what brings the items back: ``upstream``, a place there; which item is next there; and ``read``.

        A step adds the numbers of its items, in whatever shape suits it. Where nobody holds any of many items in a row,
        ``places`` says where upstream goes on behind them.
        """
        if not self.items:
            return {"upstream": self.cursor.state(), "from": self.read, "read": self.read}
        self._forget()
        number, upstream = self._places[0]
        state: State = {"upstream": upstream, "from": number, "read": self.read}
        far = self._places_behind_gaps(number)
        return {**state, "places": far} if far else state

    def _places_behind_gaps(self, first: int) -> list[list[Any]]:
        if self.read - first < _FAR or not self._is_entered_anywhere():
            return []
        gaps: list[tuple[int, Place]] = []
        before = first  # the item behind the last one that is needed
        for number in chain(self.items, (self.read,)):
            if number - before >= _FAR:
                place = self._places[bisect_right(self._places, number, key=_number) - 1]
                if place[0] - before >= _FAR:
                    gaps.append((place[0] - before, place))
            before = number + 1
        longest = sorted(gaps, key=_number)[-_MOST_PLACES:]
        return [list(place) for place in sorted((place for _, place in longest), key=_number)]

    def _is_entered_anywhere(self) -> bool:
        """Say whether a cursor upstream goes to a place at once, and not by going through all before it again."""
        if self._at_once is None:
            leaves = [flow for flow in walk(self._flow) if not below(flow)]
            self._at_once = all(getattr(leaf, "is_sequence", False) or hasattr(leaf, "readers") for leaf in leaves)
        return self._at_once

    def _restore(self, state: State, numbers: list[Any]) -> None:
        upstream, first, read = read_state(state), read_whole(state, "from"), read_whole(state, "read")
        wanted = {number for number in numbers if type(number) is int and first <= number < read}
        if len(wanted) < len(numbers) or first > read:
            raise StateError(f"the state is damaged: the items held are {numbers!r:.100}, of {first} to {read}")
        places = _later_places(state, first, read) if self._is_entered_anywhere() else []
        pace = self._enter((first, upstream))
        try:
            for number in chain(sorted(wanted), (read,)):
                while self.read < number:
                    pace = self._pass_by(number, places, pace)
                if number < read:
                    pace.time(self.draw)
        except StopIteration:
            raise StateError(
                f"{self._words} read {read} items before the state was saved; now there are {self.read}"
            ) from None
        finally:
            if self.read < read:
                self.close()

    def _pass_by(self, number: int, places: list[Place], pace: _Pace) -> _Pace:
        """Go past an item that nobody holds, or to a place on the way to a number where that is quicker."""
        at = bisect_right(places, number, key=_number) - 1
        if at >= 0 and pace.is_slower(places[at][0] - self.read):
            self.cursor.close()
            return self._enter(places[at])
        pace.time(self.draw)
        self.items.popitem()
        return pace

    def _enter(self, place: Place) -> _Pace:
        """Start upstream at a place."""
        pace = _Pace()
        self.cursor = pace.time(lambda: self._flow.start(place[1], self._epoch))
        self._places.append(place)
        self.read = place[0]
        self.due = self.read + max(_LEAST_GAP, len(self.items))
        return pace

    def close(self) -> None:
        """Let go of the items and of what is open upstream; the numbers stay, for the state."""
        self.items = dict.fromkeys(self.items)
        self.cursor.close()


class _Pace:
    """How long items take from a place on, and how long it took to start there."""

    def __init__(self) -> None:
        self._steps = 0
        self._starting = 0.0
        self._seconds = 0.0

    def time(self, step: Callable[[], T]) -> T:
        """Take a step: the start, the first item (workers start when it is asked for), or another item."""
        began = perf_counter()
        result = step()
        took = perf_counter() - began
        if self._steps < 2:
            self._starting += took
        else:
            self._seconds += took
        self._steps += 1
        return result

    def is_slower(self, items: int) -> bool:
        """Say whether so many items would take much longer than another start."""
        timed = self._steps - 2
        return timed >= _TIMED and items * self._seconds > _WORTH * self._starting * timed


def _number(place: tuple[int, Any]) -> int:
    return place[0]


def _later_places(state: State, first: int, read: int) -> list[Place]:
    """Return the places that a state names beside the oldest, in their order.

    Raises:
        StateError: They are damaged.
    """
    found: list[Place] = []
    for place in read_list(state, "places") if "places" in state else ():
        before = found[-1][0] if found else first
        match place:
            case [int(number), dict(upstream)] if before < number <= read and not isinstance(number, bool):
                found.append((number, upstream))
            case _:
                raise StateError(f"the state is damaged: a place between {before} and {read} is {place!r:.200}")
    return found
