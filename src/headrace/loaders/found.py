"""What a loader gives, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Found:
    """Records that come in one order, once.

    Args:
        items: Gives them, each by itself; or many at once, as :class:`headrace.core.records.Columns`.
        rows: How many records there will be, where that is known beforehand.
    """

    items: Callable[[], Iterable[Any]]
    rows: int | None = None


def is_a(data: object, package: str, *names: str) -> bool:
    """Say whether something is of a class of a package, or of one made from it, without importing the package.

    >>> from fractions import Fraction
    >>> is_a(Fraction(1), "numbers", "Rational"), is_a(1, "fractions", "Fraction")
    (True, False)
    """
    return any(kind.__name__ in names and kind.__module__.partition(".")[0] == package for kind in type(data).__mro__)


def length_of(data: object) -> int | None:
    """Return a loader's own length; None where it has none. Some have a ``__len__`` that only fails."""
    try:
        return len(data)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError):
        return None
