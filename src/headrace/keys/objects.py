"""What can be told of an object: its attributes, whether its name tells all of it, what it wraps."""

from __future__ import annotations

import sys
import types
from functools import cached_property
from typing import Any

import numpy as np

from headrace.keys.owners import is_users_class, is_users_module

_ABOUT = {"__doc__", "__name__", "__qualname__", "__module__", "__annotations__", "__annotate__", "__type_params__"}
_LOOKED_THROUGH = ("__wrapped__", "py_func", "_torchdynamo_orig_callable")
_HOLDING = (int, float, complex, str, bytes, bytearray, tuple, list, dict, set, frozenset, np.ndarray, BaseException)


def plain_state(value: Any) -> dict[str, Any] | None:
    """Return the attributes of an object of the user's own class; None where the class says itself what counts."""
    kind = type(value)
    if not is_users_class(kind) or isinstance(value, _HOLDING):
        return None
    own = ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
    if any(getattr(kind, name, None) is not getattr(object, name, None) for name in own):
        return None
    state = dict(getattr(value, "__dict__", {}))
    for owner in kind.__mro__:
        slots = vars(owner).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            told = f"_{owner.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
            if told not in ("__dict__", "__weakref__") and hasattr(value, told):
                state[told] = getattr(value, told)
    return {name: one for name, one in without_cached(kind, state).items() if name not in _ABOUT}


def without_cached(kind: type, state: dict[str, Any]) -> dict[str, Any]:
    """Return attributes without those that are made of the others when they are first asked for."""
    cached = {name for owner in kind.__mro__ for name, one in vars(owner).items() if isinstance(one, cached_property)}
    return {name: one for name, one in state.items() if name not in cached}


def is_found(value: Any) -> bool:
    """Say whether something of a library is what lies there under its name, so that this tells all of it."""
    try:
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    except Exception:  # a class may do as it likes
        return False
    if not isinstance(module, str) or not isinstance(name, str) or module not in sys.modules:
        return False
    found: Any = sys.modules[module]
    if is_users_module(found):
        return False
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def draws(value: Any) -> bool:
    """Say whether a function draws from a global generator, whose state is another one each time."""
    if not isinstance(value, types.BuiltinFunctionType | types.MethodType):
        return False
    modules = (sys.modules.get(name) for name in ("random", "numpy.random"))
    return any(getattr(module, value.__name__, None) == value for module in modules)


def looked_through(value: Any) -> Any:
    """Return the function that a library's callable object stands for: of ``lru_cache``, of a compiler."""
    try:
        inner = [getattr(value, name, None) for name in _LOOKED_THROUGH] if callable(value) else []
    except Exception:  # a class may do as it likes
        return None
    return next(filter(callable, inner), None)
