"""Where the time of a running stream goes: what was measured, and what follows from it, for a person to read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from headrace.core.amounts import text_of
from headrace.core.laws import PARTS, Analysis, Verdict, analysed, apart, beside, worked
from headrace.core.meter import Gauge, Meter

_TRIED = (0, 1, 2, 4, 8)  # numbers of workers that a prediction is given for
_WORTH = 1.05  # a gain below this is not worth a word

_SAID: dict[Verdict, str] = {
    "nothing yet": "Nothing has run yet: iterate over the stream first, then ask for the report.",
    "inline": "Data is made by the thread that iterates: it works on one while the other waits.",
    "data waits": "Data waits for the consumer: more workers bring nothing.",
    "consumer waits": "The consumer waits for data.",
    "handover": "The consumer waits, yet nobody is busy for half of the time: the start of workers, carrying results "
    "over, or a prefetch that is too short take it.",
}


_OWN_STAGES = "What workers make waits for the thread that iterates, which is busy with steps of its own."


class Report:
    """What a stream's latest iteration did, stage by stage: ``print`` it, show it in a notebook, or keep ``to_dict``.

    Args:
        meters: One for each part that is measured, upstream first.
        outer: Those of them whose items the consumer asks for; None for the last.
        cores: How many cores there are; None for those that this process may use.

    The times are those measured; what other numbers of workers would give is predicted from them by the laws of
    :mod:`headrace.core.laws`, which are upper bounds: functions are taken to need as long as they did.

    >>> meter = Meter("2 threads", 2, delivered=100, records=800, waited=4.0, service=10.0, began=0.0, ended=5.0)
    >>> meter.add({"map(decode)": ("map", 100, 800, 9.5, 0)})
    >>> report = Report([meter], cores=8)
    >>> report.verdict, report.analysis.bottleneck.name
    ('consumer waits', '2 threads')
    >>> [round(prediction["items_per_second"]) for prediction in report.to_dict()["parts"][0]["predicted"]]
    [9, 10, 20, 40, 73]
    """

    def __init__(self, meters: Sequence[Meter], outer: Sequence[Meter] | None = None, cores: int | None = None) -> None:
        self.meters = tuple(meters)
        self.analysis: Analysis = analysed(self.meters, outer or (), cores)

    @property
    def verdict(self) -> Verdict:
        """Who waits for whom: see :attr:`headrace.core.laws.Analysis.verdict`."""
        return self.analysis.verdict

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the stream in which there is work, upstream first."""
        return tuple(Part(meter, self.analysis) for meter in self.meters if worked(meter) or not beside(meter))

    def lines(self) -> Iterator[str]:
        """Give what is to be said beside the tables, a sentence each."""
        seen = self.analysis
        stages = seen.thread.demand * seen.items - seen.consuming
        busy_stages = seen.verdict == "data waits" and stages > seen.consuming
        yield _OWN_STAGES if busy_stages else _SAID[seen.verdict]
        if seen.verdict == "nothing yet":
            return
        if seen.verdict == "consumer waits":
            busy = _percent(seen.bottleneck.utilisation)
            yield f"The bottleneck: {seen.bottleneck.name}, busy for {busy} of the time."
        share = seen.waited / seen.seconds
        yield f"The consumer waited {_seconds(seen.waited)} of {_seconds(seen.seconds)} ({_percent(share)})."
        if math.isinf(seen.headspace):
            yield "If data were free: no bound, the consumer does nothing by itself."
        else:
            yield f"If data were free: {_rate(seen.headspace)} a second."
        for part in self.parts:
            yield from part.advice()

    def __str__(self) -> str:
        seen = self.analysis
        if seen.verdict == "nothing yet":
            return f"Report: {_SAID['nothing yet']}"
        title = f"Report: {seen.items:,} items in {_seconds(seen.seconds)}, {_rate(seen.rate)} a second"
        records = max((meter.records for meter in self.meters if meter.delivered == seen.items), default=0)
        if records > seen.items:
            title += f" ({_rate(records / seen.seconds)} records)"
        blocks = [title, *self.lines()]
        for part in self.parts:
            blocks += ["", part.title, *_aligned(part.table())]
        blocks += ["", *_aligned(self._consumer())]
        return "\n".join(blocks)

    def __repr__(self) -> str:
        return f"Report({len(self.meters)} parts, {self.analysis.items:,} items: {self.verdict})"

    def _consumer(self) -> list[list[str]]:
        seen = self.analysis
        head = ["consumer", "items", "working", "per item", "waiting", "busy"]
        each = _seconds(seen.consuming / seen.items)
        busy = _percent(seen.consuming / seen.seconds)
        row = ["what runs beside the parts above"]
        return [head, [*row, f"{seen.items:,}", _seconds(seen.consuming), each, _seconds(seen.waited), busy]]

    def html(self) -> str:
        """Return the report as HTML; names are escaped."""
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in self.lines())
        if self.verdict == "nothing yet":
            return f"<div>{paragraphs}</div>"
        tables = "".join(_html_table(part.title, part.table()) for part in self.parts)
        return f"<div>{paragraphs}{tables}{_html_table('consumer', self._consumer())}</div>"

    def _repr_html_(self) -> str:
        return self.html()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON: times in seconds, rates in items a second, None for what has no bound."""
        seen = self.analysis
        return {
            "verdict": seen.verdict,
            "items": seen.items,
            "seconds": seen.seconds,
            "waited": seen.waited,
            "consuming": seen.consuming,
            "items_per_second": seen.rate,
            "headspace": _finite(seen.headspace),
            "bottleneck": seen.bottleneck.name if seen.items else None,
            "cores": seen.cores,
            "stations": [
                {
                    "name": station.name,
                    "servers": station.servers,
                    "demand": station.demand,
                    "utilisation": station.utilisation,
                }
                for station in seen.stations
            ],
            "parts": [part.to_dict() for part in self.parts],
        }


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
        """The workers, and where ``workers="auto"`` chose them, why."""
        return f"{self.meter.workers}: {self.meter.why}" if self.meter.why else self.meter.workers

    @property
    def worked(self) -> float:
        """Seconds of work, summed over the workers."""
        return worked(self.meter)

    @property
    def idle(self) -> float:
        """Seconds in which the part's workers had nothing to do, all of them together."""
        return max(max(self.meter.size, 1) * self.meter.seconds - self.worked, 0.0)

    @property
    def slowest(self) -> Gauge | None:
        """The stage that most of the part's work goes into; None where there is no such one."""
        stages = [gauge for gauge in self.meter.gauges.values() if gauge.words not in PARTS]
        slow = max(stages, key=lambda gauge: gauge.busy, default=None)
        return slow if slow is not None and slow.busy > 0.5 * self.worked else None

    def table(self) -> list[list[str]]:
        """Return a row for each stage, and one for all of the part."""
        rows = [["stage", "items", "working", "per item", "share", "bytes"]]
        for gauge in self.meter.gauges.values():
            rows.append(self._row(gauge))
        meter = self.meter
        words = "all" if not apart(meter) else f"all; {_seconds(self.idle)} without work"
        each = _seconds(self.worked / meter.delivered) if meter.delivered else "-"
        given = text_of(meter.delivered_bytes) if meter.delivered_bytes else "-"
        return [*rows, [words, f"{meter.delivered:,}", _seconds(self.worked), each, "", given]]

    def _row(self, gauge: Gauge) -> list[str]:
        each = _seconds(gauge.busy / gauge.items) if gauge.items else "-"
        given = text_of(gauge.nbytes) if gauge.nbytes else "-"
        if gauge.words in PARTS:
            return [f"waiting for {gauge.words}", f"{gauge.items:,}", "-", "-", "-", given]
        share = _percent(gauge.busy / self.worked) if self.worked else "-"
        return [gauge.words, f"{gauge.items:,}", _seconds(gauge.busy), each, share, given]

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
                share = _percent(min(self.worked / seen.seconds, 1.0))
                yield (
                    f"Steps in the thread that iterates take {share} of the time, most of it {slow.words}: write it "
                    "before stream(), or give it workers."
                )
            return
        predicted = self.predicted()
        counts, rates = ", ".join(map(str, predicted)), ", ".join(map(_rate, predicted.values()))
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
            yield f"Most of its time goes into {slow.words}: {_percent(min(slow.busy / self.worked, 1.0))}."
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
            "predicted": [{"workers": count, "items_per_second": _finite(rate)} for count, rate in predicted.items()],
        }


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value


def _seconds(value: float) -> str:
    """Return a time with three figures, in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:,.0f} {unit}" if value / size >= 100 else f"{value / size:.3g} {unit}"
    return f"{value * 1e9:.3g} ns" if value else "0 s"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def _rate(value: float) -> str:
    if math.isinf(value):
        return "no bound"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _aligned(rows: list[list[str]]) -> list[str]:
    """Return a table as lines: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines


def _html_table(caption: str, rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    title = f"<caption>{escape(caption)}</caption>"
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
