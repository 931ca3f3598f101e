"""Where the time of a running stream goes: what was measured, and what follows from it, for a person to read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from html import escape
from typing import Any

from headrace.core.laws import Analysis, Verdict, analysed, beside
from headrace.core.meter import Meter
from headrace.core.part import Part, finite, percent, rate_of, time_of

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
    ``headrace.core.laws``, which are upper bounds: functions are taken to need as long as they did.

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
        return tuple(
            Part(meter, self.analysis) for meter in self.meters if self.analysis.worked(meter) or not beside(meter)
        )

    def lines(self) -> Iterator[str]:
        """Give what is to be said beside the tables, a sentence each."""
        seen = self.analysis
        stages = seen.thread.demand * seen.items - seen.consuming
        busy_stages = seen.verdict == "data waits" and stages > seen.consuming
        yield _OWN_STAGES if busy_stages else _SAID[seen.verdict]
        if seen.verdict == "nothing yet":
            return
        if seen.verdict == "consumer waits":
            busy = percent(seen.bottleneck.utilisation)
            yield f"The bottleneck: {seen.bottleneck.name}, busy for {busy} of the time."
        share = seen.waited / seen.seconds
        yield f"The consumer waited {time_of(seen.waited)} of {time_of(seen.seconds)} ({percent(share)})."
        if math.isinf(seen.headspace):
            yield "If data were free: no bound, the consumer does nothing by itself."
        else:
            yield f"If data were free: {rate_of(seen.headspace)} a second."
        for part in self.parts:
            yield from part.advice()

    def __str__(self) -> str:
        seen = self.analysis
        if seen.verdict == "nothing yet":
            return f"Report: {_SAID['nothing yet']}"
        title = f"Report: {seen.items:,} items in {time_of(seen.seconds)}, {rate_of(seen.rate)} a second"
        records = max((meter.records for meter in self.meters if meter.delivered == seen.items), default=0)
        if records > seen.items:
            title += f" ({rate_of(records / seen.seconds)} records)"
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
        each = time_of(seen.consuming / seen.items)
        busy = percent(seen.consuming / seen.seconds)
        row = ["what runs beside the parts above"]
        return [head, [*row, f"{seen.items:,}", time_of(seen.consuming), each, time_of(seen.waited), busy]]

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
            "headspace": finite(seen.headspace),
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
