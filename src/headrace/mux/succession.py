"""One stream after the other, where the streams themselves come one by one: from a generator, or from a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self

from headrace.core.errors import OrderError, ReplayWarning, StateError
from headrace.core.failures import SKIP, OnError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.ledger import Ledger
from headrace.core.state import read_state, read_whole
from headrace.core.warn import gathered, warn
from headrace.mux.epochs import activation_epoch
from headrace.mux.failing import Failing
from headrace.mux.tally import Tally
from headrace.stages.iterate import Iterate
from headrace.stages.stage import Stage, chain

_BARREN = 100_000  # streams in a row without an item that are no accident


@dataclass(frozen=True, eq=False)
class LazyChain(Stage):
    """The items of each stream that another one gives, each started when the one before has ended.

    Args:
        upstream: What gives the streams.
        convert: Makes a flow of what it gives.
        mode: What is done at the end.
        on_error: What becomes of a stream that raises an error.
        max_errors: How many may.
        ledger: Which did in the latest iteration.
        tally: What the latest iteration has given.
    """

    convert: Callable[[Any], Flow]
    mode: Literal["exhaustive", "cycle"] = "exhaustive"
    on_error: OnError = "raise"
    max_errors: int | float = 100
    ledger: Ledger = field(default_factory=Ledger)
    tally: Tally = field(default_factory=lambda: Tally(0))

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        if not epoch:
            self.tally.begin()
            if state is None:
                self.ledger.begin()
        cursor = LazyChainCursor(self, epoch)
        if state is not None:
            cursor.restore(state)
        return cursor

    def length(self) -> int | None:
        return None

    @property
    def endless(self) -> bool:
        return self.mode == "cycle"

    @property
    def adjustable(self) -> bool:
        return False

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), self.text)

    @cached_property
    def text(self) -> str:
        """The step as a user would write it."""
        return f"ChainMux({'' if self.mode == 'exhaustive' else f'mode={self.mode!r}'})"

    def words(self) -> str:
        return self.text


class Streams(Iterate):
    """Streams that an iterable gives one by one, such as a generator: each is known by what flows in it.

    Not by what the object holds: that changes as it is gone through.
    """

    @classmethod
    def over(cls, flow: Flow) -> Flow:
        """Return a flow of streams, which are known likewise where they come straight from an iterable."""
        return cls(flow.source, flow.args, flow.kwargs, flow.seed) if type(flow) is Iterate else flow

    def _iterable(self, epoch: int) -> Iterable[Any]:
        return map(_Given, super()._iterable(epoch))


class _Given:
    """A stream as it was given.

    Args:
        stream: The stream.
    """

    __slots__ = ("stream",)

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    @property
    def __wrapped__(self) -> Any:
        """What a digest is taken of."""
        flow = getattr(self.stream, "_flow", self.stream)
        return (flow.order(), flow.code()) if isinstance(flow, Flow) else self.stream


class LazyChainCursor:
    """A place in such a chain: before which stream the outer one stands, and where in that stream.

    Args:
        flow: The chain.
        epoch: Of the run.
    """

    def __init__(self, flow: LazyChain, epoch: int) -> None:
        self._flow = flow
        self._epoch = epoch
        self._round = 0  # how often the streams were gone through
        self._number = 0  # streams so far
        self._outer: Cursor = self._started(None)
        self._before: State = self._outer.state()  # where the running one comes from
        self._inner: Flow | None = None
        self._cursor: Cursor | None = None
        self._given = 0  # items of the running stream
        self._items = 0  # of all in this round
        self._barren = 0  # streams in a row that gave none
        self._closed = False
        self._count = flow.tally.now

    def _started(self, state: State | None) -> Cursor:
        return self._flow.upstream.start(state, activation_epoch(self._epoch, self._round))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while not self._closed:
            if self._cursor is None:
                self._advance()
            try:
                item = next(self._cursor)  # type: ignore[arg-type]
            except StopIteration:
                self._leave()
                continue
            except Exception as error:
                item, goes_on = self._failed(error)
                if not goes_on:
                    self._leave()
                if item is SKIP:
                    continue
            self._given += 1
            self._items += 1
            self._count.gave(self._number - 1, 1)
            return item
        raise StopIteration

    def _advance(self) -> None:
        """Start the next stream.

        Raises:
            StopIteration: There is none.
            OrderError: None has given an item.
        """
        while True:
            self._before = self._outer.state()
            try:
                stream = next(self._outer)
                break
            except StopIteration:
                if not self._items:
                    raise self._nothing() from None
                if self._flow.mode == "exhaustive":
                    raise
            self._round += 1
            self._items = 0
            self._outer.close()
            self._outer = self._started(None)
        if self._barren > _BARREN:
            raise self._nothing()
        self._inner = self._converted(stream)
        self._cursor = self._inner.start(None, activation_epoch(self._epoch, self._number))
        self._number += 1
        self._given = 0
        self._count.reach(self._number)
        self._count.sat(self._number - 1)

    def _converted(self, stream: Any) -> Flow:
        return self._flow.convert(stream.stream if type(stream) is _Given else stream)

    def _nothing(self) -> OrderError:
        streams = f"{self._barren} streams in a row" if self._barren else "no streams"
        return OrderError(f"all streams of {self._flow.words()} are empty: {streams}, and none has an item to give")

    def _leave(self) -> None:
        """Close the stream that has ended."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            self._barren = 0 if self._given else self._barren + 1
            self._count.left(self._number - 1, self._given, True)
            cursor.close()

    def _failed(self, error: Exception) -> tuple[Any, bool]:
        inner, number, given = self._inner, self._number - 1, self._given
        assert inner is not None

        def again() -> Any:
            if self._cursor is not None:
                self._cursor.close()
            cursor = self._cursor = inner.start(None, activation_epoch(self._epoch, number))
            for _ in range(given):
                next(cursor)
            return next(cursor)

        failing = Failing(self._flow, lambda _: chain(inner))
        try:
            return failing.settle(number, given, given, error, again)
        except StopIteration:
            return SKIP, False

    def state(self) -> State:
        inside = self._cursor is not None
        return {
            "outer": self._before if inside else self._outer.state(),
            "at": self._cursor.state() if self._cursor is not None else None,
            "inside": inside,
            "round": self._round,
            "number": self._number,
            "given": self._given,
            "items": self._items,
            "barren": self._barren,
        }

    def restore(self, state: State) -> None:
        """Go to where a state says.

        Raises:
            StateError: It is damaged, or the outer stream gives no more streams there.
        """
        self._outer.close()
        names = ("round", "number", "given", "items", "barren")
        self._round, self._number, self._given, self._items, self._barren = (read_whole(state, one) for one in names)
        self._count.reach(self._number)
        with gathered(ReplayWarning) as replays:
            self._outer = self._started(read_state(state, "outer"))
            if state.get("inside"):
                self._before = read_state(state, "outer")
                try:
                    stream = next(self._outer)
                except StopIteration:
                    raise StateError(f"{self._flow.words()} has no stream {self._number - 1} any more") from None
                self._inner = self._converted(stream)
                self._cursor = self._inner.start(
                    read_state(state, "at"), activation_epoch(self._epoch, self._number - 1)
                )
        if replays:
            warn(f"in {self._flow.words()}: {replays[-1]}", ReplayWarning)

    def close(self) -> None:
        self._closed = True
        self._outer.close()
        if self._cursor is not None:
            self._cursor.close()
