"""What a dry run found: all problems at once, each with its step and how it is mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from headrace.core.amounts import text_of
from headrace.core.schema import Schema


@dataclass(frozen=True)
class Problem:
    """Something that breaks a run, or a promise that it relies on.

    Args:
        stage: The step, as a chain shows it.
        what: What is wrong, and with which records.
        mend: What would mend it.
    """

    stage: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.what}. {self.mend}."


@dataclass(frozen=True)
class Tried:
    """How a step went.

    Args:
        stage: The step, as a chain shows it.
        passed: How many records, batches or items came out.
        failed: How many it failed on.
        schema: What one looks like, of those that came out; None where none did.
        seconds: How long one took, on average, when taken one by one.
    """

    stage: str
    passed: int
    failed: int
    schema: Schema | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "stage": self.stage,
            "passed": self.passed,
            "failed": self.failed,
            "schema": None if self.schema is None else self.schema.to_json(),
            "seconds": self.seconds,
        }


@dataclass
class Figures:
    """What a run would take; None where that is not known.

    Args:
        items: What an epoch, or the whole stream, gives: batches or records.
        unit: What is counted.
        item_bytes: Memory of one of them, the largest that was made.
        item_seconds: Time that one takes, inline.
        epoch_seconds: Time of all of them, inline, the consumer's own left out.
        source_bytes: Memory that the sources hold; what is mapped from files does not count.
        mapped_bytes: What they map from files.
        ahead: How many are in hand at once.
    """

    items: int | None = None
    unit: str = "records"
    item_bytes: int | None = None
    item_seconds: float | None = None
    epoch_seconds: float | None = None
    source_bytes: int | None = None
    mapped_bytes: int = 0
    ahead: int = 1

    @property
    def memory(self) -> int | None:
        """Bytes of the sources and of what is in hand at once."""
        if self.source_bytes is None or self.item_bytes is None:
            return None
        return self.source_bytes + self.ahead * self.item_bytes

    def lines(self) -> Iterator[str]:
        """Give what is known, a line each."""
        one = {"batches": "a batch", "items": "an item"}.get(self.unit, "a record")
        if self.items is not None:
            yield f"{self.items:,} {self.unit}" if self.items != 1 else f"1 {one.split()[1]}"
        if self.item_bytes is not None:
            yield f"{one} takes {text_of(self.item_bytes)}"
        if self.item_seconds is not None:
            time = "" if self.epoch_seconds is None else f", all of them {_seconds(self.epoch_seconds)}"
            yield f"{one} is made in {_seconds(self.item_seconds)}{time} (inline)"
        if self.memory is not None and self.source_bytes is not None:
            mapped = f", {text_of(self.mapped_bytes)} more are mapped from files" if self.mapped_bytes else ""
            held = f"{text_of(self.source_bytes)} of the sources and {self.ahead} in hand"
            yield f"memory: {text_of(self.memory)}: {held}{mapped}"

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain JSON."""
        return {**vars(self), "memory": self.memory}


@dataclass
class DryRun:
    """What a dry run found: ``print`` it, show it in a notebook, look at ``problems``, or keep ``to_dict``.

    Args:
        problems: What has to be mended, in the order of the steps, upstream first.
        notes: What is worth knowing, and may well be meant.
        stages: How each step went, upstream first.
        figures: What a run would take.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stages: list[Tried] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems

    @property
    def counted(self) -> str:
        """How many problems there are, as text."""
        return {0: "no problems", 1: "1 problem"}.get(len(self.problems), f"{len(self.problems)} problems")

    def listed(self) -> str:
        """Return all problems as text, numbered."""
        return "\n".join(f"{number}. {problem}" for number, problem in enumerate(self.problems, 1))

    def __str__(self) -> str:
        lines = [f"Dry run: {self.counted}", *([self.listed()] if self.problems else [])]
        lines += ["", *self._table()]
        lines += ["", *self.figures.lines()]
        lines += ["", *(f"note: {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines).rstrip()

    def __repr__(self) -> str:
        return f"DryRun({self.counted}, {len(self.stages)} steps)"

    def _table(self) -> list[str]:
        rows = [["step", "passed", "failed", "each", "schema"]]
        for one in self.stages:
            schema = "?" if one.schema is None else _cut(repr(one.schema))
            rows.append([one.stage, f"{one.passed:,}", f"{one.failed:,}", _seconds(one.seconds), schema])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

    def html(self) -> str:
        """Return it as HTML; everything of the user's is escaped."""
        problems = "".join(
            f"<li><b>{escape(one.stage)}</b>: {escape(one.what)}. <i>{escape(one.mend)}.</i></li>"
            for one in self.problems
        )
        rows = ""
        for one in self.stages:
            schema = "?" if one.schema is None else _cut(repr(one.schema))
            cells = (one.stage, str(one.passed), str(one.failed), _seconds(one.seconds), schema)
            rows += f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        heads = "".join(f"<th>{name}</th>" for name in ("step", "passed", "failed", "each", "schema"))
        further = "".join(f"<li>{escape(line)}</li>" for line in (*self.figures.lines(), *self.notes))
        return (
            f"<div><p>Dry run: {self.counted}</p><ol>{problems}</ol>"
            f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table><ul>{further}</ul></div>"
        )

    def _repr_html_(self) -> str:
        return self.html()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON: times in seconds, memory in bytes."""
        return {
            "problems": [vars(problem).copy() for problem in self.problems],
            "notes": list(self.notes),
            "stages": [stage.to_dict() for stage in self.stages],
            "figures": self.figures.to_dict(),
        }


def _seconds(value: float) -> str:
    """Return a time with three figures, in the unit that suits it."""
    if value >= 120:
        return f"{value / 60:,.0f} min" if value < 7200 else f"{value / 3600:,.1f} h"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e9:.3g} ns" if value else "0 s"


def _cut(text: str, width: int = 100) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
