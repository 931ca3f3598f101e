"""What is said of a user's function: its name and place, what it failed on, and a digest of its code."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from headrace.core import fingerprint

_DIGESTS: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def name_of(function: Any) -> str:
    """Return a function's name as its writer would say it.

    >>> from functools import partial
    >>> name_of(len), name_of(lambda x: x), name_of(partial(max, 0))
    ('len', 'lambda', 'partial(max)')
    """
    inner = getattr(function, "func", None)
    if callable(inner):  # a functools.partial
        return f"partial({name_of(inner)})"
    name = getattr(function, "__name__", None) or type(function).__name__
    return "lambda" if name == "<lambda>" else str(name)


def place_of(function: Any) -> str:
    """Return where a function is written, ``module:line``; the module alone where no line is known, as of builtins.

    >>> place_of(len)
    'builtins'
    """
    inner = getattr(function, "func", None)
    if callable(inner):
        return place_of(inner)
    own = hasattr(function, "__code__") or not callable(function)
    code = getattr(function if own else type(function).__call__, "__code__", None)  # of an object that is called
    module = getattr(function, "__module__", None) or type(function).__module__
    return f"{module}:{code.co_firstlineno}" if code is not None else str(module)


def failure(step: str, function: Any, where: str, error: BaseException) -> str:
    """Return the message for a user's function that failed: which step, where the function is, on what, and how.

    >>> failure("map(sqrt)", len, "item 3", ValueError("below 0"))
    'map(sqrt) failed on item 3: ValueError: below 0 (len is in builtins)'
    """
    return f"{step} failed on {where}: {type(error).__name__}: {error} ({name_of(function)} is in {place_of(function)})"


def code_of(function: Any) -> str:
    """Return the digest of a function as it was when it was first asked for (see ``fingerprint.of_function``).

    What a function closes over and a callable object's attributes belong to the digest, and may change as it runs
    (a counter, a cache). So a step asks for it when it is built: then it is the same in the process that saves a state
    and in the one that loads it.
    """
    try:
        known = _DIGESTS.get(function)
        if known is None:
            known = _DIGESTS[function] = fingerprint.of_function(function)
        return known
    except TypeError:  # an object that cannot be hashed, or not be referred to weakly
        return fingerprint.of_function(function)
