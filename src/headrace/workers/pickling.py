"""A pickler for what plain pickle refuses: functions and classes travel by their content where no import finds them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any

import cloudpickle

Reducers = Mapping[type, Callable[[Any], Any]]


class AnyPickler(cloudpickle.Pickler):  # type: ignore[misc]  # without types
    """Ten times slower than plain pickle.

    Args:
        file: Where the pickle is written.
        reducers: How objects of exactly these types are taken apart.
        buffer_callback: Is handed memory that is to travel beside the pickle; None for all of it inside.
        settles: Whether classes of the main module become attributes of the reader's main module, so that what the
            reader sends back can name them. For a reader that does not run that module.
    """

    def __init__(
        self,
        file: IO[bytes],
        reducers: Reducers,
        buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None,
        settles: bool = False,
    ) -> None:
        super().__init__(file, 5, buffer_callback=buffer_callback)
        self._reducers = reducers
        self._settles = settles

    def reducer_override(self, value: Any) -> Any:
        reducer = self._reducers.get(type(value))
        if reducer is not None:
            return reducer(value)
        reduced = super().reducer_override(value)
        if self._settles and isinstance(value, type) and isinstance(reduced, tuple) and _is_of_main(value):
            make, arguments, *rest = reduced
            return (settled, (make, *arguments), *rest)
        return reduced


def settled(make: Callable[..., type], *arguments: Any) -> type:
    """Make a class that lives in the main module, and let it live in this process's main module as well."""
    made = make(*arguments)
    setattr(sys.modules["__main__"], made.__name__, made)
    return made


def _is_of_main(value: type) -> bool:
    return value.__module__ == "__main__" and value.__qualname__ == value.__name__
