"""A function of one item, applied to each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from headrace.core import seeds
from headrace.core.arguments import function as check_function
from headrace.core.callables import code_of, failure, name_of
from headrace.core.errors import ArgumentError, RecordError
from headrace.core.failures import SKIP, SKIP_RETURNED, leaves_out
from headrace.core.flow import Cursor, Flow, State
from headrace.core.ledger import Ledger
from headrace.core.state import read_whole
from headrace.stages.applying import Applying
from headrace.stages.marks import Marks, resumed
from headrace.stages.parallel import Doing, ParallelCursor
from headrace.stages.stage import Stage, StageCursor, chain, walk


@dataclass(frozen=True, eq=False)
class Map(Stage):
    """What a function makes of each item.

    Args:
        upstream: Where items come from.
        function: Called with the item; with a seed also with a NumPy Generator.
        seed: Keys the generator, together with ``place``, the epoch and the item's number.
        place: How many seeded maps lie below, so that two with one seed draw different numbers.
        starred: Whether the items are spread into arguments: ``function(*item)``.
        doing: Who does it, and what becomes of items that fail; it does not belong to the identity of the flow.
    """

    function: Callable[..., Any]
    seed: int | None = None
    place: int = 0
    starred: bool = False
    doing: Doing = field(default_factory=Doing)

    @classmethod
    def of(
        cls,
        upstream: Flow,
        function: Callable[..., Any],
        seed: Any = None,
        starred: bool = False,
        doing: Doing | None = None,
    ) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: The function cannot be called, or the seed is no integer.
            ArgumentError: The seed is below 0.
        """
        check_function(function, "starmap" if starred else "map")
        code_of(function)  # now, before it runs
        place = sum(isinstance(flow, Map) and flow.seed is not None for flow in walk(upstream))
        seed = None if seed is None else seeds.check(seed)
        return cls(upstream, function, seed, place, starred, Doing() if doing is None else doing)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        count = 0 if state is None else read_whole(state, "count")
        if not self.doing.plain:
            return self._by_workers(state, epoch, count)
        upstream = resumed(self.upstream, state, epoch)
        if self.seed is None:
            return MapCursor(upstream, self, _spread(self.function) if self.starred else self.function, count)
        # The epoch is hashed into the key: endless repeats that nest make it wider than a word of the counter.
        generators = seeds.KeyedGenerator(self.seed, "stream.map", self.place, epoch)
        return SeededMapCursor(upstream, self, self.function, count, generators)

    def _by_workers(self, state: State | None, epoch: int, count: int) -> Cursor:
        if state is None and not epoch:  # rounds of a repeat are one iteration
            self.doing.ledger.begin()
        work = Applying(
            self.function,
            self.starred,
            self.seed,
            self.place,
            epoch,
            self.words(),
            chain(self.upstream),
            self.doing.on_error,
        )
        return ParallelCursor(Marks(self.upstream, state, epoch, count), work, self.doing, count)

    def length(self) -> int | None:
        return None if leaves_out(self.doing.on_error) else super().length()

    @property
    def ledger(self) -> Ledger | None:
        """What the latest iteration has measured, and which items failed in it; None where nothing is kept."""
        return None if self.doing.plain else self.doing.ledger

    def code(self) -> tuple[str, ...]:
        return (*self.upstream.code(), f"{self.words()} {code_of(self.function)}")

    def words(self) -> str:
        seed = "" if self.seed is None else f", seed={self.seed}"
        return f"{'starmap' if self.starred else 'map'}({name_of(self.function)}{seed})"


def _spread(function: Callable[..., Any]) -> Callable[[Any], Any]:
    def spread(item: Any) -> Any:
        return function(*item)

    return spread


class MapCursor(StageCursor):
    """A place in a map: how many items came."""

    __slots__ = ("_count", "_flow", "_function")

    def __init__(self, upstream: Cursor, flow: Map, function: Callable[..., Any], count: int) -> None:
        super().__init__(upstream)
        self._flow = flow
        self._function = function
        self._count = count

    def __next__(self) -> Any:
        item = next(self._upstream)
        try:
            made = self._function(item)
            if made is SKIP:
                raise ArgumentError(SKIP_RETURNED)
        except (Exception, GeneratorExit) as error:  # one that looks like the end of the caller's loop, too
            raise self._failed(error) from error
        self._count += 1
        return made

    def _failed(self, error: BaseException) -> RecordError:
        number = self._count
        self._count += 1  # whoever goes on, goes on with the next item
        return RecordError(failure(self._flow.words(), self._flow.function, f"item {number}", error))

    def state(self) -> State:
        return {"upstream": self._upstream.state(), "count": self._count}


class SeededMapCursor(MapCursor):
    """A place in a map whose function draws random numbers."""

    __slots__ = ("_generators",)

    def __init__(
        self, upstream: Cursor, flow: Map, function: Callable[..., Any], count: int, generators: seeds.KeyedGenerator
    ) -> None:
        super().__init__(upstream, flow, function, count)
        self._generators = generators

    def __next__(self) -> Any:
        item = next(self._upstream)
        generator = self._generators.at(0, self._count)
        try:
            made = self._function(*item, generator) if self._flow.starred else self._function(item, generator)
            if made is SKIP:
                raise ArgumentError(SKIP_RETURNED)
        except (Exception, GeneratorExit) as error:
            raise self._failed(error) from error
        self._count += 1
        return made
