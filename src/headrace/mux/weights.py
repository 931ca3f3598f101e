"""The weights of a mux, which may change while it runs: by hand, or as a function of the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from headrace.core import quotas
from headrace.core.arguments import function as check_function
from headrace.core.arguments import whole
from headrace.core.callables import code_of, failure, name_of
from headrace.core.changes import Changes
from headrace.core.errors import ArgumentError, KindError, RecordError, StateError
from headrace.mux.chances import Floats

NEVER = 1 << 62


@dataclass(frozen=True)
class Curriculum:
    """Weights that are a function of the step: how many records the mux has given.

    Args:
        function: Called with the step; returns a weight for each stream, 0 or more, not all 0.
        every: How often it is called: at the steps 0, ``every``, 2 ``every``, ...; the weights hold in between.

    >>> import headrace as hr
    >>> easy, hard = hr.Stream(["easy"]), hr.Stream(["hard"])
    >>> weights = hr.Curriculum(lambda step: [1, 0] if step < 4 else [1, 1], every=4)
    >>> hr.ShuffledMux([easy, hard], weights=weights, seed=0).take(8).list()
    ['easy', 'easy', 'easy', 'easy', 'easy', 'hard', 'easy', 'hard']

    Raises:
        KindError: The function is none, or ``every`` no whole number.
        ArgumentError: ``every`` is below 1.
    """

    function: Callable[[int], Sequence[float]]
    every: int = 256

    def __post_init__(self) -> None:
        check_function(self.function, "Curriculum")
        code_of(self.function)  # now, before it runs
        whole(self.every, "every", 1)

    def at(self, step: int, streams: int) -> Floats:
        """Return the weights that hold at a step.

        Raises:
            RecordError: The function failed; the original error is the cause.
            ArgumentError: What it returned are no weights of so many streams.
        """
        called = step - step % self.every
        try:
            given = self.function(called)
        except Exception as error:
            raise RecordError(failure("weights", self.function, f"step {called}", error)) from error
        try:
            return check(given, streams)
        except ArgumentError as error:
            error.add_note(f"returned by {name_of(self.function)} for step {called}")
            raise

    def words(self) -> str:
        """Return it as a chain shows it."""
        return f"{name_of(self.function)}, every={self.every}"


Weights: TypeAlias = Floats | Curriculum


def check(weights: Any, streams: int) -> Floats:
    """Return weights as an array: float64 ``(streams,)``, a copy.

    Raises:
        KindError: They are no numbers.
        ArgumentError: They are too many or too few, negative, infinite or missing (NaN), or all 0.
    """
    if isinstance(weights, str | Mapping) or not hasattr(weights, "__iter__"):
        raise KindError(f"weights must be a list of numbers, one for each stream, got {weights!r:.200}")
    given = weights if isinstance(weights, Sequence) else [*weights]
    if any(isinstance(weight, str | bytes) for weight in given):
        raise KindError(f"weights must be numbers, got texts: {given!r:.200}")
    numbers = quotas.check(given)
    if len(numbers) != streams:
        raise ArgumentError(f"{streams} streams need as many weights, got {len(numbers)}")
    return np.array(numbers, np.float64)


def as_weights(weights: Any, streams: int) -> Weights:
    """Return what a user gave as weights; None for equal ones, a function as a Curriculum."""
    if weights is None:
        return np.ones(streams)
    if isinstance(weights, Curriculum):
        return weights
    return Curriculum(weights) if callable(weights) else check(weights, streams)


class Schedule:
    """Which weights hold when: those that the mux was made with, and those that were set while it ran.

    Args:
        flow: The mux.
        epoch: Of the run.
        changes: Of the iteration that it belongs to.

    Those that were set are noted beside the place of the iteration (see ``core.changes``), as ``[step, weights]`` for
    each time, in order; where none is under way that knows of changes, here.

    Raises:
        StateError: What is noted are no weights of the mux.
    """

    __slots__ = ("_changes", "_epoch", "_flow", "_own", "_streams", "_weights")

    def __init__(self, flow: Any, epoch: int, changes: Changes | None = None) -> None:
        self._flow = flow
        self._epoch = epoch
        self._weights: Weights = flow.weights
        self._streams: int = flow.count
        self._changes = changes
        self._own: list[Any] = []
        for entry in self.log:
            if not (isinstance(entry, list) and len(entry) == 2 and type(entry[0]) is int and entry[0] >= 0):
                raise StateError(f"the state is damaged: weights that were set are [step, weights], got {entry!r:.100}")
            try:
                check(entry[1], self._streams)
            except ArgumentError as error:
                raise StateError(f"the state is damaged: {error}") from None

    @property
    def log(self) -> list[Any]:
        """Which weights were set, each with the step from which they hold; not to be written to."""
        return self._own if self._changes is None else self._changes.of(self._flow, self._epoch)

    def at(self, step: int) -> Floats:
        """Return the weights that hold at a step, float64 ``(streams,)``: not to be written to."""
        for since, weights in reversed(self.log):
            if since <= step:
                return np.array(weights, np.float64)
        return self._weights.at(step, self._streams) if isinstance(self._weights, Curriculum) else self._weights

    def since(self, step: int) -> int:
        """Return the step from which on the weights hold that hold at a step."""
        for since, _ in reversed(self.log):
            if since <= step:
                return int(since)
        return step - step % self._weights.every if isinstance(self._weights, Curriculum) else 0

    def until(self, step: int) -> int:
        """Return the next step at which other weights may hold."""
        later = [since for since, _ in self.log if since > step]
        following = min(later, default=NEVER)
        if isinstance(self._weights, Curriculum) and not any(since <= step for since, _ in self.log):
            following = min(following, step - step % self._weights.every + self._weights.every)
        return following

    def set(self, step: int, weights: Any) -> None:
        """Note that other weights hold from a step on.

        Raises:
            ArgumentError, KindError: See ``check``.
        """
        numbers = check(weights, self._streams).tolist()
        entries = [*(entry for entry in self.log if entry[0] < step), [step, numbers]]
        if self._changes is None:
            self._own = entries
        else:
            self._changes.put(self._flow, self._epoch, entries)
