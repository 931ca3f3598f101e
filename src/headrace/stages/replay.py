"""Items of an iterable that can only be gone through from its front: resumed by going through it again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NoReturn, Self

import numpy as np

from headrace.core import fingerprint
from headrace.core.errors import RecordError, ReplayWarning, StateError
from headrace.core.flow import State
from headrace.core.state import read_whole
from headrace.core.warn import warn

_ATOMS = frozenset({int, float, bool, complex, str, bytes, type(None)})
_CONTAINERS = (dict, tuple, list)
_SCALARS = (np.number, np.bool_)
_COPIED_BYTES = 16 << 10
_COPIED_PARTS = 32


class ReplayCursor:
    """A place in an iterable: how many items it gave, and a digest of the last one.

    The digest is that of the item as it was handed out; its user may write into it afterwards.

    Args:
        iterable: Iterated once, by this cursor.
        words: How it is called in errors: a text, or what makes it where one is raised, since digests of the arguments
            of a function may belong to it.
        state: Where to begin.

    Raises:
        StateError: The replay gives fewer items than the state says, or another one at its end.
    """

    __slots__ = ("_count", "_failed", "_iterator", "_last", "_lent", "_named")

    def __init__(self, iterable: Iterable[Any], words: str | Callable[[], str], state: State | None) -> None:
        self._named = words
        self._count = 0
        self._lent = False  # whether nothing is noted of the last item yet
        self._last: Any = None
        self._failed: RecordError | None = None
        try:
            self._iterator: Iterator[Any] = iter(iterable)
        except Exception as error:
            self._fail(error)
        count = 0 if state is None else read_whole(state, "count")
        if state is not None and count:
            self._replay(count, state.get("digest"))

    def _replay(self, count: int, digest: Any) -> None:
        if not isinstance(digest, str):
            raise StateError(f"the state is damaged: 'digest' should be a text, got {digest!r}")
        warn(f"resuming {self._words} by replaying {count} items", ReplayWarning)
        try:
            last = deque(enumerate(islice(self._iterator, count), 1), maxlen=1)
        except Exception as error:
            self._fail(error)
        self._count, item = last[0] if last else (0, None)
        self._last = snapshot(item)
        if self._count < count:
            self.close()
            raise StateError(
                f"{self._words} gave {self._count} items when it was replayed, and the state is after item {count}: "
                "its data is not what it was"
            )
        if self._digest() != digest:
            self.close()
            raise StateError(
                f"replayed, {self._words} gave another item {count} than when the state was saved: either its data has "
                "changed, or it draws random numbers of its own: give the stream a seed and draw from the rng it passes"
            )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            item = next(self._iterator)
        except StopIteration:
            self._end()
            raise
        except Exception as error:
            self._fail(error)
        self._count += 1
        self._last = item if type(item) in _ATOMS else snapshot(item)
        return item

    def lend(self) -> Any:
        """Return the next item to somebody who lets nobody write to it before ``settle`` is called."""
        try:
            item = next(self._iterator)
        except StopIteration:
            self._end()
            raise
        except Exception as error:
            self._fail(error)
        self._count += 1
        self._last = item
        self._lent = True
        return item

    def take_lent(self, many: int) -> list[Any]:
        """Return the next items, each of them lent: at most ``many``, none at the end."""
        items: list[Any] = []
        try:
            items.extend(islice(self._iterator, many))
        except Exception as error:
            self._count += len(items)  # what came before the error is in the list
            self._fail(error)
        if len(items) < many:
            self._end()
        if items:
            self._count += len(items)
            self._last = items[-1]
            self._lent = True
        return items

    def settle(self) -> None:
        """Note what the item that was lent last is known by, before others may write to it."""
        if self._lent:
            self._lent = False
            self._last = self._last if type(self._last) in _ATOMS else snapshot(self._last)

    def _end(self) -> None:
        if self._failed is not None:  # a generator that failed would now look as if it had ended
            raise self._failed from self._failed.__cause__
        self.close()

    @property
    def _words(self) -> str:
        return self._named if isinstance(self._named, str) else self._named()

    def _fail(self, error: Exception) -> NoReturn:
        what = f"{self._words} failed after {self._count} items: {type(error).__name__}: {error}"
        self._failed = RecordError(what)
        raise self._failed from error

    def state(self) -> State:
        return {"count": self._count, "digest": self._digest()} if self._count else {"count": 0}

    def _digest(self) -> str:
        return self._last.text if type(self._last) is _Digest else fingerprint.of_record(self._last)

    def close(self) -> None:
        iterator, self._iterator = self._iterator, iter(())
        close = getattr(iterator, "close", None)  # generators, files
        if callable(close):
            close()


class _Digest:
    """A digest that was taken at once."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def snapshot(item: Any) -> Any:
    """Return what the digest of an item can be taken of later, out of reach of whoever holds the item.

    That is a copy of a small item, since copying is ten times as fast as a digest; of others the digest itself.
    """
    if type(item) is dict and len(item) <= _COPIED_PARTS:  # as most items are
        parts = {}
        for name, part in item.items():
            if type(part) is np.ndarray and part.nbytes <= _COPIED_BYTES and not part.dtype.hasobject:
                parts[name] = part.copy()
            elif type(part) in _ATOMS or isinstance(part, _SCALARS):
                parts[name] = part
            else:
                break
        else:
            return parts
    copied = _copied(item, 3)
    return _Digest(fingerprint.of_record(item)) if copied is _Digest else copied


def _copied(value: Any, depth: int) -> Any:
    """Return a copy that has the same digest, or ``_Digest`` where the value is too large or of another kind."""
    kind = type(value)
    if kind is np.ndarray:
        return value.copy() if value.nbytes <= _COPIED_BYTES and not value.dtype.hasobject else _Digest
    if kind not in _CONTAINERS:
        return value if kind in _ATOMS or isinstance(value, _SCALARS) else _Digest
    if len(value) > _COPIED_PARTS or not depth:
        return _Digest
    copied = value.copy() if kind is dict else [*value]
    for place, part in value.items() if kind is dict else enumerate(value):
        if type(part) not in _ATOMS:
            copied[place] = own = _copied(part, depth - 1)
            if own is _Digest:
                return _Digest
    return tuple(copied) if kind is tuple else copied
