"""Several items of each one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn, Self

from headrace.core.arguments import function as check_function
from headrace.core.callables import code_of, failure, name_of
from headrace.core.errors import KindError, RecordError, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.state import read_state, read_whole
from headrace.stages.refuse import refuse
from headrace.stages.stage import Stage, StageCursor, dealt


@dataclass(frozen=True, eq=False)
class FlatMap(Stage):
    """The items of the iterables that a function makes, one iterable for each item from upstream.

    Args:
        upstream: Where items come from.
        function: Called with the item; returns an iterable, a generator too.
    """

    function: Callable[[Any], Any]

    @classmethod
    def of(cls, upstream: Flow, function: Callable[[Any], Any]) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: The function cannot be called.
        """
        check_function(function, "flat_map")
        code_of(function)  # now, before it runs
        return cls(upstream, function)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        upstream = self.upstream.start(None if state is None else read_state(state), epoch)
        if state is None:
            return FlatMapCursor(upstream, self, 0)
        cursor = FlatMapCursor(upstream, self, read_whole(state, "count"))
        offset = state.get("offset")
        if offset is not None:
            cursor.enter(read_whole(state, "offset"))
        return cursor

    def length(self) -> int | None:
        return None

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), *dealt(self.upstream), "flat_map")

    def code(self) -> tuple[str, ...]:
        return (*self.upstream.code(), f"{self.words()} {code_of(self.function)}")

    def words(self) -> str:
        return f"flat_map({name_of(self.function)})"


class FlatMapCursor(StageCursor):
    """A place within what one item was made into: where that item begins upstream, and how many came of it.

    Resuming calls the function again and drops what came before.
    """

    __slots__ = ("_before", "_closed", "_count", "_flow", "_function", "_inner", "_offset")

    def __init__(self, upstream: Cursor, flow: FlatMap, count: int) -> None:
        super().__init__(upstream)
        self._flow = flow
        self._function = flow.function
        self._count = count  # items from upstream before the current one
        self._before: State | None = None  # where the current one begins; None between two
        self._inner: Iterator[Any] = iter(())
        self._offset = 0
        self._closed = False

    def __next__(self) -> Any:
        while True:
            try:
                item = next(self._inner)
            except StopIteration:
                self._advance()
            except Exception as error:
                self._fail(error)
            else:
                self._offset += 1
                return item

    def _advance(self) -> None:
        """Go to the next item from upstream."""
        if self._closed:
            raise StopIteration
        if self._before is not None:
            self._leave()
        before = self._upstream.state()
        item = next(self._upstream)
        self._before = before
        try:
            made = self._function(item)
            if not isinstance(made, Iterator):
                refuse(made, f"{self._flow.words()} returned, for item {self._count},")
            self._inner = iter(made)
        except KindError:
            raise
        except Exception as error:
            self._fail(error)

    def _leave(self) -> None:
        self._before = None
        self._count += 1
        self._offset = 0
        self._close_inner()

    def _close_inner(self) -> None:
        close = getattr(self._inner, "close", None)  # generators, files
        self._inner = iter(())
        if callable(close):
            close()

    def enter(self, offset: int) -> None:
        """Go into the next item from upstream, behind the first ``offset`` items made of it."""
        try:
            self._advance()
        except StopIteration:
            raise StateError(
                f"{self._flow.words()} has no item {self._count} from upstream, which the state is in"
            ) from None
        try:
            dropped = deque(enumerate(islice(self._inner, offset), 1), maxlen=1)
        except Exception as error:
            self._fail(error)
        self._offset = dropped[0][0] if dropped else 0
        if self._offset < offset:
            self.close()
            raise StateError(
                f"{self._flow.words()} made {self._offset} items of item {self._count}, the state is after {offset}: "
                "the function or its data is not what it was"
            )

    def _fail(self, error: Exception) -> NoReturn:
        where = f"item {self._count}" + (f", after making {self._offset} of it" if self._offset else "")
        raise RecordError(failure(self._flow.words(), self._function, where, error)) from error

    def state(self) -> State:
        if self._before is None:
            return {"upstream": self._upstream.state(), "count": self._count, "offset": None}
        return {"upstream": self._before, "count": self._count, "offset": self._offset}

    def close(self) -> None:
        self._closed = True
        try:
            self._close_inner()
        finally:
            super().close()
