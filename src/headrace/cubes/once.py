"""Texts that cost something: made when they are first asked for, and then the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Once:
    """A text, or what makes it.

    Threads that ask at the same time are all told what the first one made. What is sent to another process before
    anybody asked is made there, if it is asked for there; sending makes nothing.

    Args:
        text: It, or a function that returns it, which can be pickled if this is to be.

    >>> told = Once(lambda: print("made") or "a text")
    >>> told(), told()
    made
    ('a text', 'a text')
    """

    __slots__ = ("_known",)

    def __init__(self, text: str | Callable[[], str]) -> None:
        self._known: dict[str, str | Callable[[], str]] = {"text" if isinstance(text, str) else "make": text}

    def __call__(self) -> str:
        """Return the text."""
        known = self._known
        found = known.get("text")
        if found is None:
            make = known.get("make")
            made = make() if callable(make) else ""  # without: another thread has said it meanwhile
            found = known.setdefault("text", made)
            known.pop("make", None)  # with what it holds
        return str(found)

    def __reduce__(self) -> tuple[Any, ...]:
        known = dict(self._known)
        return Once, (known.get("text", known.get("make", "")),)

    def __repr__(self) -> str:
        return str(self._known.get("text", "not asked for"))
