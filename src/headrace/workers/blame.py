"""Which part of something it is that cannot travel to another process, and where it hangs."""

from __future__ import annotations

import functools
import io
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from headrace.core.callables import name_of, place_of
from headrace.workers.pickling import AnyPickler

_MOST_TRIES = 2000  # parts that are looked at
_PLAIN = (str, bytes, int, float, complex, bool, type(None), np.generic, types.ModuleType)


def unpicklable(value: object, error: BaseException) -> str:
    """Return which part of a value cannot travel, where it hangs, and what can be done.

    Args:
        value: What could not be pickled.
        error: How that failed.

    >>> import threading
    >>> lock = threading.Lock()
    >>> print(unpicklable({"read": [lambda index: lock]}, TypeError("cannot pickle it")))
    a lock at ['read'][0], variable 'lock' of the function lambda (headrace.workers.blame:1), cannot be pickled
    (TypeError: cannot pickle '_thread.lock' object); make it inside the function, when it is first needed, so that
    each worker has one of its own; or use Threads
    """
    place, part, reason = _Search().innermost(value, error)
    what = f"a {type(part).__qualname__}" + (f" at {place.removeprefix(', ')}" if place else "")
    return (
        f"{what}, cannot be pickled ({type(reason).__name__}: {reason}); make it inside the function, when it is first "
        f"needed, so that each worker has one of its own; or use Threads"
    )


class _Search:
    """Goes down to the innermost part that cannot be pickled."""

    def __init__(self) -> None:
        self._tries = 0
        self._seen: set[int] = set()

    def innermost(self, value: object, reason: BaseException) -> tuple[str, object, BaseException]:
        """Return the place of that part, the part, and why it cannot be pickled."""
        place = ""
        found: tuple[str, object, BaseException] | None = ("", value, reason)
        while found is not None:
            step, value, reason = found
            place += step
            found = self._below(value)
        return place, value, reason

    def _below(self, value: object) -> tuple[str, object, BaseException] | None:
        self._seen.add(id(value))
        for step, part in _parts(value):
            if self._tries >= _MOST_TRIES:
                return None
            is_numbers = isinstance(part, np.ndarray) and not part.dtype.hasobject
            if is_numbers or isinstance(part, _PLAIN) or id(part) in self._seen:
                continue
            self._tries += 1
            reason = _failure(part)
            if reason is not None:
                return step, part, reason
        return None


def _failure(value: object) -> BaseException | None:
    """Return why something cannot be pickled, None if it can."""
    try:
        AnyPickler(io.BytesIO(), {np.ndarray: _hollow, np.memmap: _hollow}, lambda buffer: None).dump(value)
    except Exception as error:  # pickling runs the user's code, which may fail in any way
        return error
    return None


def _hollow(array: np.ndarray[Any, Any]) -> Any:
    """Stand for an array whose numbers are of no interest."""
    return (list, (array.ravel().tolist(),)) if array.dtype.hasobject else (int, ())


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """Give what something consists of, each part with words for its place."""
    if isinstance(value, Mapping):
        yield from ((f"[{key!r:.80}]", part) for key, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"[{number}]", part) for number, part in enumerate(value))
    elif isinstance(value, np.ndarray):
        yield from ((f"[{number}]", part) for number, part in enumerate(value.ravel().tolist()))
    elif isinstance(value, types.FunctionType):
        yield from _parts_of_function(value)
    elif isinstance(value, types.MethodType):
        yield "", value.__self__
        yield "", value.__func__
    elif isinstance(value, functools.partial):
        yield "", value.func
        yield from ((f", argument {number}", part) for number, part in enumerate(value.args))
        yield from ((f", argument {name!r}", part) for name, part in value.keywords.items())
    elif isinstance(value, type):
        yield from ((f".{name}", part) for name, part in vars(value).items())
    yield from _attributes(value)


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, type | types.FunctionType):
        return
    for name, part in getattr(value, "__dict__", {}).items():
        yield f".{name}", part
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield f".{name}", getattr(value, name)


def _parts_of_function(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """Give what a function refers to: that travels with it, where the function itself does."""
    where = f"of the function {name_of(function)} ({place_of(function)})"
    inner = getattr(function, "__wrapped__", None)
    if inner is not None:
        yield "", inner
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield f", variable {name!r} {where}", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for number, part in enumerate(function.__defaults__ or ()):
        yield f", default {number} {where}", part
    for name, part in (function.__kwdefaults__ or {}).items():
        yield f", default of {name!r} {where}", part
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield f", variable {name!r} {where}", function.__globals__[name]


def _names(code: types.CodeType) -> Iterator[str]:
    """Give the names that code looks up, with those of the functions written inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
