"""One part of a running stream in its report: its stages, and what other workers would do for it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace.core.amounts import text_of
from headrace.core.laws import Analysis, apart, beside
from headrace.core.meter import Gauge, Meter

_TRIED = (0, 1, 2, 4, 8)  # numbers of workers that a prediction is given for
_LONG = 0.05  # seconds of starting that are worth a word
_WORTH = 1.05  # a gain below this is not worth a word


@dataclass(frozen=True)
class Part:
    """One part of a stream: its stages, and what other workers would do for it.

    Args:
        meter: What was measured of it.
        analysis: Of the whole stream.
    """

    meter: Meter
    analysis: Analysis

    @property
    def title(self) -> str:
        """The workers, how long they took to start, and where ``workers="auto"`` chose them, why."""
        started = f" (started in {time_of(self.meter.starting)})" if self.meter.starting > _LONG else ""
        return f"{self.meter.workers}{started}{f': {self.meter.why}' if self.meter.why else ''}"

    @property
    def worked(self) -> float:
        """Seconds of work, summed over the workers."""
        return self.analysis.worked(self.meter)

    @property
    def idle(self) -> float:
        """Seconds in which the part's workers had nothing to do, all of them together."""
        return max(max(self.meter.size, 1) * self.meter.seconds - self.worked, 0.0)

    @property
    def slowest(self) -> Gauge | None:
        """The stage that most of the part's work goes into; None where there is no such one."""
        stages = [gauge for gauge in self.meter.gauges.values() if not self.analysis.waits(gauge.words)]
        slow = max(stages, key=lambda gauge: gauge.busy, default=None)
        return slow if slow is not None and slow.busy > 0.5 * self.worked else None

    def table(self) -> list[list[str]]:
        """Return a row for each stage, and one for all of the part."""
        rows = [["stage", "items", "working", "per item", "share", "bytes"]]
        for gauge in self.meter.gauges.values():
            rows.append(self._row(gauge))
        meter = self.meter
        words = "all" if not apart(meter) else f"all; {time_of(self.idle)} without work"
        each = time_of(self.worked / meter.delivered) if meter.delivered else "-"
        given = text_of(meter.delivered_bytes) if meter.delivered_bytes else "-"
        return [*rows, [words, f"{meter.delivered:,}", time_of(self.worked), each, "", given]]

    def _row(self, gauge: Gauge) -> list[str]:
        each = time_of(gauge.busy / gauge.items) if gauge.items else "-"
        given = text_of(gauge.nbytes) if gauge.nbytes else "-"
        if beside(self.meter) and self.analysis.waits(gauge.words):
            return [f"waiting for {gauge.words}", f"{gauge.items:,}", "-", "-", "-", given]
        share = percent(gauge.busy / self.worked) if self.worked else "-"
        return [gauge.words, f"{gauge.items:,}", time_of(gauge.busy), each, share, given]

    def predicted(self) -> dict[int, float]:
        """Return the items a second for 0, 1, 2, 4 and 8 workers, and for those that there are."""
        here = self.meter.size if apart(self.meter) else 0
        return {count: self.analysis.predict(self.meter, count) for count in sorted({*_TRIED, here})}

    def advice(self) -> Iterator[str]:
        """Give what would make the stream faster in this part, a sentence each."""
        seen, meter = self.analysis, self.meter
        if not meter.delivered or not seen.items or self.worked <= 0:
            return
        slow = self.slowest
        if beside(meter):
            if slow is not None and self.worked > 0.1 * seen.seconds:
                share = percent(min(self.worked / seen.seconds, 1.0))
                yield (
                    f"Steps in the thread that iterates take {share} of the time, most of it {slow.words}: write it "
                    "before stream(), or give it workers."
                )
            return
        predicted = self.predicted()
        counts, rates = ", ".join(map(str, predicted)), ", ".join(map(rate_of, predicted.values()))
        yield f"{meter.workers}; with {counts} workers, items a second: {rates} (predicted, {seen.cores} cores)."
        here = meter.size if apart(meter) else 0
        best = seen.enough(meter)
        gain = seen.predict(meter, best) / max(seen.predict(meter, here), 1e-12)
        if gain > _WORTH:
            yield (
                f"{best} worker{'' if best == 1 else 's'} instead of {meter.workers} may be {gain:.1f} times as fast; "
                "threads only where the functions let go of the interpreter's lock, as NumPy's large operations do."
            )
        if slow is not None and seen.verdict != "data waits":
            yield f"Most of its time goes into {slow.words}: {percent(min(slow.busy / self.worked, 1.0))}."
        if here:
            each = meter.delivered_bytes / meter.delivered
            depth = seen.depth(meter)
            yield f"A prefetch of {depth} is deep enough" + (f" ({text_of(depth * each)})." if each else ".")

    def to_dict(self) -> dict[str, Any]:
        """Return the part as plain JSON."""
        meter = self.meter
        predicted = self.predicted() if self.analysis.items and not beside(meter) else {}
        return {
            "workers": meter.workers,
            "size": meter.size,
            "why": meter.why,
            "items": meter.delivered,
            "records": meter.records,
            "bytes": meter.delivered_bytes,
            "working": self.worked,
            "waited_for": meter.waited,
            "idle": self.idle,
            "ready": meter.ahead,
            "prefetch": self.analysis.depth(meter) if self.analysis.items and apart(meter) else None,
            "stages": [
                {
                    "stage": gauge.words,
                    "kind": gauge.kind,
                    "calls": gauge.calls,
                    "items": gauge.items,
                    "working": gauge.busy,
                    "bytes": gauge.nbytes,
                }
                for gauge in meter.gauges.values()
            ],
            "predicted": [{"workers": count, "items_per_second": finite(rate)} for count, rate in predicted.items()],
        }


def finite(value: float) -> float | None:
    """Return a number for JSON, which has none that is infinite."""
    return None if math.isinf(value) else value


def time_of(value: float) -> str:
    """Return a time with three figures, in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:,.0f} {unit}" if value / size >= 100 else f"{value / size:.3g} {unit}"
    return f"{value * 1e9:.3g} ns" if value else "0 s"


def percent(share: float) -> str:
    """Return a share as text.

    >>> percent(0.256)
    '26%'
    """
    return f"{100 * share:.0f}%"


def rate_of(value: float) -> str:
    """Return items a second as text, with three figures.

    >>> rate_of(12345.6), rate_of(3.14159)
    ('12,346', '3.14')
    """
    if math.isinf(value):
        return "no bound"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
