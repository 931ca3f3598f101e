"""A function of items as work for workers, and what becomes of items that it fails on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Any, NamedTuple

from headrace.core import seeds
from headrace.core.batch import Batch
from headrace.core.callables import failure, name_of
from headrace.core.errors import ArgumentError, RecordError
from headrace.core.failures import SKIP, SKIP_RETURNED, Failure, OnError, Retry
from headrace.core.meter import Laps
from headrace.core.owning import owned
from headrace.core.ragged import Ragged
from headrace.workers.carried import Carried, released
from headrace.workers.work import Desk, Place, Run


class Job(NamedTuple):
    """Items in a row.

    Args:
        number: Of the first one, in the stream.
        items: The items.
    """

    number: int
    items: list[Any]

    def __repr__(self) -> str:  # as messages call it
        last = self.number + len(self.items) - 1
        return f"item {last}" if last == self.number else f"items {self.number} to {last}"


class Notes(NamedTuple):
    """What is said beside the items.

    Args:
        laps: How long the function took.
        failures: Which items were left out or replaced.
        error: What the item behind them raised, to be raised when these are handed out; None where none did.
    """

    laps: Laps
    failures: list[Failure]
    error: Carried | None = None


@dataclass(frozen=True, eq=False)
class Applying:
    """A function applied to items.

    A job's value is a list of what was made, ``SKIP`` in the place of an item that a policy leaves out. It is shorter
    than the items where the next one fails; the notes hold that error.

    Args:
        function: The user's.
        starred: Whether the items are spread into arguments.
        seed: With one the function is given a generator, keyed by (seed, ``place``, epoch, number of the item).
        place: How many seeded maps lie below.
        epoch: Of the iteration.
        step: The step, as a chain shows it.
        source: Where items come from, as a chain shows it.
        on_error: What becomes of items that the function fails on.
    """

    function: Callable[..., Any]
    starred: bool
    seed: int | None
    place: int
    epoch: int
    step: str
    source: str
    on_error: OnError = "raise"

    def open(self, desk: Desk) -> Run:
        return _Applier(self)

    def share(self, place: Place) -> None:
        """There is no source in it: items come with the jobs."""

    def words(self) -> str:
        return self.step


class _Applier:
    """One worker's."""

    __slots__ = ("_failures", "_generators", "_keeps", "_work")

    def __init__(self, work: Applying) -> None:
        self._work = work
        self._keeps = work.on_error not in ("raise", "skip")
        self._failures: list[Failure] = []
        seeded = work.seed is not None
        # The epoch is hashed into the key: endless repeats that nest make it wider than a word of the counter.
        self._generators = (
            seeds.KeyedGenerator(work.seed, "stream.map", work.place, work.epoch)
            if seeded and work.seed is not None
            else None
        )

    def __call__(self, job: Job) -> tuple[list[Any], Notes]:
        began = perf_counter()
        made: list[Any] = []
        behind: Carried | None = None
        for number, item in enumerate(job.items, job.number):
            try:
                made.append(self._one(number, item))
            except BaseException as error:
                if not made:
                    raise
                behind = Carried(error)
                break
        failures, self._failures = self._failures, []
        for one in failures:
            released(one.error)  # else each would keep what it was raised in
        seconds = perf_counter() - began
        return made, Notes({self._work.step: ("map", 1, len(made), seconds, 0)}, failures, behind)

    def _one(self, number: int, item: Any) -> Any:
        fresh = _copy(item) if self._keeps else item  # the function may write to the one that it is given
        try:
            return self._call(number, item)
        except GeneratorExit as error:  # in the caller's loop it would look like its end
            raise self._failed(number, error) from error
        except Exception as error:
            return self._settled(number, fresh, error)

    def _call(self, number: int, item: Any) -> Any:
        arguments = item if self._work.starred else (item,)
        if self._generators is None:
            made = self._work.function(*arguments)
        else:
            made = self._work.function(*arguments, self._generators.at(0, number))
        if made is SKIP:
            raise ArgumentError(SKIP_RETURNED)
        return made

    def _failed(self, number: int, error: BaseException) -> RecordError:
        return RecordError(failure(self._work.step, self._work.function, f"item {number}", error))

    def _settled(self, number: int, item: Any, error: Exception) -> Any:
        """Return what a policy puts in the place of an item."""
        policy = self._work.on_error
        if isinstance(policy, Retry):
            for seconds in policy.waits():
                if not isinstance(error, policy.only):
                    break
                sleep(seconds)
                try:
                    return self._call(number, _copy(item))
                except Exception as again:
                    error = again
            policy = policy.then
        if policy == "raise":
            raise self._failed(number, error) from error
        value = SKIP if policy == "skip" else self._asked(policy, number, item, error)
        self._failures.append(
            Failure(self._work.source, number, self._work.step, error, self._work.epoch, number, value is not SKIP)
        )
        return value

    def _asked(self, policy: Any, number: int, item: Any, error: Exception) -> Any:
        try:
            return policy(error, item)
        except Exception as raised:
            if raised is error:
                raise self._failed(number, error) from error
            what = failure(f"on_error={name_of(policy)}", policy, f"item {number}, which had failed", raised)
            raise RecordError(what) from raised


def _copy(item: Any) -> Any:
    """Return an item that may be written to without changing this one."""
    if isinstance(item, Batch):
        return Batch._of({name: _copy(column) for name, column in item.items()}, len(item))
    return Ragged(item.values.copy(), item.offsets) if isinstance(item, Ragged) else owned(item)
