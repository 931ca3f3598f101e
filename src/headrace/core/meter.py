"""Where the time goes: what each stage of a running stream did, and how long it was waited for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["read", "map", "batch", "stage"]
Laps: TypeAlias = dict[str, tuple[Kind, int, int, float, int]]
"""By a stage's words: its kind, calls, items, seconds of its own work, bytes that it gave."""


class Clock:
    """What one worker measures while it does one job: cheap, a few additions for each batch.

    >>> clock = Clock()
    >>> clock.add("map(decode)", "map", items=256, seconds=0.5)
    >>> clock.take()
    {'map(decode)': ('map', 1, 256, 0.5, 0)}
    >>> clock.take()
    {}
    """

    __slots__ = ("_laps",)

    def __init__(self) -> None:
        self._laps: Laps = {}

    def add(self, words: str, kind: Kind, items: int, seconds: float, nbytes: int = 0) -> None:
        """Add a lap of a stage: its own work, without what it waited for from below."""
        known = self._laps.get(words)
        if known is None:
            self._laps[words] = (kind, 1, items, seconds, nbytes)
        else:
            self._laps[words] = (kind, known[1] + 1, known[2] + items, known[3] + seconds, known[4] + nbytes)

    def take(self) -> Laps:
        """Return what was added since the last time."""
        laps, self._laps = self._laps, {}
        return laps


@dataclass(slots=True)
class Gauge:
    """What a stage has done so far.

    Args:
        words: The stage, as a chain shows it.
        kind: What it does.
        calls: How often it ran.
        items: Records, or items of a stream, that it gave.
        busy: Seconds of its own work, summed over the workers.
        nbytes: Bytes that it gave, where that is known.
    """

    words: str
    kind: Kind
    calls: int = 0
    items: int = 0
    busy: float = 0.0
    nbytes: int = 0


@dataclass
class Meter:
    """What is measured of one running stream, or of one part of it that workers do.

    Args:
        workers: What does the work: ``inline``, ``2 threads``.
        size: How many jobs run at the same time.
        why: What ``workers="auto"`` chose and why.
        gauges: The stages, upstream first.
        delivered: Items that were handed out.
        delivered_bytes: Bytes of them.
        records: Records in them, where they are batches.
        waited: Seconds that the consumer waited for items.
        service: Seconds that workers took for the items delivered, transport left out.
        starting: Seconds that workers took to start, which count nowhere else.
        began: When the first item was asked for, or the workers had started.
        ended: When the last item was handed out; times are those of ``perf_counter``.
        ahead: The sum, over items, of how many results lay ready when one was asked for.
    """

    workers: str = "inline"
    size: int = 1
    why: str = ""
    gauges: dict[str, Gauge] = field(default_factory=dict)
    delivered: int = 0
    delivered_bytes: int = 0
    records: int = 0
    waited: float = 0.0
    service: float = 0.0
    starting: float = 0.0
    began: float | None = None
    ended: float | None = None
    ahead: int = 0

    def add(self, laps: Laps) -> None:
        """Add what a worker measured."""
        for words, (kind, calls, items, seconds, nbytes) in laps.items():
            gauge = self.gauges.get(words)
            if gauge is None:
                gauge = self.gauges[words] = Gauge(words, kind)
            gauge.calls += calls
            gauge.items += items
            gauge.busy += seconds
            gauge.nbytes += nbytes

    def start(self) -> float:
        """Note that an item is asked for; returns the time."""
        now = perf_counter()
        if self.began is None:
            self.began = now
        return now

    def deliver(self, asked: float, service: float, nbytes: int, items: int, records: int, ready: int) -> None:
        """Note that items are at hand which were asked for at a time."""
        now = perf_counter()
        if not self.delivered:  # workers were started meanwhile: rates are those from here on
            self.starting = max(0.0, now - asked - service)
            asked += self.starting
            self.began = asked
        self.ended = now
        self.waited += now - asked
        self.service += service
        self.delivered += items
        self.delivered_bytes += nbytes
        self.records += records
        self.ahead += ready

    @property
    def seconds(self) -> float:
        """From the first item asked for to the last one handed out."""
        return 0.0 if self.began is None or self.ended is None else self.ended - self.began


def total(meters: Iterable[Meter]) -> float:
    """Return the seconds of work that meters saw, summed over stages."""
    return sum(gauge.busy for meter in meters for gauge in meter.gauges.values())
