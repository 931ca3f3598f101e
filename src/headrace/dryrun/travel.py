"""Whether functions and sources can be carried to another process: tried in a fresh one."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cloudpickle
import numpy as np

from headrace.core.callables import name_of, place_of
from headrace.core.errors import WorkerError
from headrace.dryrun.findings import Findings
from headrace.workers.processes import Processes
from headrace.workers.work import Desk, Done, Failed, Place, Run

_LARGE = 1 << 16  # bytes: arrays above are shared, and need not be pickled to know that they travel


@dataclass(frozen=True, eq=False)
class Traveller:
    """What has to travel.

    Args:
        stage: The step that it belongs to.
        thing: A function, a source.
        what: What it is, for messages.
    """

    stage: str
    thing: Any
    what: str


@dataclass(frozen=True, eq=False)
class _Unpacking:
    """Pickles, opened in a worker."""

    pickles: tuple[bytes, ...]

    def open(self, desk: Desk) -> Run:
        return _Unpacker(self.pickles)

    def share(self, place: Place) -> None:
        """There are no sources."""

    def words(self) -> str:
        return "a dry run"


class _Unpacker:
    def __init__(self, pickles: tuple[bytes, ...]) -> None:
        self._pickles = pickles

    def __call__(self, number: int) -> tuple[bool, None]:
        cloudpickle.loads(self._pickles[number])
        return True, None


@dataclass(frozen=True, eq=False)
class _Holding:
    """A thing that travels as a run's work would, with all that is done for modules that are not found there."""

    thing: Any

    def open(self, desk: Desk) -> Run:
        return _held

    def share(self, place: Place) -> None:
        """It is tried as it is."""

    def words(self) -> str:
        return "a dry run"


def _held(job: int) -> tuple[bool, None]:
    return True, None


class _Light(cloudpickle.Pickler):  # type: ignore[misc]  # without types
    """Leaves out large arrays: they travel by shared memory."""

    def persistent_id(self, value: Any) -> Any:
        if type(value) is np.ndarray and not value.dtype.hasobject and value.nbytes > _LARGE:
            return "array"
        return None


def check_travel(findings: Findings, functions: Sequence[Traveller], sources: Sequence[Traveller]) -> None:
    """Add what cannot be carried to workers that are processes."""
    packed = []
    for one in functions:
        try:
            packed.append((one, cloudpickle.dumps(one.thing)))
        except Exception as error:
            _stays(findings, one, error)
    for one in sources:
        try:
            _Light(io.BytesIO(), 5).dump(one.thing)
        except Exception as error:
            _stays(findings, one, error)
    if packed:
        try:
            for one, why in _arrivals(packed):
                _does_not_arrive(findings, one, why)
        except (WorkerError, OSError) as error:
            findings.problem("workers", f"a process cannot be started: {error}", "Use workers=hr.Threads(n) here")


def check_results(findings: Findings, stage: str, value: Any) -> None:
    """Add that what comes out cannot be carried back."""
    try:
        _Light(io.BytesIO(), 5).dump(value)
    except Exception as error:
        findings.problem(
            stage,
            f"what it gives cannot be carried from a process: {type(error).__name__}: {error}",
            "Return arrays, numbers, texts or containers of these, or use workers=hr.Threads(n)",
        )


def _stays(findings: Findings, one: Traveller, error: Exception) -> None:
    held = f" (in {place_of(one.thing)})" if callable(one.thing) else ""
    findings.problem(
        one.stage,
        f"{one.what}{held} cannot be carried to a process: {type(error).__name__}: {error}",
        "Let it open files, locks and connections where it runs instead of holding them, or use workers=hr.Threads(n)",
    )


def _arrivals(packed: Sequence[tuple[Traveller, bytes]]) -> list[tuple[Traveller, BaseException]]:
    """Return what a fresh process cannot open, and why."""
    failed: list[tuple[Traveller, BaseException]] = []
    pool = Processes(1).open(_Unpacking(tuple(pickle for _, pickle in packed)), len(packed), True)
    try:
        tickets = [(one, pool.submit(number)) for number, (one, _) in enumerate(packed)]
        for one, ticket in tickets:
            outcome = ticket.result()
            if isinstance(outcome, Failed):
                failed.append((one, outcome.error))
    finally:
        pool.close()
    return [(one, error) for one, error in failed if not _arrives_alone(one)]


def _arrives_alone(one: Traveller) -> bool:
    """Say whether a thing that was not understood by itself is, when modules of the parent's are sent along."""
    try:
        pool = Processes(1).open(_Holding(one.thing), 1, True)
    except WorkerError:
        return False
    try:
        return isinstance(pool.submit(0).result(), Done)
    except WorkerError:
        return False
    finally:
        pool.close()


def _does_not_arrive(findings: Findings, one: Traveller, error: BaseException) -> None:
    findings.problem(
        one.stage,
        f"{one.what} (in {place_of(one.thing)}) is not understood in a fresh process: {type(error).__name__}: {error}",
        "Let it stand in a module that can be imported there, with all that it needs",
    )


def function_of(stage: str, function: Callable[..., Any]) -> Traveller:
    """Return a function as something that has to travel."""
    return Traveller(stage, function, name_of(function))
