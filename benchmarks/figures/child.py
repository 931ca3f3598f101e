"""Run one figure in a fresh process and read what it found."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from benchmarks.loaders import ROOT

Measure: TypeAlias = Callable[[str, int], tuple[list[str], list[str]]]
"""Takes the size, ``"full"`` or ``"quick"``, and a number of runs; gives the lines of the table, and of the goals."""


class FigureError(Exception):
    """A figure's process failed."""


def run(module: str, *words: str) -> dict[str, Any]:
    """Run ``python -m benchmarks.figures.<module> <words>``, whose last line of output is a JSON object."""
    answer = subprocess.run(
        [sys.executable, "-m", f"benchmarks.figures.{module}", *words], cwd=ROOT, capture_output=True, text=True
    )
    if answer.returncode:
        raise FigureError((answer.stderr.strip() or "no message").splitlines()[-1][:300])
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found
