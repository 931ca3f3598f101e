"""What is kept of a running stream beside its items: what was measured, and which records failed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, RecordError
from headrace.core.failures import Failure
from headrace.core.meter import Meter

_FEW = 100  # records: a fraction of fewer says nothing


@dataclass
class Ledger:
    """Of one part of a stream that reads or maps, written to by its latest iteration.

    Args:
        meter: What was measured.
        failures: The records that were left out or replaced, each once however many epochs it failed in.
    """

    meter: Meter = field(default_factory=Meter)
    failures: list[Failure] = field(default_factory=list)
    _known: set[tuple[str, int, str]] = field(default_factory=set, repr=False)
    _refused: tuple[str, int, str] | None = field(default=None, repr=False)  # the one that was too many

    def begin(self) -> None:
        """Forget what the iterations before have left."""
        self.meter = Meter()
        self.failures = []
        self._known = set()
        self._refused = None

    def admit(self, failures: Iterable[Failure], budget: int | float, records: int | None) -> None:
        """Take in records that failed.

        Args:
            failures: Of one job, in their order.
            budget: How many different records may fail in all, or, below 1, which fraction of them.
            records: How many there are in an epoch; None where that is not known: then those seen count, 100 at least.

        Raises:
            RecordError: More records have failed than the budget allows; names the last, whose error is the cause.
        """
        for failure in failures:
            key = (failure.source, failure.record, failure.stage)
            if key not in self._known:
                self._known.add(key)
                self.failures.append(failure)
            elif key != self._refused:
                continue
            allowed = budget
            if isinstance(budget, float):
                seen = max(self.meter.records, _FEW) if records is None else records
                allowed = math.ceil(budget * max(seen, 1))
            if len(self.failures) > allowed:
                self._refused = key  # the step that it was in is tried again, and may not pass then
                raise RecordError(
                    f"{len(self.failures)} different records have failed, and max_errors={budget} allows "
                    f"{allowed}; the last is {failure}. What failed is listed in stream.errors"
                ) from failure.error


def check_budget(value: Any) -> int | float:
    """Return a budget: a number of records, or a fraction of them.

    >>> check_budget(100), check_budget(0.01)
    (100, 0.01)

    Raises:
        ArgumentError: A number below 0, or a fraction that is not between 0 and 1.
        KindError: No number.
    """
    if isinstance(value, float):
        if not 0 < value <= 1:
            raise ArgumentError(f"max_errors must be a number of records, or a fraction of them up to 1.0, got {value}")
        return value
    return whole(value, "max_errors", 0)
