"""What measured times say of a running stream: who is busy, who waits, and what more workers would bring.

This is operational analysis (P. J. Denning and J. P. Buzen, The operational analysis of queueing network models,
ACM Computing Surveys 10(3), 1978): laws that hold for the quantities measured in any interval, whatever the arrivals
are like. Used here are the utilisation law (busy time = throughput x service demand), the bottleneck bound (a
station of c servers and demand D lets at most c / D items through each second) and Little's law (items in hand =
throughput x time in hand; J. D. C. Little, Operations Research 9(3), 1961).

A *station* is what does work: the workers of a part of the stream, or the thread that iterates. Its *demand* is the
seconds of its work that one delivered item takes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from headrace.core.meter import Meter

COPY_RATE = 4e9
"""Bytes a second that the copy out of shared memory is taken to move; about what one core does."""

PARTS = ("crossing", "parallel", "background")
"""What stages call a part below them that has a meter of its own: time spent there is waiting."""

JOINS = ("zip", "chain")
"""What stages call several flows together: where any of these has a meter of its own, time spent there is waiting."""

_NOTICED = 0.05  # of the time: less waiting than that is none
_NEARLY = 0.95  # of the best rate: good enough

Verdict: TypeAlias = Literal["nothing yet", "inline", "data waits", "consumer waits", "handover"]


def apart(meter: Meter) -> bool:
    """Say whether a part has workers of its own, beside the thread that iterates."""
    return meter.size > 0 and meter.workers != "inline"


def beside(meter: Meter) -> bool:
    """Say whether a meter is of the stages that run in the thread that iterates, right of all parts with workers.

    Their times are in its gauges; waiting for the parts below is one of these.
    """
    return not apart(meter) and not meter.service and any(gauge.kind == "stage" for gauge in meter.gauges.values())


def cores() -> int:
    """Return how many processor cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return max(1, len(allowed(0)) if allowed is not None else os.cpu_count() or 1)


@dataclass(frozen=True)
class Station:
    """What does work.

    Args:
        name: As a report shows it.
        servers: How many jobs it does at the same time.
        demand: Seconds of its work that one delivered item takes.
        utilisation: The share of its time that it was busy, from 0 to 1.
    """

    name: str
    servers: int
    demand: float
    utilisation: float

    @property
    def bound(self) -> float:
        """The most items a second that it lets through."""
        return self.servers / self.demand if self.demand > 0 else math.inf


@dataclass(frozen=True)
class Analysis:
    """What the meters of one running stream say together.

    Args:
        meters: One for each part that is measured, upstream first.
        outer: Those of them whose items the consumer asks for itself: the last part, of a zip the last of each branch.
        cores: How many cores there are.

    >>> inline = Meter(delivered=100, waited=3.0, service=3.0, began=0.0, ended=4.0)
    >>> seen = Analysis((inline,), (inline,), 8)
    >>> seen.verdict, round(seen.rate), round(seen.headspace), round(seen.predict(inline, 2))
    ('inline', 25, 100, 67)
    """

    meters: tuple[Meter, ...]
    outer: tuple[Meter, ...]
    cores: int

    @cached_property
    def items(self) -> int:
        """Items that the consumer was handed."""
        return max((meter.delivered for meter in self.outer), default=0)

    @cached_property
    def seconds(self) -> float:
        """From the first item asked for to the last one handed out."""
        return max((meter.seconds for meter in self.outer), default=0.0)

    @cached_property
    def waited(self) -> float:
        """Seconds in which the consumer waited, at most all.

        Where stages run between the last part with workers and the consumer, only some of their steps were measured:
        then it is what they took by that, and what was waited for that part, which is measured each time.
        """
        return min(sum(map(self._waited, self.outer)), self.seconds)

    def _waited(self, meter: Meter) -> float:
        place = next((at for at, one in enumerate(self.meters) if one is meter), 0)
        if not place or not beside(meter) or not any(words in PARTS for words in meter.gauges):
            return meter.waited
        return self.worked(meter) + self.meters[place - 1].waited

    def waits(self, words: str) -> bool:
        """Say whether time in a stage of the thread that iterates is waiting for a part with a meter of its own."""
        return words in PARTS or (words in JOINS and len(self.meters) > 1)

    def worked(self, meter: Meter) -> float:
        """Return the seconds of work of a part, what it waited for left out."""
        if not beside(meter):
            return meter.service
        return sum(gauge.busy for gauge in meter.gauges.values() if not self.waits(gauge.words))

    @property
    def consuming(self) -> float:
        """Seconds in which the consumer worked: all that is not waiting."""
        return self.seconds - self.waited

    @property
    def rate(self) -> float:
        """Items a second, as measured."""
        return self.items / self.seconds if self.seconds > 0 else 0.0

    @property
    def headspace(self) -> float:
        """Items a second that the consumer would take if data were free; infinite where it does nothing by itself."""
        return self.items / self.consuming if self.consuming > 1e-9 * max(self.seconds, 1.0) else math.inf

    @cached_property
    def inline(self) -> tuple[Meter, ...]:
        """The parts that run in the thread of the consumer."""
        return tuple(meter for meter in self.meters if not apart(meter))

    @cached_property
    def thread(self) -> Station:
        """The thread that iterates: the consumer, and every part that runs inline."""
        busy = self.consuming + sum(map(self.worked, self.inline))
        name = "the consumer, and what runs inline" if self.inline else "the consumer"
        return Station(name, 1, self._each(busy), self._share(busy, 1))

    def station(self, meter: Meter) -> Station:
        """Return the workers of a part as a station."""
        servers = max(meter.size, 1)
        return Station(meter.workers, servers, self._each(self.worked(meter)), self._share(self.worked(meter), servers))

    @cached_property
    def stations(self) -> tuple[Station, ...]:
        """The workers of each part, upstream first, then the thread that iterates."""
        return (*(self.station(meter) for meter in self.meters if apart(meter)), self.thread)

    @property
    def bottleneck(self) -> Station:
        """The station that lets the fewest items through: by the utilisation law the busiest one."""
        return max(self.stations, key=lambda station: station.utilisation)

    @cached_property
    def verdict(self) -> Verdict:
        """Who waits for whom.

        ``inline``: nothing runs at the same time. ``data waits``: the consumer is the slower one. ``consumer waits``:
        workers, or a part upstream, are. ``handover``: the consumer waits, and yet no station is busy for half of the
        time: starting, carrying over, or too short a prefetch take it.
        """
        if not self.items or self.seconds <= 0:
            return "nothing yet"
        if len(self.inline) == len(self.meters):
            return "inline"
        if self.waited <= _NOTICED * self.seconds:
            return "data waits"
        if max(station.utilisation for station in self.stations) < 0.5:
            return "handover"
        return "data waits" if self.bottleneck is self.thread else "consumer waits"

    def predict(self, meter: Meter, workers: int) -> float:
        """Return the items a second with another number of workers in one part.

        The least of the bounds: ``workers`` / demand of the part; the thread that iterates (which does the part, too,
        with 0 workers, and carries results over with more); the other parts' workers; and cores / all demands, since
        no more than one job runs on a core. That last bound is one of what computes: a stream that was seen to do more
        at once than there are cores waits for disks or networks, and is bound by what it was seen to do. The times are
        those measured: what functions take is assumed to stay the same, so threads that hold each other up by the
        interpreter's lock bring less.

        Returns:
            Items a second; infinite where nothing took any time.
        """
        own = self._each(self.worked(meter))
        thread = self.thread.demand
        if apart(meter) and not workers:
            thread += own
        if not apart(meter) and workers:
            thread = max(thread - own, 0.0) + self.carried(meter)
        others = [self.station(other) for other in self.meters if other is not meter and apart(other)]
        bounds = [station.bound for station in others]
        bounds.append(1 / thread if thread > 0 else math.inf)
        if workers:
            bounds.append(workers / own if own > 0 else math.inf)
        demand = sum(station.demand for station in others) + thread + (own if workers else 0.0)
        bounds.append(max(self.cores, self.concurrency) / demand if demand > 0 else math.inf)
        return min(bounds)

    @property
    def concurrency(self) -> float:
        """How many stations' servers were busy at once, on average."""
        return sum(station.demand for station in self.stations) * self.rate

    def carried(self, meter: Meter) -> float:
        """Return the seconds that one item's copy out of shared memory is taken to need."""
        return self._each(meter.delivered_bytes) / COPY_RATE

    def enough(self, meter: Meter, most: int = 64) -> int:
        """Return the smallest number of workers that is predicted to come near the best rate."""
        rates = {workers: self.predict(meter, workers) for workers in range(min(most, 2 * self.cores) + 1)}
        best = max(rates.values())
        if math.isinf(best):
            return 0
        return next(workers for workers, rate in rates.items() if rate >= _NEARLY * best)

    def depth(self, meter: Meter) -> int:
        """Return how many results should be in hand at once, by Little's law.

        Rate x service time are being made at any moment; as many again lie ready, so that one that takes longer is
        not noticed, and two more for the one handed out and the one handed in.
        """
        rate = self.predict(meter, meter.size if apart(meter) else 0)
        if math.isinf(rate):
            return 2
        being_made = min(rate * self._each(self.worked(meter)), max(meter.size, 1))
        return 2 * math.ceil(being_made - 1e-9) + 2

    def _each(self, amount: float) -> float:
        return amount / self.items if self.items else 0.0

    def _share(self, busy: float, servers: int) -> float:
        return min(busy / (self.seconds * servers), 1.0) if self.seconds > 0 else 0.0


def analysed(meters: Sequence[Meter], outer: Sequence[Meter] = (), count: int | None = None) -> Analysis:
    """Return the analysis of meters, upstream first; without ``outer`` the last is what the consumer asks."""
    last = tuple(outer) or tuple(meters[-1:])
    return Analysis(tuple(meters), last, cores() if count is None else count)
