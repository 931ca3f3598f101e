"""BatchBuilder: a Batch that is put together record by record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headrace.core import fitting
from headrace.core.batch import Batch
from headrace.core.growing import GrowingNested


class BatchBuilder:
    """Collects records into columns, in room that is doubled when it is full.

    The first record says which columns there are and of what kind. Later ones are copied in, so an array may be used
    again once it was appended; Python's own numbers take on the column's dtype, NumPy's are promoted with it; arrays
    that differ in their first axis make the column ragged. A record that does not fit is refused whole: nothing of it
    is kept, and nothing lost of what was there.

    >>> builder = BatchBuilder()
    >>> builder.append({"step": 0, "loss": 0.9})
    >>> builder.extend([{"step": 1, "loss": 0.7}, {"step": 2, "loss": 0.6}])
    >>> len(builder), builder.build()["loss"]
    (3, array([0.9, 0.7, 0.6]))
    >>> builder.append({"step": "three", "loss": 0.5})
    Traceback (most recent call last):
    headrace.core.errors.SchemaError: column 'step': expected int64, got str 'three'
    """

    __slots__ = ("_growing",)

    _growing: GrowingNested | None

    def __init__(self) -> None:
        self._growing = None

    def __len__(self) -> int:
        return 0 if self._growing is None else len(self._growing)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one record at the end; arrays are copied, other objects shared.

        Raises:
            SchemaError: The record does not fit those before it; the column is named.
            KindError: It is no mapping of names to values.
        """
        if self._growing is not None and self._growing.holds(row):
            self._growing.put(row)
        else:
            self._add([row])

    def extend(self, rows: Batch | Iterable[Mapping[str, Any]]) -> None:
        """Add the rows of a Batch, or several records; copied. All are added or, where one does not fit, none.

        Raises:
            SchemaError: A record does not fit those before it; the column is named.
            KindError: A record is no mapping of names to values.
        """
        self._add(rows if isinstance(rows, Batch) else list(rows))

    def build(self) -> Batch:
        """Return all records so far; a copy, which is not changed by what is added later.

        Without any records it has no columns.
        """
        if self._growing is None:
            return Batch._of({}, 0)
        built = self._growing.column()
        return Batch._of(built._columns, len(built))

    def _add(self, rows: Batch | list[Mapping[str, Any]]) -> None:
        if self._growing is None:
            first = rows if isinstance(rows, Batch) else Batch.from_rows(rows)
            if first._columns or len(first):
                self._growing = GrowingNested(first)
            return
        if not len(rows):
            return
        like = self._growing.empty()
        if isinstance(rows, Batch):
            fitting.check(rows, like)
            self._growing.add(rows)
        else:
            self._growing.add(fitting.fit_rows(rows, like, Batch._of))

    def __repr__(self) -> str:
        return f"BatchBuilder({len(self)} rows)"
