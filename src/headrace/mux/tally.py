"""What a mux has done so far: which streams gave how many records, for how long they stayed, how they left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self
from weakref import WeakSet

import numpy as np

from headrace.core.errors import OrderError
from headrace.core.source import Indices

_SHOWN = 8


class Running(Protocol):
    """A run of a mux that goes on."""

    def tell(self) -> None:
        """Add to the tally what is not in there yet."""
        ...

    def set_weights(self, weights: Any) -> bool:
        """Go by other weights from here on; says whether the mux is active in the run."""
        ...


@dataclass(frozen=True)
class Stats:
    """What a mux has given since its latest iteration began; arrays are ``(streams,)``, new ones.

    Args:
        records: How many items each stream has given, int64.
        activations: How often each has been given a seat, int64.
        evictions: How often each had to leave since its lifetime was over, int64.
        endings: How often each came to its own end, int64.
        shortest: The fewest items with which each has ended, int64; -1 where it has not.
        longest: The most, likewise.

    >>> import headrace as hr
    >>> mux = hr.mix([hr.Stream(["a"] * 8), hr.Stream(["b"] * 8)], weights=[3, 1])
    >>> _ = mux.take(8).list()
    >>> mux.stats().records.tolist(), mux.stats().proportions.tolist()
    ([6, 2], [0.75, 0.25])
    """

    records: Indices
    activations: Indices
    evictions: Indices
    endings: Indices
    shortest: Indices
    longest: Indices

    @property
    def proportions(self) -> Any:
        """The share of all records that each stream has given: float64 ``(streams,)``, zeros before the first one."""
        return self.records / max(int(self.records.sum()), 1)

    @property
    def step(self) -> int:
        """How many records were given in all."""
        return int(self.records.sum())

    def __repr__(self) -> str:
        given = f"{self.step:,} records of {len(self.records):,} streams"
        seats = f"{int(self.activations.sum()):,} activations, {int(self.evictions.sum()):,} evictions"
        shares = ", ".join(f"{share:.3g}" for share in self.proportions[:_SHOWN])
        more = ", ..." if len(self.records) > _SHOWN else ""
        return f"Stats({given}; {seats}, {int(self.endings.sum()):,} endings; proportions {shares}{more})"


class Count:
    """What one iteration of a mux has given so far, and those that run beside it.

    Args:
        streams: How many there are.
    """

    __slots__ = ("_activations", "_endings", "_evictions", "_longest", "_records", "_shortest", "streams")

    def __init__(self, streams: int) -> None:
        self.streams = 0
        self._records: Indices = np.zeros(0, np.int64)
        self._activations: list[int] = []
        self._evictions: list[int] = []
        self._endings: list[int] = []
        self._shortest: list[int] = []
        self._longest: list[int] = []
        self.reach(streams)

    def reach(self, streams: int) -> None:
        """Have room for so many streams, where their number is not known beforehand."""
        more = streams - self.streams
        if more <= 0:
            return
        self.streams = streams
        if streams > len(self._records):
            self._records = np.pad(self._records, (0, max(streams, 2 * len(self._records)) - len(self._records)))
        for counts in (self._activations, self._evictions, self._endings):
            counts += [0] * more
        for spans in (self._shortest, self._longest):
            spans += [-1] * more

    def sat(self, stream: int) -> None:
        """Count an activation."""
        self._activations[stream] += 1

    def gave(self, stream: int, records: int) -> None:
        """Count records of a stream."""
        self._records[stream] += records

    def gave_all(self, streams: Indices) -> None:
        """Count a record for each of some streams."""
        self._records += np.bincount(streams, minlength=self.streams)

    def left(self, stream: int, given: int, ended: bool) -> None:
        """Count that a stream has left its seat."""
        if not ended:
            self._evictions[stream] += 1
            return
        self._endings[stream] += 1
        shortest = self._shortest[stream]
        self._shortest[stream] = given if shortest < 0 else min(shortest, given)
        self._longest[stream] = max(self._longest[stream], given)

    @classmethod
    def of(cls, stats: Stats) -> Self:
        """Return a count that goes on from what was counted."""
        count = cls(len(stats.records))
        count._records = stats.records.copy()
        count._activations, count._evictions = stats.activations.tolist(), stats.evictions.tolist()
        count._endings = stats.endings.tolist()
        count._shortest, count._longest = stats.shortest.tolist(), stats.longest.tolist()
        return count

    def stats(self) -> Stats:
        """Return what was counted; a copy."""
        lists = (self._activations, self._evictions, self._endings, self._shortest, self._longest)
        return Stats(self._records[: self.streams].copy(), *(np.array(one, np.int64) for one in lists))


class Tally:
    """What a mux keeps of its iterations.

    Args:
        streams: How many streams there are; 0 where that is not known beforehand.

    ``now`` is the count of the latest iteration; ``running`` are those that go on.
    """

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self.now = Count(streams)
        self.running: WeakSet[Running] = WeakSet()

    def begin(self) -> None:
        """Begin to count anew; who has the count before goes on with it."""
        self.now = Count(self._streams)

    def stats(self) -> Stats:
        """Return what the latest iteration has given so far."""
        for run in list(self.running):
            run.tell()
        return self.now.stats()

    def take(self, counted: Stats) -> None:
        """Take what an iteration in another process has given as that of the latest."""
        self.now = Count.of(counted)

    def set_weights(self, weights: Any, words: str) -> None:
        """Tell the iterations that go on to go by other weights.

        Raises:
            OrderError: None goes on in this process.
        """
        active = [run.set_weights(weights) for run in list(self.running)]
        if not any(active):
            raise OrderError(
                f"set_weights changes an iteration of {words} that is running in this process, and none is: begin one "
                "first, or make the mux with these weights; one that runs in a background() cannot be reached: give it "
                "weights that are a function of the step"
            )

    def __deepcopy__(self, memo: Any) -> Tally:
        return Tally(self._streams)

    def __reduce__(self) -> Any:
        return Tally, (self._streams,)
