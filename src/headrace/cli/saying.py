"""What a command prints, and what it returns."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

FINE, FAILED = 0, 1


def complain(message: str) -> int:
    """Say in one line what went wrong, and return the exit code."""
    print(f"headrace: {' '.join(message.split())}", file=sys.stderr)
    return FAILED


def printed(text: str, problems: Iterable[str] = ()) -> int:
    """Print what was found, then what could not be read, and return the exit code."""
    print(text)
    sys.stdout.flush()
    return max((complain(problem) for problem in problems), default=FINE)


def human(size: int) -> str:
    """Return a number of bytes as a person reads it.

    >>> human(0), human(999), human(1500), human(614_400_128)
    ('0 B', '999 B', '1.5 kB', '614.4 MB')
    """
    value = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.95:
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} PB"


def counted(number: int, what: str) -> str:
    """Return a number of things.

    >>> counted(1, "part"), counted(2000, "part")
    ('1 part', '2,000 parts')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def when(created: str) -> str:
    """Return a time that a manifest says."""
    return f"{datetime.fromisoformat(created):%Y-%m-%d %H:%M} UTC"


def aligned(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return rows as lines, their cells below each other; some columns to the right."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)
