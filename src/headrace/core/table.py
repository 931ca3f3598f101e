"""A Batch as a table, in text and in HTML: some rows from its front and end, each value cut to what can be read."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np

from headrace.core.kinds import Nested, is_tensor, row
from headrace.core.schema import Field

_ROWS = 10  # shown at most, unless more are asked for
_CELL = 32  # characters of one value
_VALUES = 4  # of one array
_LINE = 120  # characters of one line; columns beyond it are named, not shown
_COLUMNS = 30  # in HTML


def text(batch: Nested, rows: int = _ROWS) -> str:
    """Return the batch as lines: the number of rows, names and types of the columns, then at most ``rows`` rows.

    >>> from headrace.core.batch import Batch
    >>> print(text(Batch({"image": np.zeros((30, 8, 8), np.uint8), "label": np.arange(30)}), rows=2))
    Batch: 30 rows
        image                       label
        uint8[8, 8]                 int64
    0   [[0, 0, 0, 0, ...], ...]    0
    ...
    29  [[0, 0, 0, 0, ...], ...]    29
    """
    numbers = _chosen(len(batch), rows)
    title = f"Batch: {_counted(len(batch))}" + ("" if batch._columns else ", no columns")
    blocks = [["", "", *("..." if number is None else str(number) for number in numbers)]]
    left = list(batch._columns)
    while left:
        cells = list(_cells(batch, left[0], numbers))
        width = max(map(len, cells))
        if len(blocks) > 1 and sum(max(map(len, block)) + 2 for block in blocks) + width > _LINE:
            break
        blocks.append(cells)
        left.pop(0)
    lines = [
        "  ".join(cell.ljust(max(map(len, block))) for cell, block in zip(line, blocks, strict=True)).rstrip()
        for line in zip(*blocks, strict=True)
    ]
    more = [f"and {len(left)} more columns: {_cut(', '.join(left), _LINE - 24)}"] if left else []
    return "\n".join([title, *(lines if batch._columns else []), *more])


def html(batch: Nested, rows: int = _ROWS) -> str:
    """Return the batch as an HTML table, for notebooks; names and values are escaped.

    >>> from headrace.core.batch import Batch
    >>> "&lt;b&gt;" in html(Batch({"<b>": [1]}))
    True
    """
    numbers = _chosen(len(batch), rows)
    names = list(batch._columns)[:_COLUMNS]
    columns = [list(_cells(batch, name, numbers)) for name in names]
    heads = "".join(f"<th>{escape(cells[0])}<br><small>{escape(cells[1])}</small></th>" for cells in columns)
    body = []
    for line, number in enumerate(numbers):
        values = "".join(f"<td>{escape(cells[line + 2])}</td>" for cells in columns)
        body.append(f"<tr><th>{'...' if number is None else number}</th>{values}</tr>")
    hidden = len(batch._columns) - len(names)
    caption = _counted(len(batch)) + (f", {hidden} more columns" if hidden else "")
    return (
        f"<table><caption>{caption}</caption><thead><tr><th></th>{heads}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _chosen(length: int, rows: int) -> list[int | None]:
    """Return the numbers of the rows to show; None stands for those left out."""
    if length <= max(rows, 1):
        return list(range(length))
    front = (rows + 1) // 2
    return [*range(front), None, *range(length - (rows - front), length)]


def _cells(batch: Nested, name: str, numbers: list[int | None]) -> Iterator[str]:
    column = batch._columns[name]
    yield _cut(_plain(name))
    yield _cut(repr(Field.of(column)))
    for number in numbers:
        yield "" if number is None else _cut(_shown(row(column, number)))


def _shown(value: Any) -> str:
    """Return a value as text: arrays by their first values, numbers to six digits."""
    if isinstance(value, np.ndarray) or is_tensor(value):
        return _listed(value) if value.ndim else _shown(value.item())
    if isinstance(value, (list, tuple)):
        return _listed(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shown(one)}" for name, one in value.items()) + "}"
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if isinstance(value, (str, bytes)):
        return repr(value[: _CELL + 1])  # not more of a long text than can be seen
    return str(value) if isinstance(value, np.generic) else _plain(repr(value))


def _listed(values: Any) -> str:
    count = _VALUES if getattr(values, "ndim", 1) == 1 else 1
    shown = [_shown(values[at]) for at in range(min(len(values), count))]
    return "[" + ", ".join([*shown, "..."] if len(values) > count else shown) + "]"


def _plain(text: str) -> str:
    """Return text on one line."""
    return " ".join(text.split()) if any(sign in text for sign in "\n\r\t") else text


def _cut(text: str, width: int = _CELL) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
