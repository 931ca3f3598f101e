"""Where a stream begins: a plain iterable, or a function that makes one each time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any, NoReturn, Self

import numpy as np

from headrace.core import fingerprint, seeds
from headrace.core.callables import code_of, name_of
from headrace.core.errors import ArgumentError, KindError, RecordError, StateError
from headrace.core.flow import Cursor, State
from headrace.core.state import read_whole
from headrace.core.tensors import is_iterable_dataset
from headrace.stages.refuse import check_arguments, refuse
from headrace.stages.replay import ReplayCursor

_LOOKED_AT = 1000  # items of a list that its identity is made of
_PLAIN = (str, int, float, bool, bytes, type(None))


@dataclass(frozen=True, eq=False)
class Iterate:
    """The items of an iterable, from its front each time it is started.

    A sequence (a list, a tuple, a range, an array, anything with ``__len__`` and ``__getitem__``) is resumed by index;
    anything else by replay: its items are drawn again up to the place, and the last one must be what it was.

    Args:
        source: A re-iterable, or a function that returns an iterable.
        args: What the function is called with.
        kwargs: What the function is called with by name.
        seed: With one the function is given ``rng=``, a NumPy Generator keyed by (seed, epoch).
    """

    source: Any
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None

    @classmethod
    def of(
        cls, source: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None, seed: Any = None
    ) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: It cannot be iterated again and again, or not as items in an order.
            ArgumentError: Arguments that the function does not take, or arguments without a function.
        """
        kwargs = dict(kwargs or {})
        if _is_function(source):
            if seed is not None:
                seed = seeds.check(seed)
                if "rng" in kwargs:
                    raise ArgumentError("give rng= or seed=, not both: with a seed, rng is made of it")
            check_arguments(source, args, kwargs if seed is None else {**kwargs, "rng": None})
            code_of(source)  # now, before it runs
            return cls(source, args, kwargs, seed)
        refuse(source)
        if args or kwargs or seed is not None:
            raise ArgumentError(
                f"arguments and a seed are for a function, and a {type(source).__name__} is none: Stream(function, ...)"
            )
        return cls(source)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        if self.is_sequence:
            return SequenceCursor(self, state)
        return ReplayCursor(self._iterable(epoch), self.words, state)

    def length(self) -> int | None:
        if self.is_function or not hasattr(self.source, "__len__"):
            return None
        return len(self.source)

    def order(self) -> tuple[str, ...]:
        return (self._line,)

    def code(self) -> tuple[str, ...]:
        if not self.is_function:
            return ()
        return (f"{name_of(self.source)} {code_of(self.source)}",)

    def words(self) -> str:
        if self.is_function:
            seed = [] if self.seed is None else [f"seed={self.seed}"]
            named = [f"{name}={_shown(value)}" for name, value in sorted(self.kwargs.items())]
            return f"{name_of(self.source)}({', '.join([*map(_shown, self.args), *named, *seed])})"
        if isinstance(self.source, range):
            return repr(self.source)
        length = f" of {len(self.source)} items" if hasattr(self.source, "__len__") else ""
        return f"{type(self.source).__name__}{length}"

    @property
    def is_function(self) -> bool:
        """Whether the items are made by calling the source."""
        return _is_function(self.source)

    @property
    def is_sequence(self) -> bool:
        """Whether any item can be asked for by its number."""
        if self.is_function or isinstance(self.source, deque) or is_iterable_dataset(self.source):
            return False  # a deque is slow in its middle
        return hasattr(self.source, "__len__") and hasattr(self.source, "__getitem__")

    @cached_property
    def _line(self) -> str:
        """The identity: of a list of plain values their digest too; others may be written to while they flow."""
        if isinstance(self.source, list | tuple):
            some = self.source[:: max(1, len(self.source) // _LOOKED_AT)]
            if some and all(isinstance(item, _PLAIN) for item in some):
                return f"{self.words()} {fingerprint.of_record(list(some))}"
        if isinstance(self.source, np.ndarray):
            return f"{self.words()} {self.source.dtype} {self.source.shape}"
        return self.words()

    def _iterable(self, epoch: int) -> Iterable[Any]:
        if not self.is_function:
            iterable: Iterable[Any] = self.source
            return iterable
        given = dict(self.kwargs)
        if self.seed is not None:
            given["rng"] = seeds.generator(self.seed, "stream", epoch)
        try:
            made = self.source(*self.args, **given)
        except Exception as error:
            raise RecordError(
                f"{self.words()} failed before its first item: {type(error).__name__}: {error}"
            ) from error
        if made is None:
            raise KindError(
                f"{self.words()} returned None; a stream's function returns an iterable: is a yield missing?"
            )
        if not isinstance(made, Iterator):
            refuse(made, f"{self.words()} returned")
        iterable = made
        return iterable


class SequenceCursor:
    """A place in a sequence: a number."""

    __slots__ = ("_count", "_flow", "_items", "_length")

    def __init__(self, flow: Iterate, state: State | None) -> None:
        source = flow.source
        self._flow = flow
        self._length = len(source)
        self._count = 0 if state is None else read_whole(state, "count")
        if self._count > self._length:
            raise StateError(f"the state is after item {self._count}, and {flow.words()} ends before")
        self._items = map(source.__getitem__, range(self._count, self._length))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            item = next(self._items)
        except StopIteration as stop:
            if self._items is _NO_ITEMS or self._count == self._length:
                raise
            self._fail(stop)  # raised by the sequence itself, it would look like the end
        except Exception as error:
            self._fail(error)
        self._count += 1
        return item

    def _fail(self, error: Exception) -> NoReturn:
        self._items = map(self._flow.source.__getitem__, range(self._count, self._length))  # to be tried again
        what = f"{self._flow.words()} failed on item {self._count}: {type(error).__name__}: {error}"
        raise RecordError(what) from error

    def state(self) -> State:
        return {"count": self._count}

    def close(self) -> None:
        self._items = _NO_ITEMS


_NO_ITEMS: map[Any] = map(int, ())


def _is_function(source: Any) -> bool:
    """Say whether items are made by calling it; what can be iterated as it is, is not called."""
    return callable(source) and (isinstance(source, type) or not hasattr(source, "__iter__"))


def _shown(value: Any) -> str:
    """Return an argument as text that is the same in every process."""
    if isinstance(value, (*_PLAIN, PurePath)):
        text = repr(str(value)) if isinstance(value, PurePath) else repr(value)
        return text if len(text) <= 80 else f"{text[:40]}... {fingerprint.of_record(text)}"
    if type(value) in (list, tuple, dict):
        return f"{type(value).__name__} of {len(value)} {fingerprint.of_record(value)}"
    if isinstance(value, np.ndarray):
        return f"array {fingerprint.of_array(value)}"
    return name_of(value) if _is_function(value) and not isinstance(value, type) else f"{_kind(value)}"


def _kind(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else f"{type(value).__name__}(...)"
