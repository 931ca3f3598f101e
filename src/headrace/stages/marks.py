"""Places upstream that are remembered by a step which reads ahead, so that it can say where what it handed out ends.

A state upstream costs little as a rule, and much at times (a digest of a large item). So it is taken as often as costs
a hundredth of the time; in between the items since the last one are counted, and drawn again by whoever resumes. Over a
Dataset it is taken each time, since there the place must be told in steps that other readers can go on from.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Any

from headrace.core.errors import StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_state, read_whole
from headrace.stages.stage import walk

_SHARE = 0.01  # of the time


class Marks:
    """An upstream that is drawn from, and the places in it that are not handed out yet.

    Args:
        flow: What lies upstream.
        state: The state of the step, as ``state`` gave it; None for the front.
        epoch: Of the step.
        number: Of the next item to be drawn.

    Raises:
        StateError: The upstream ends before the place that the state says.
    """

    def __init__(self, flow: Flow, state: State | None, epoch: int, number: int = 0) -> None:
        self.cursor: Cursor = resumed(flow, state, epoch)
        self.number = number
        self._always = any(hasattr(one, "readers") for one in walk(flow))
        self._marks: deque[tuple[int, State]] = deque()
        self._due = 0.0
        self._failed = False  # then the cursor may stand behind what failed, and that is to be tried again

    def draw(self) -> Any:
        """Return the next item upstream."""
        began = perf_counter()
        if not self._failed and (self._always or not self._due or began >= self._due):
            self._marks.append((self.number, self.cursor.state()))
            now = perf_counter()
            self._due = now + (now - began) / _SHARE
        try:
            item = next(self.cursor)
        except StopIteration:
            raise
        except BaseException:
            self._failed = True
            raise
        self.number += 1
        return item

    def state(self, number: int) -> State:
        """Return the place of an item: one that was drawn and not handed out yet, or the next; forgets those before."""
        if number == self.number and not self._failed:
            return {"upstream": self.cursor.state()}
        marks = self._marks
        while len(marks) > 1 and marks[1][0] <= number:
            marks.popleft()
        at, upstream = marks[0]
        return {"upstream": upstream} if at == number else {"upstream": upstream, "behind": number - at}

    def forget(self, number: int) -> None:
        """Drop the places that nobody needs once the items before a number were handed out."""
        marks = self._marks
        while len(marks) > 1 and marks[1][0] <= number:
            marks.popleft()

    def take(self, ended: bool) -> list[tuple[int, State]]:
        """Return the places since the last time, with their numbers; at the end that one, too."""
        taken = list(self._marks)
        self._marks.clear()
        if ended:
            taken.append((self.number, self.cursor.state()))
        return taken

    def close(self) -> None:
        self.cursor.close()


def resumed(flow: Flow, state: State | None, epoch: int) -> Cursor:
    """Return a cursor upstream at the place that a step's state says.

    Raises:
        StateError: It ends before that.
    """
    if state is None:
        return flow.start(None, epoch)
    begins = state.get("upstream") is None and "behind" in state
    cursor = flow.start(None if begins else read_state(state), epoch)
    behind = read_whole(state, "behind") if "behind" in state else 0
    for drawn in range(behind):
        try:
            next(cursor)
        except StopIteration:
            cursor.close()
            raise StateError(
                f"upstream ended {behind - drawn} items before the place that the state says: "
                "its data is not what it was"
            ) from None
    return cursor
