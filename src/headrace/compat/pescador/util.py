"""Random states, lengths of batches, and warnings for names that change."""

from __future__ import annotations

import numbers
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from headrace.compat.pescador.exceptions import PescadorError

__all__ = ["Deprecated", "batch_length", "deprecated", "get_rng", "moved", "rename_kw"]

P = ParamSpec("P")
R = TypeVar("R")


def get_rng(random_state: Any) -> Any:
    """Return what random numbers are drawn from.

    Args:
        random_state: A seed; a ``RandomState``, which is used itself; None for the state that all of NumPy shares.

    Returns:
        A ``RandomState``, or the module ``numpy.random``, which draws in the same way.

    >>> int(get_rng(0).randint(100)), get_rng(None) is np.random
    (44, True)

    Raises:
        PescadorError: It is none of these, or a seed that NumPy does not take.
    """
    if random_state is None:
        return np.random
    if isinstance(random_state, np.random.RandomState):
        return random_state
    if not isinstance(random_state, numbers.Integral):
        raise PescadorError(f"random_state must be None, a whole number or a RandomState, got {random_state!r}")
    try:
        return np.random.RandomState(int(random_state))
    except ValueError as error:
        raise PescadorError(f"random_state={random_state}: {error}") from error


def batch_length(batch: Mapping[Any, Any]) -> int | None:
    """Return the length that all columns of a batch have; None where there are no columns.

    >>> batch_length({"x": [1, 2], "y": "ab"})
    2

    Raises:
        PescadorError: They differ in length.
    """
    lengths = {name: len(column) for name, column in batch.items()}
    if len(set(lengths.values())) > 1:
        raise PescadorError(f"the columns of a batch must be of one length, got {lengths}")
    return next(iter(lengths.values()), None)


class Deprecated:
    """Stands for an argument under its old name, as its default: so it is seen whether the name was used.

    >>> Deprecated()
    <not given>
    """

    def __repr__(self) -> str:
        return "<not given>"


def rename_kw(
    old_name: str, old_value: Any, new_name: str, new_value: Any, version_deprecated: str, version_removed: str
) -> Any:
    """Return the value of an argument that has got another name, given under either.

    Args:
        old_name: How it was called.
        old_value: What was given under that name; a ``Deprecated`` where nothing was.
        new_name: How it is called.
        new_value: What was given under that name.
        version_deprecated: Since when.
        version_removed: From when on the old name will be gone.

    Warns:
        DeprecationWarning: The old name was used; at the place of the call.
    """
    if isinstance(old_value, Deprecated):
        return new_value
    called = sys._getframe(1).f_code.co_name
    _warn(
        f"{called}(): argument {old_name!r} was renamed to {new_name!r} in version {version_deprecated}; "
        f"the old name goes in version {version_removed}"
    )
    return old_value


def moved(moved_from: str, version: str, version_removed: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function that has moved here, and is still called under its old name.

    Args:
        moved_from: The old name.
        version: Since when.
        version_removed: From when on the old name will be gone.

    Warns:
        DeprecationWarning: At each call.
    """
    return _warning(
        lambda name: (
            f"{moved_from} was moved to {name} in version {version}; the old name goes in version {version_removed}"
        )
    )


def deprecated(version: str, version_removed: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function that will go.

    Args:
        version: Since when it is deprecated.
        version_removed: From when on it will be gone.

    Warns:
        DeprecationWarning: At each call.
    """
    return _warning(lambda name: f"{name} is deprecated since version {version} and goes in version {version_removed}")


def _warning(words: Callable[[str], str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that warns with words about a function's name."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            _warn(words(f"{function.__module__}.{function.__qualname__}"))
            return function(*args, **kwargs)

        return call

    return decorate


def _warn(message: str) -> None:
    """Warn at the place from which the function that calls this was called."""
    warnings.warn(message, DeprecationWarning, stacklevel=3)
