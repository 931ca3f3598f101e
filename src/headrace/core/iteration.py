"""The iterator that a user holds: hands items out, knows its place, lets go of everything at the end."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from threading import RLock
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from headrace.core.changes import Changes
from headrace.core.errors import StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.probe import Probe
from headrace.core.state import identity, open_envelope

_FIRST_MARK = 8  # steps
_MARK_SHARE = 0.01  # of the time between two marks
_PROBE_SECONDS = 5e-6  # that a step which is measured takes longer


class StreamIterator:
    """Items of a flow, one by one, with a state to resume from.

    Several threads may take turns: each item is handed out once.

    All that is held open (generators, files, progress bars) is closed at the end, at an error, by ``close``, at the end
    of a ``with`` block, and when the iterator is dropped.

    An error in a step (Ctrl-C is one, too) leaves the iterator where that step began: ``state_dict`` says that place,
    and ``next`` tries the step again. It gets there from a place that it remembered shortly before: places are
    remembered as often as costs a hundredth of the time.

    Args:
        flow: What is iterated.
        at: Where to begin; None for the front.
    """

    __slots__ = (
        "__weakref__",
        "_broken",
        "_changes",
        "_closed",
        "_cursor",
        "_due",
        "_flow",
        "_identity",
        "_lock",
        "_mark",
        "_marked_at",
        "_probe",
        "_since",
    )

    _cursor: Cursor

    def __init__(self, flow: Flow, at: State | None = None) -> None:
        self._lock = RLock()
        self._flow = flow
        self._identity: State | None = None
        self._due = _FIRST_MARK
        self._probe = Probe()
        self._changes = self._changes_of(at)
        self._begin(self._started(at, self._changes), at)

    def _changes_of(self, at: State | None) -> Changes | None:
        """Return what was changed until a place; None where nothing can be."""
        adjustable = getattr(self._flow, "adjustable", False)
        return Changes(self._flow, None if at is None else at.get("changes")) if adjustable else None

    def _started(self, at: State | None, changes: Changes | None) -> Cursor:
        if changes is None:
            return self._flow.start(at)
        with changes.current():
            return self._flow.start(at)

    def _begin(self, cursor: Cursor, at: State | None) -> None:
        self._cursor = cursor
        self._mark = at  # a place to resume from
        self._since = 0  # items handed out behind it
        self._marked_at = perf_counter()
        self._broken = False
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._lock:
            if self._broken:
                self._recover()
            try:
                if self._since >= self._due:
                    self._remember()
                    item = self._measured()
                elif self._changes is None:
                    item = next(self._cursor)
                else:
                    with self._changes.current():
                        item = next(self._cursor)
            except StopIteration:
                self._probe.end(self._since)
                self._cursor.close()
                raise
            except BaseException:
                self._broken = True
                self._cursor.close()
                raise
            self._since += 1  # behind the try: an item that is not handed out is not counted
            return item

    def _measured(self) -> Any:
        if self._changes is None:
            return self._probe.step(self._cursor)
        with self._changes.current():
            return self._probe.step(self._cursor)

    def _remember(self) -> None:
        """Take this place as the one to resume from, and settle when to do so next."""
        began = perf_counter()
        mark = self._cursor.state()
        now = perf_counter()
        step = max(began - self._marked_at, 1e-9) / self._since
        self._due = min(max(math.ceil((now - began + _PROBE_SECONDS) / _MARK_SHARE / step), 1), 4 * self._due)
        self._probe.count(self._since)
        self._marked_at = now
        self._mark = mark
        self._since = 0

    def _recover(self) -> None:
        """Go to where the step that failed began."""
        if self._closed:
            raise StopIteration
        self._cursor = self._replayed()
        self._broken = False

    def _replayed(self) -> Cursor:
        """Return a new cursor at the place behind the last item that was handed out."""
        cursor = self._started(self._mark, self._changes)
        try:
            with nullcontext() if self._changes is None else self._changes.current():
                for _ in range(self._since):
                    next(cursor)
        except BaseException as error:
            cursor.close()
            if isinstance(error, StopIteration):
                raise StateError(
                    "gone through again, the stream ended earlier: it gives other items each time"
                ) from None
            raise
        return cursor

    @property
    def probe(self) -> Probe:
        """What has measured the steps, as far as these were: one now and then is."""
        return self._probe

    @property
    def cursor(self) -> Cursor:
        """The cursor of the last step, for what it offers beyond iteration."""
        return self._cursor

    def state_dict(self) -> State:
        """Return where the next item begins: plain JSON, to be given to ``load_state_dict`` or ``Stream.resume``."""
        with self._lock:
            if self._identity is None:
                self._identity = identity(self._flow)
            if self._broken:
                self._cursor = self._replayed()
                self._mark, self._since = self._cursor.state(), 0
                self._cursor.close()  # nothing stays open after an error
            at = self._cursor.state()
            if self._changes is not None and (noted := self._changes.state()):
                at = {**at, "changes": noted}
            return deepcopy({**self._identity, "at": at})

    def load_state_dict(self, state: State) -> None:
        """Go to where a state says, whatever was handed out so far.

        Raises:
            StateError: The state does not belong to this stream; the iterator stays where it is.

        Warns:
            CodeChangedWarning: A function is another than when the state was saved.
            ReplayWarning: The place is reached by going through a generator again.
        """
        at = deepcopy(open_envelope(self._flow, state))
        changes = self._changes_of(at)
        cursor = self._started(at, changes)
        with self._lock:
            self._cursor.close()
            self._changes = changes
            self._begin(cursor, at)

    def close(self) -> None:
        """Let go of what is held open. The iterator is then at its end; ``state_dict`` still says where it was."""
        self._closed = True
        self._probe.end(self._since)
        self._cursor.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Make a copy, or what is pickled, an iterator of its own that stands at the same place."""
        return _resumed, (self._flow, self.state_dict())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self, _ending: Callable[[], bool] = sys.is_finalizing) -> None:
        cursor = getattr(self, "_cursor", None)  # there is none where the start failed
        if cursor is not None and not _ending():  # then what closing needs may be gone, and all is let go of anyhow
            self._probe.end(self._since)
            cursor.close()


def _resumed(flow: Flow, state: State) -> StreamIterator:
    iterator = StreamIterator(flow)
    iterator.load_state_dict(state)
    return iterator
