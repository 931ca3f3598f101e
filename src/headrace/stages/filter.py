"""Only the items of which a predicate is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from headrace.core.arguments import function as check_function
from headrace.core.callables import code_of, failure, name_of
from headrace.core.errors import RecordError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_state, read_whole
from headrace.stages.stage import Stage, StageCursor


@dataclass(frozen=True, eq=False)
class Filter(Stage):
    """The items that a predicate keeps.

    Args:
        upstream: Where items come from.
        predicate: Called with each item; what is false is left out.
    """

    predicate: Callable[[Any], Any]

    @classmethod
    def of(cls, upstream: Flow, predicate: Callable[[Any], Any]) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: The predicate cannot be called.
        """
        check_function(predicate, "filter")
        code_of(predicate)  # now, before it runs
        return cls(upstream, predicate)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        upstream = self.upstream.start(None if state is None else read_state(state), epoch)
        return FilterCursor(upstream, self, 0 if state is None else read_whole(state, "count"))

    def length(self) -> int | None:
        return None

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), "filter")

    def code(self) -> tuple[str, ...]:
        return (*self.upstream.code(), f"{self.words()} {code_of(self.predicate)}")

    def words(self) -> str:
        return f"filter({name_of(self.predicate)})"


class FilterCursor(StageCursor):
    """A place in a filter: how many items came, kept or not."""

    __slots__ = ("_count", "_flow", "_predicate")

    def __init__(self, upstream: Cursor, flow: Filter, count: int) -> None:
        super().__init__(upstream)
        self._flow = flow
        self._predicate = flow.predicate
        self._count = count

    def __next__(self) -> Any:
        upstream, predicate = self._upstream, self._predicate
        while True:
            item = next(upstream)
            number = self._count
            self._count = number + 1
            try:
                if predicate(item):
                    return item
            except Exception as error:
                raise RecordError(failure(self._flow.words(), predicate, f"item {number}", error)) from error

    def state(self) -> State:
        return {"upstream": self._upstream.state(), "count": self._count}
