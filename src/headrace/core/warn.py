"""Warnings that point at the user's line, however deep in the package they are given."""

from __future__ import annotations

import sys
import warnings

from headrace.core.errors import HeadraceWarning


def warn(message: str, category: type[HeadraceWarning]) -> None:
    """Give a warning as if the nearest caller outside the package had given it."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "headrace":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
