"""What cannot travel is named, with the place where it hangs."""

from __future__ import annotations

import functools
import re
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from headrace.workers.blame import unpicklable

LOCK = threading.Lock()


@dataclass(frozen=True)
class Step:
    function: Callable[[Any], Any]
    settings: dict[str, Any] = field(default_factory=dict)


class Slotted:
    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held


def with_default(x: int, connection: Any = None) -> int:
    return x


def closing_over(thing: Any) -> Callable[[Any], Any]:
    return lambda x: (thing, x)


GIVEN: dict[str, tuple[Callable[[], Any], str]] = {
    "a lock in a closure": (
        lambda: Step(closing_over(LOCK)),
        r"a lock at \.function, variable 'thing' of the function lambda \(tests\.workers\.test_blame:\d+\), cannot be",
    ),
    "a generator in a mapping": (
        lambda: Step(len, {"rows": (n for n in "ab")}),
        r"a generator at \.settings\['rows'\]",
    ),
    "a lock in a slot in a list": (lambda: [1, Slotted(LOCK)], r"a lock at \[1\]\.held,"),
    "a lock among objects in an array": (lambda: {"x": np.array([1, LOCK], object)}, r"a lock at \['x'\]\[1\],"),
    "the method of an object with a lock": (lambda: Step(Slotted(LOCK).__eq__), r"a (lock|method-wrapper) at "),
    "a lock itself": (lambda: LOCK, r"^a lock, cannot be pickled"),
}


@pytest.mark.parametrize("given", GIVEN)
def test_the_innermost_part_that_cannot_travel_is_named(given: str) -> None:
    make, words = GIVEN[given]
    value = make()
    told = unpicklable(value, TypeError("no"))
    assert re.search(words, told), told
    assert told.endswith("or use Threads")


def test_a_connection_to_a_database_is_named() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        told = unpicklable(functools.partial(with_default, connection=connection), TypeError("no"))
    assert told.startswith("a Connection at argument 'connection', cannot be pickled")


def test_a_global_variable_of_a_function_that_travels_by_content_is_named() -> None:
    space: dict[str, Any] = {"LOCK": LOCK, "__name__": "__main__"}
    exec("def read(x):\n    return [LOCK for _ in x]", space)
    assert "a lock at .function, variable 'LOCK' of the function read" in unpicklable(Step(space["read"]), TypeError())


def test_circles_and_large_structures_come_to_an_end() -> None:
    circle: list[Any] = [LOCK]
    circle.insert(0, circle)
    assert "a lock at [1]" in unpicklable(circle, TypeError("no"))
    wide = [list(range(10)) for _ in range(10_000)]
    assert unpicklable(wide, TypeError("odd")).startswith("a list, cannot be pickled (TypeError: odd)")
