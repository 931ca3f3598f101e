"""A function run twice on the same: whether it gives the same bytes, and whether it draws from a global generator."""

from __future__ import annotations

import pickle
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from headrace.core.batch import Batch
from headrace.core.equality import same_values
from headrace.core.meter import Clock
from headrace.core.owning import owned
from headrace.core.records import Columns, Rows


@dataclass
class Outcome:
    """How a step went on one thing.

    Args:
        value: What it gave the first time; None where it failed.
        error: Why it failed.
        seconds: How long that took.
        drew: The global generators that it drew from.
        repeats: Whether it gave the same again.
    """

    value: Any = None
    error: Exception | None = None
    seconds: float = 0.0
    drew: tuple[str, ...] = ()
    repeats: bool = True


@dataclass
class _Globals:
    """The states of the generators that whole programs share."""

    states: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def now(cls) -> _Globals:
        states: dict[str, Any] = {"random": random.getstate(), "numpy.random": np.random.get_state(legacy=False)}
        torch = sys.modules.get("torch")
        if torch is not None:
            states["torch"] = torch.get_rng_state().numpy().tobytes()
        return cls(states)

    def differing(self, other: _Globals) -> tuple[str, ...]:
        both = self.states.keys() & other.states.keys()  # torch may have been loaded between
        return tuple(name for name in sorted(both) if not same_values(self.states[name], other.states[name]))

    def restore(self) -> None:
        random.setstate(self.states["random"])
        np.random.set_state(self.states["numpy.random"])
        torch = sys.modules.get("torch")
        if torch is not None and "torch" in self.states:
            torch.set_rng_state(torch.frombuffer(bytearray(self.states["torch"]), dtype=torch.uint8))


@contextmanager
def untouched() -> Iterator[None]:
    """Leave the global generators as they were found.

    >>> with untouched():
    ...     first = random.random()
    >>> first == random.random()
    True
    """
    found = _Globals.now()
    try:
        yield
    finally:
        found.restore()


def twice(run: Callable[[], Any], clock: Clock | None = None) -> Outcome:
    """Run what gives something fresh each time, twice.

    Args:
        run: What is run.
        clock: Where it says how long its own work took; None for the time of all of it. The shorter of both runs
            counts: the first of all may load and compile things.

    >>> twice(lambda: [1, 2]).repeats, twice(lambda: random.random()).drew
    (True, ('random',))
    """
    found = _Globals.now()
    began = perf_counter()
    try:
        value = run()
    except Exception as error:
        return Outcome(error=error, seconds=perf_counter() - began, drew=found.differing(_Globals.now()))
    seconds = _own(clock, began)
    drew = found.differing(_Globals.now())
    kept = owned(value)  # it may be one array that is filled again
    began = perf_counter()
    try:
        again = run()
        seconds = min(seconds, _own(clock, began))
        repeats = same(kept, again)
    except Exception:  # a function that fails the second time does not repeat
        repeats = False
    return Outcome(value, None, seconds, drew, repeats)


def _own(clock: Clock | None, began: float) -> float:
    laps = {} if clock is None else clock.take()
    return sum(lap[3] for lap in laps.values()) if laps else perf_counter() - began


def same(a: Any, b: Any) -> bool:
    """Say whether two values, or records, hold the same; objects of classes without ``==`` by what pickle stores.

    >>> same({"x": np.arange(3)}, {"x": np.arange(3)}), same(object, int)
    (True, False)
    """
    if isinstance(a, Columns | Rows) and isinstance(b, Columns | Rows):
        return same(a.rows(), b.rows())
    if isinstance(a, list | tuple) and type(a) is type(b):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and type(a) is type(b):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, Batch) and isinstance(b, Batch):
        return same(dict(a.items()), dict(b.items()))
    with suppress(Exception):  # a comparison that means something else, as of a data frame
        if same_values(a, b):
            return True
    try:
        return bool(pickle.dumps(a, 5) == pickle.dumps(b, 5))
    except Exception:  # what can be neither compared nor pickled tells nothing
        return type(a) is type(b)
