"""What is changed in an iteration while it runs, such as weights: kept beside its place.

A step that remembers places upstream, to go on from one of them, remembers them as they were. So a change is no part of
a place: it is noted once for the whole iteration, by the flow and the epoch that it belongs to, and whoever is started
in that iteration, from whatever place, finds it there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from typing import Any

from headrace.core.errors import OrderError, StateError
from headrace.core.flow import Flow, State

_current: ContextVar[Changes | None] = ContextVar("changes", default=None)


class Changes:
    """The changes of one iteration.

    Args:
        flow: What is iterated.
        noted: What ``state`` gave in an iteration of an equal flow; a copy is kept.

    >>> changes = Changes(flow=None)
    >>> changes.state()
    {}

    Raises:
        StateError: What is noted is damaged.
    """

    def __init__(self, flow: Any, noted: Any = None) -> None:
        self._flow = flow
        self._places: dict[int, int] | None = None  # of what can be changed, by identity
        self._entries: dict[str, list[Any]] = {}
        if noted is not None:
            if not isinstance(noted, dict) or not all(isinstance(one, list) for one in noted.values()):
                raise StateError(f"the state is damaged: 'changes' should be lists by their keys, got {noted!r:.200}")
            self._entries = deepcopy(noted)

    def of(self, flow: Flow, epoch: int) -> list[Any]:
        """Return what was changed of a flow in an epoch, in order; not to be written to."""
        return self._entries.get(self._key(flow, epoch), []) if self._entries else []

    def put(self, flow: Flow, epoch: int, entries: list[Any]) -> None:
        """Note what was changed of a flow in an epoch, in place of what was noted before.

        Raises:
            OrderError: The flow is no part of what is iterated.
        """
        self._entries[self._key(flow, epoch)] = entries

    def _key(self, flow: Flow, epoch: int) -> str:
        if self._places is None:
            self._places = {}
            for one in _changeable(self._flow):
                self._places.setdefault(id(one), len(self._places))
        place = self._places.get(id(flow))
        if place is None:
            raise OrderError(
                "a mux that comes out of a stream of streams cannot be changed while it runs, since a state could not "
                "say which one it is: give it weights that are a function of the step"
            )
        return f"{place}/{epoch}"

    def state(self) -> dict[str, Any]:
        """Return what was noted, as plain JSON; a copy."""
        return deepcopy(self._entries)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Have those who are started in the block find the changes here."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


def beside(at: State, wrapped: State) -> State:
    """Return a place of a step over another one's place, with what was changed there beside it.

    >>> beside({"count": 3, "changes": {"0/0": []}}, {"upstream": "..."})
    {'upstream': '...', 'changes': {'0/0': []}}
    """
    return {**wrapped, "changes": at["changes"]} if "changes" in at else wrapped


def current() -> Changes | None:
    """Return the changes of the iteration that starts somebody now; None where there is none that knows changes."""
    return _current.get()


def _changeable(flow: Any) -> Iterator[Any]:
    """Give what can be changed in a flow, from the top; each is where it is in any equal flow."""
    if hasattr(flow, "tally"):
        yield flow
    upstream = getattr(flow, "upstream", None)
    for below in (upstream,) if upstream is not None else getattr(flow, "upstreams", ()):
        if getattr(below, "adjustable", False):
            yield from _changeable(below)
