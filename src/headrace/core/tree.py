"""A chain as a tree: its steps from the last one down to the sources, in text, in HTML, as a drawing, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, NamedTuple, TypeAlias

from headrace.core.schema import Schema

MOST_BRANCHES = 8  # shown of one step; the others are counted
MOST_STEPS = 40  # shown of those in a row
_WORDS, _SCHEMA = 60, 90  # characters of a cell

Unit: TypeAlias = Literal["records", "batches", "items"]

_ONE: dict[Unit, str] = {"records": "record", "batches": "batch", "items": "item"}


@dataclass(frozen=True)
class Step:
    """One step of a chain.

    Args:
        words: The step, as it is written.
        length: How many records, batches or items it gives; None where that is not known, or there is no end.
        endless: Whether there is no end.
        unit: What is counted: ``records``, ``batches``, ``items``.
        seed: What its random numbers are drawn from; None where it draws none.
        schema: What one of them looks like; None where only a read could tell.
        notes: What else is worth knowing.
    """

    words: str
    length: int | None = None
    endless: bool = False
    unit: Unit = "records"
    seed: int | None = None
    schema: Schema | None = None
    notes: tuple[str, ...] = ()

    @property
    def counted(self) -> str:
        """The length as text."""
        if self.length is None:
            return "endless" if self.endless else "?"
        return f"1 {_ONE[self.unit]}" if self.length == 1 else f"{self.length:,} {self.unit}"

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain JSON."""
        return {
            "step": self.words,
            "length": self.length,
            "endless": self.endless,
            "unit": self.unit,
            "seed": self.seed,
            "schema": None if self.schema is None else self.schema.to_json(),
            "notes": list(self.notes),
        }


class Line(NamedTuple):
    """A line of a drawn tree: the drawing before the step, and the step; of steps left out their number instead."""

    drawn: str
    step: Step | str


@dataclass(frozen=True)
class Tree:
    """Steps in a row, the last one first, and what the first of them (the last here) stands on, if it is several.

    Args:
        steps: At least one.
        branches: The chains below, where there are several.
        hidden: How many more branches there are.

    >>> print(Tree((Step("batch(2)", 5, unit="batches"), Step("range(0, 10)", 10))))
    ┬ batch(2)      5 batches   ?
    └ range(0, 10)  10 records  ?
    """

    steps: tuple[Step, ...]
    branches: tuple[Tree, ...] = ()
    hidden: int = 0

    def lines(self, first: str = "", further: str = "") -> Iterator[Line]:
        """Give the lines of the drawing; the prefixes are those of the tree around it."""
        shown: list[Step | str] = list(self.steps)
        if len(shown) > MOST_STEPS:
            half = MOST_STEPS // 2
            shown[half:-half] = [f"... {len(shown) - 2 * half:,} more steps"]
        last = len(shown) - 1
        for number, step in enumerate(shown):
            if number < last:
                sign = "├" if number else "┬"
            elif self.branches:
                sign = "└┬" if number else "┬"
            else:
                sign = "└" if number else "─"
            yield Line(f"{further if number else first}{sign} ", step)
        around = further + (" " if last else "")
        for number, branch in enumerate(self.branches):
            ends = number == len(self.branches) - 1 and not self.hidden
            yield from branch.lines(f"{around}{'└' if ends else '├'}─", f"{around}{' ' if ends else '│'} ")
        if self.hidden:
            yield Line(f"{around}└─ ", f"... {self.hidden:,} more")

    def __str__(self) -> str:
        rows = [_cells(line) for line in self.lines()]
        tables = [row for row in rows if len(row) > 1]
        widths = [max(len(row[at]) for row in tables) for at in range(4)]
        lines = []
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False) if width]
            lines.append("  ".join([*cells, *row[4:]]).rstrip())
        return "\n".join(lines)

    def html(self) -> str:
        """Return the tree as an HTML table; everything of the user's is escaped."""
        body = ""
        for line in self.lines():
            cells = _cells(line)
            drawn = f'<td style="text-align:left"><code style="white-space:pre">{escape(cells[0])}</code></td>'
            body += f"<tr>{drawn}{''.join(f'<td>{escape(cell)}</td>' for cell in cells[1:])}</tr>"
        heads = "".join(f"<th>{name}</th>" for name in ("step", "length", "seed", "schema", "notes"))
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"

    def mermaid(self) -> str:
        """Return the tree as a Mermaid flowchart, from the sources down to the last step.

        >>> print(Tree((Step("take(2)", 2), Step('map("x")', 5))).mermaid())
        flowchart TD
            n1["take(2)<br>2 records"]
            n2["map(#quot;x#quot;)<br>5 records"]
            n2 --> n1
        """
        return "\n".join(["flowchart TD", *(f"    {line}" for line in self._mermaid("n", ""))])

    def _mermaid(self, name: str, above: str) -> Iterator[str]:
        steps: list[Step | str] = list(self.steps)
        if len(steps) > MOST_STEPS:
            half = MOST_STEPS // 2
            steps[half:-half] = [f"... {len(steps) - 2 * half:,} more steps"]
        for number, step in enumerate(steps, 1):
            here = f"{name}{number}"
            yield f'{here}["{_label(step)}"]'
            if above:
                yield f"{here} --> {above}"
            above = here
        for number, branch in enumerate(self.branches, 1):
            yield from branch._mermaid(f"{above}_{number}_", above)
        if self.hidden:
            yield f'{above}_more["{_label(f"... {self.hidden:,} more")}"]'
            yield f"{above}_more --> {above}"

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as plain JSON: ``steps`` from the last one down, ``branches``, how many are ``hidden``."""
        return {
            "steps": [step.to_dict() for step in self.steps],
            "branches": [branch.to_dict() for branch in self.branches],
            "hidden": self.hidden,
        }


@dataclass(frozen=True)
class Explanation:
    """A chain as it runs: ``print`` it, show it in a notebook, draw it with ``mermaid``, or keep ``to_dict``.

    Args:
        title: What it is of.
        tree: The steps.
    """

    title: str
    tree: Tree

    def __str__(self) -> str:
        return f"{self.title}\n{self.tree}"

    def __repr__(self) -> str:
        return str(self)

    def html(self) -> str:
        """Return it as HTML; everything of the user's is escaped."""
        return f"<div><p>{escape(self.title)}</p>{self.tree.html()}</div>"

    def _repr_html_(self) -> str:
        return self.html()

    def mermaid(self) -> str:
        """Return it as a Mermaid flowchart, from the sources down to the last step."""
        return self.tree.mermaid()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON; see :meth:`Tree.to_dict`."""
        return {"title": self.title, **self.tree.to_dict()}


def _cells(line: Line) -> list[str]:
    """Return a line's cells: drawing and step, length, seed, schema, notes; of steps left out their number alone."""
    step = line.step
    if isinstance(step, str):
        return [line.drawn + step]
    seed = "" if step.seed is None else f"seed {step.seed}"
    schema = "?" if step.schema is None else _cut(repr(step.schema), _SCHEMA)
    return [line.drawn + _cut(step.words, _WORDS), step.counted, seed, schema, "; ".join(step.notes)]


def _label(step: Step | str) -> str:
    """Return what a Mermaid node says: what means something to Mermaid or to HTML is written as an entity."""
    parts = [step] if isinstance(step, str) else [_cut(step.words, _WORDS), step.counted]
    signs = {"#": "#35;", '"': "#quot;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "`": "#96;"}
    return "<br>".join("".join(signs.get(sign, sign) for sign in part) for part in parts)


def _cut(text: str, width: int) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= width else plain[: width - 3] + "..."
