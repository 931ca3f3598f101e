"""Streamer: items that can be gone through again and again, each time by a copy of its own."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from functools import wraps
from types import ModuleType
from typing import Any, ParamSpec, Self

from headrace.compat.pescador.crossing import Crossing
from headrace.compat.pescador.exceptions import PescadorError
from headrace.core.iteration import StreamIterator
from headrace.dataset import Dataset
from headrace.stream import Stream

__all__ = ["PescadorError", "Streamer", "streamable"]

P = ParamSpec("P")

DRY_ROUNDS = 100
"""Rounds without an item after which none is expected: by chance, or while there is nothing new, a few may be so."""


class Streamer(Crossing):
    """The items of an iterable or of a generator function, as often as they are asked for.

    Each iteration goes through a deep copy of its own, arguments and all: what one changes, no other sees. (Streams and
    Datasets, which never change, are shared. ``headrace.Stream`` copies nothing.)

    Args:
        streamer: A generator function, or what can be iterated; another Streamer.
        args: What the function is called with.
        kwargs: What the function is called with by name.

    Attributes:
        streamer: As given.
        args: As given.
        kwargs: As given.
        active_count_: How many iterations are going on.
        stream_: In an active copy, the iterator that it goes through; else None.

    >>> def count(n):
    ...     for i in range(n):
    ...         yield i
    >>> stream = Streamer(count, 3)
    >>> list(stream), list(stream(max_iter=2)), list(stream.cycle(max_iter=5))
    ([0, 1, 2], [0, 1], [0, 1, 2, 0, 1])

    Raises:
        PescadorError: It is neither a generator function nor iterable.
    """

    def __init__(self, streamer: Any, *args: Any, **kwargs: Any) -> None:
        if not inspect.isgeneratorfunction(streamer) and not isinstance(streamer, Iterable):
            raise PescadorError(
                f"a Streamer goes through a generator function or an iterable, got {streamer!r:.200}; "
                "a function that returns an iterable: write one that says `yield from` it"
            )
        self.streamer = streamer
        self.args = args
        self.kwargs = kwargs
        self.active_count_ = 0
        self.stream_: Any = None

    def __copy__(self) -> Self:
        made = type(self).__new__(type(self))
        vars(made).update(vars(self))
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        for name, value in vars(self).items():
            setattr(made, name, value if _is_shared(value) else copy.deepcopy(value, memo))
        return made

    def __enter__(self) -> Self:  # type: ignore[override]
        """Return an active copy, which counts as an iteration till the end of the block; an active copy is its own."""
        if self.is_activated_copy:
            return self
        made = copy.deepcopy(self)
        made._activate()
        self.active_count_ += 1
        return made

    def __exit__(self, *_: object) -> None:
        if not self.is_activated_copy:
            self.active_count_ -= 1
            if self.active_count_ < 0:
                raise PescadorError(f"{self!r} was left more often than it was entered")

    @property
    def active(self) -> int:
        """How many iterations are going on."""
        return self.active_count_

    @property
    def is_activated_copy(self) -> bool:
        """Whether this is what ``with streamer as copy`` gives."""
        return self.stream_ is not None

    def _activate(self) -> None:
        """Make the iterator that an active copy goes through."""
        self.stream_ = self.streamer(*self.args, **self.kwargs) if callable(self.streamer) else iter(self.streamer)

    def iterate(self, max_iter: float | None = None) -> Generator[Any, None, None]:  # type: ignore[override]
        """Give the first items, or all. Of an active copy they are the next ones.

        One item beyond ``max_iter`` is drawn and dropped: draws from a random state that several streams share would
        else come in another order than they did.

        Args:
            max_iter: How many at most; None for all.
        """
        with self as active:
            try:
                for number, item in enumerate(active.stream_):
                    if max_iter is not None and number >= max_iter:
                        break
                    yield item
            finally:
                if active is not self:
                    active._close()

    def cycle(self, max_iter: float | None = None) -> Generator[Any, None, None]:  # type: ignore[override]
        """Give all items again and again, a new iteration each time.

        Args:
            max_iter: How many at most; None for ever.

        Raises:
            PescadorError: A hundred iterations on end gave nothing.
        """
        number = dry = 0
        while dry < DRY_ROUNDS:
            before = number
            for item in self.iterate():
                if max_iter is not None and number >= max_iter:
                    return
                number += 1
                yield item
            dry = dry + 1 if number == before else 0
        raise PescadorError(f"cycle() would go on for ever: {self!r} gave no item in {DRY_ROUNDS} rounds")

    def __call__(self, max_iter: float | None = None, cycle: bool = False) -> Generator[Any, None, None]:  # type: ignore[override]
        """Give what ``cycle`` gives, or ``iterate``."""
        yield from self.cycle(max_iter) if cycle else self.iterate(max_iter)

    def _source(self) -> Any:
        return self.streamer

    def _opened(self) -> list[Any]:
        """Return the iterators that an active copy goes through."""
        return [self.stream_]

    def _close(self) -> None:
        """Close an active copy's iterators, all of them even where one fails at it."""
        with ExitStack() as closing:
            for stream in self._opened():
                if isinstance(stream, Generator | StreamIterator):  # made for this copy; another may belong elsewhere
                    closing.callback(stream.close)


def _is_shared(value: Any) -> bool:
    """Say whether copies share it: it cannot be copied (numpy.random as a random state), or need not be."""
    return isinstance(value, ModuleType | Dataset) or (isinstance(value, Stream) and not isinstance(value, Streamer))


def streamable(function: Callable[P, Any]) -> Callable[P, Streamer]:
    """Decorate a generator function: called, it returns a Streamer.

    >>> @streamable
    ... def count(n):
    ...     for i in range(n):
    ...         yield i
    >>> list(count(3))
    [0, 1, 2]

    Raises:
        PescadorError: In the call, where it is no generator function.
    """

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> Streamer:
        return Streamer(function, *args, **kwargs)

    return make
