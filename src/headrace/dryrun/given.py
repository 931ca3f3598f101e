"""Things at hand, in the place of what would read or make them: so each step is run by its own code, alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.flow import State
from headrace.core.owning import owned
from headrace.core.records import Columns, Records, Rows, concat
from headrace.core.schema import Schema
from headrace.core.source import Indices
from headrace.nodes.node import Context, Over


@dataclass(frozen=True, eq=False)
class Sample:
    """One record, batch or item.

    Args:
        name: Which: ``record 5``.
        records: It, as records of one row.
        position: Its position in the step that it came from.
        epoch: Its epoch there.
        ids: The source records in it.
    """

    name: str
    records: Records
    position: int = 0
    epoch: int = 0
    ids: Indices | None = None

    @property
    def value(self) -> Any:
        """It, as a user sees it."""
        return self.records.rows()[0]


@dataclass(frozen=True, eq=False)
class Given(Over):
    """Records that are at hand, whatever positions are asked for: as many as there are.

    Args:
        input: The node that gave them.
        samples: The records.
    """

    samples: tuple[Sample, ...]

    @property
    def length(self) -> int:
        return len(self.samples)

    def read(self, at: At, context: Context) -> Records:
        """Return them, the caller's own."""
        return concat([fresh(sample.records) for sample in self.samples])

    def ids(self, at: At) -> Indices:
        known = [sample.ids for sample in self.samples if sample.ids is not None]
        return np.concatenate(known) if known else np.zeros(len(self.samples), np.int64)

    def schema(self) -> Schema | None:
        return None

    def words(self) -> str:
        return self.input.words()


@dataclass(frozen=True, eq=False)
class Fixed:
    """Items that are at hand, as a flow.

    Args:
        items: The items; each start gives copies.
    """

    items: Sequence[Any]

    def start(self, state: State | None = None, epoch: int = 0) -> _FixedCursor:
        return _FixedCursor([_copied(item) for item in self.items])

    def length(self) -> int:
        return len(self.items)

    def order(self) -> tuple[str, ...]:
        return ()

    def code(self) -> tuple[str, ...]:
        return ()


class _FixedCursor:
    def __init__(self, items: list[Any]) -> None:
        self._items = iter(items)
        self._count = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        item = next(self._items)
        self._count += 1
        return item

    def state(self) -> State:
        return {"count": self._count}

    def close(self) -> None:
        self._items = iter(())


def fresh(records: Records) -> Records:
    """Return a copy that may be written to."""
    if isinstance(records, Rows):
        return Rows([_copied(row) for row in records.records])
    batch: Batch = _copied(records.batch)
    return Columns(batch, records.structure)


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # a generator, a lock: there is only one of it
        return owned(value)


@dataclass
class Bundle:
    """Samples that came out of a step, and how many did not.

    Args:
        samples: Those that came.
        failed: How many did not.
        seconds: How long each took, on average, with everything below.
    """

    samples: list[Sample]
    failed: int = 0
    seconds: float = 0.0

    @classmethod
    def of_values(cls, values: Sequence[tuple[str, Any]], failed: int = 0, seconds: float = 0.0) -> Self:
        """Make one of items and their names."""
        return cls([Sample(name, Rows([value])) for name, value in values], failed, seconds)
