"""Warnings that point at the user's line, however deep in the package they are given."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from headrace.core.errors import HeadraceWarning

_gathering: ContextVar[tuple[type[HeadraceWarning], list[str]] | None] = ContextVar("gathering", default=None)


def warn(message: str, category: type[HeadraceWarning]) -> None:
    """Give a warning as if the nearest caller outside the package had given it."""
    gathering = _gathering.get()
    if gathering is not None and issubclass(category, gathering[0]):
        gathering[1].append(message)
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "headrace":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def gathered(category: type[HeadraceWarning]) -> Iterator[list[str]]:
    """Hold back warnings of a kind that this thread gives in the block; the list holds their texts.

    >>> from headrace.core.errors import ReplayWarning
    >>> with gathered(ReplayWarning) as texts:
    ...     warn("replaying", ReplayWarning)
    >>> texts
    ['replaying']
    """
    texts: list[str] = []
    token = _gathering.set((category, texts))
    try:
        yield texts
    finally:
        _gathering.reset(token)
