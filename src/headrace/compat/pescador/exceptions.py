"""The errors that are raised on purpose."""

from __future__ import annotations

from headrace.core.errors import HeadraceError

__all__ = ["DataError", "PescadorError"]


class PescadorError(HeadraceError):
    """The root of them: an argument that cannot be meant, or misuse."""


class DataError(PescadorError, ValueError):
    """An item that is not the mapping from names to arrays that was expected."""
