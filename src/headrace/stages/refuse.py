"""What cannot be a stream, each with the mend."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from headrace.core.callables import name_of
from headrace.core.errors import ArgumentError, KindError


def refuse(source: Any, what: str = "Stream got") -> None:
    """Refuse what cannot be iterated again and again, or gives no items in an order.

    Raises:
        KindError: With the mend.
    """
    kind = type(source).__name__
    if source is None or isinstance(source, bool | int | float | complex | np.generic):
        raise KindError(f"{what} {source!r}, which holds no items; give an iterable, or a function that returns one")
    if isinstance(source, str | bytes | bytearray | memoryview):
        raise KindError(f"{what} a {kind}: its items would be single characters; a list of one text is written [text]")
    if isinstance(source, set | frozenset):
        raise KindError(
            f"{what} a {kind}, which has no order that another process would repeat; give sorted(...) of it"
        )
    if isinstance(source, Mapping) or hasattr(source, "keys") or hasattr(source, "columns"):
        raise KindError(
            f"{what} a {kind}, whose items would be its names; for its columns as records: Dataset(...).stream(), "
            "for pairs: list(....items())"
        )
    if hasattr(source, "__aiter__") or inspect.isawaitable(source):
        raise KindError(f"{what} a {kind}, which is asynchronous; give a plain iterable or generator function")
    if isinstance(source, Iterator):
        raise KindError(
            f"{what} a {kind}, which can be iterated once only; a stream starts again: hand over the function that "
            "makes it, as Stream(function, *args)"
        )
    if isinstance(source, np.ndarray) and source.ndim == 0:
        raise KindError(f"{what} an array of no dimensions, which holds no items")
    if not hasattr(source, "__iter__") and not hasattr(source, "__getitem__"):
        hint = "; for a Source: Dataset(...).stream()" if hasattr(source, "read") else ""
        raise KindError(
            f"{what} a {kind}, which cannot be iterated; give an iterable, or a function that makes one{hint}"
        )


def check_synchronous(function: Any) -> None:
    """Refuse a function whose items would have to be awaited.

    Raises:
        KindError: It is asynchronous.
    """
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise KindError(f"{name_of(function)} is asynchronous; give a plain function or generator function")


def check_arguments(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments that the function does not take, now and not at the first item.

    Raises:
        KindError: The function is asynchronous.
        ArgumentError: It does not take these arguments.
    """
    check_synchronous(function)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # builtins that do not tell
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        hint = "; with a seed it is given rng=" if "rng" in kwargs and "rng" not in signature.parameters else ""
        raise ArgumentError(f"{name_of(function)}{signature} cannot be called as asked: {error}{hint}") from None
