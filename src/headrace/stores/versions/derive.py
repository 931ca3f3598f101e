"""A version made of another: records added, changed or taken out, and every part that stays what it is shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, ColumnError, SchemaError
from headrace.core.joining import concat
from headrace.core.kinds import take
from headrace.core.records import Columns, Records, to_columns
from headrace.core.source import Indices
from headrace.stores.manifest import Part
from headrace.stores.mapped import Table
from headrace.stores.parts import CHUNK_BYTES, Writer
from headrace.stores.reader import Stored
from headrace.stores.versions.rows import Keys

_SHOWN = 5


@dataclass(frozen=True)
class Changes:
    """What is different in the new version.

    Args:
        deleted: Positions of the base that go, sorted.
        updated: Positions of the base that change, sorted.
        rows: The new values of these, in the same order; columns that are missing stay as they were.
    """

    deleted: Indices
    updated: Indices
    rows: Batch = field(default_factory=lambda: Batch._of({}, 0))

    @classmethod
    def of(
        cls, base: Stored, delete: Iterable[Any] | None, update: Iterable[Records] | None, key: str | None
    ) -> Changes:
        """Find what is meant.

        Args:
            base: The version that is changed.
            delete: Values of the key; without a key positions.
            update: Records that have the key's column.
            key: The column that tells records from each other.

        Raises:
            ArgumentError: There is no key to find what is to be updated by, a position is out of range, or one record
                is meant twice.
            ColumnError: A value of the key is not there, or the key is none.
            SchemaError: The new records do not fit.
        """
        keys = None if key is None else Keys(base, key)
        deleted = np.sort(_positions(base, keys, () if delete is None else delete))
        if update is None:
            return cls(deleted, np.empty(0, np.int64))
        if keys is None or key is None:
            raise ArgumentError("update needs a key, to know which records it is about: key='id'")
        rows = _together(update, base, key)
        updated = _positions(base, keys, np.asarray(rows[key]).tolist())
        both = np.intersect1d(deleted, updated)
        if len(both):
            raise ArgumentError(f"{keys.values[int(both[0])]!r} is to be updated and to be deleted")
        order = np.argsort(updated, kind="stable")
        return cls(deleted, updated[order], take(rows, order))

    def touches(self, start: int, stop: int) -> bool:
        """Say whether any of these records changes."""
        return any(
            np.searchsorted(found, start) < np.searchsorted(found, stop) for found in (self.deleted, self.updated)
        )

    def apply(self, batch: Batch, start: int) -> Batch:
        """Return the new rows in the place of those of the base from a position on."""
        stop = start + len(batch)
        first, last = np.searchsorted(self.updated, (start, stop)).tolist()
        order = np.arange(len(batch))
        order[self.updated[first:last] - start] = len(batch) + np.arange(last - first)
        keep = np.ones(len(batch), np.bool_)
        begin, end = np.searchsorted(self.deleted, (start, stop)).tolist()
        keep[self.deleted[begin:end] - start] = False
        made = {}
        for name, column in batch.items():
            if name in self.rows.keys() and last > first:
                made[name] = take(concat([column, take(self.rows[name], np.arange(first, last))]), order[keep])
            else:
                made[name] = take(column, np.flatnonzero(keep))
        return Batch._of(made, int(keep.sum()))


def _positions(base: Stored, keys: Keys | None, values: Iterable[Any]) -> Indices:
    if keys is None:
        found = np.asarray(list(values), np.int64)
        wrong = found[(found < 0) | (found >= len(base))]
        if len(wrong):
            raise ArgumentError(f"there is no record {int(wrong[0])} to delete: there are {len(base):,}")
    else:
        listed = [getattr(value, "item", lambda value=value: value)() for value in values]
        missing = [value for value in listed if value not in keys.place]
        if missing:
            shown = ", ".join(map(repr, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
            raise ColumnError(f"{keys.shown} has no {shown}: new records are appended")
        found = np.array([keys.place[value] for value in listed], np.int64)
    ordered = np.sort(found)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        what = int(twice[0]) if keys is None else keys.values[int(twice[0])]
        raise ArgumentError(f"record {what!r} is meant twice")
    return found


def _together(update: Iterable[Records], base: Stored, key: str) -> Batch:
    """Return new records as one batch, once they are sure to have columns of the base, and the key's."""
    pieces = [to_columns(records) for records in update]
    if not pieces:
        raise ArgumentError("update has no records: leave it out")
    rows = concat([piece.batch for piece in pieces])
    assert isinstance(rows, Batch)
    if pieces[0].structure != base.structure:
        raise SchemaError(f"update: expected a {base.structure} as in the base, got a {pieces[0].structure}")
    for name in rows.keys():
        if name not in base.manifest.layout.fields:
            raise ColumnError.missing(name, base.manifest.layout.fields)
    if key not in rows.keys():
        raise ColumnError.missing(key, rows.keys())
    return rows


def derive(
    base: Stored,
    changes: Changes,
    append: Callable[[Writer], Iterator[Records]] | None,
    stage: Path,
    part_bytes: int | None,
) -> tuple[Part, ...]:
    """Write the parts that are new into a stage, and return all parts of the new version.

    Args:
        base: The version that it is made of.
        changes: What becomes of its records.
        append: Gives the records that come behind them; is told the writer, to see how large they are.
        stage: Where parts are prepared.
        part_bytes: About how large a part of appended records becomes; None for one part.

    Raises:
        SchemaError: New records do not fit the base's columns.
    """
    parts: list[Part] = []
    start = 0
    for number, part in enumerate(base.manifest.parts):
        stop = start + part.length
        parts += _rewritten(base, number, start, changes, stage) if changes.touches(start, stop) else [part]
        start = stop
    if append is not None:
        with Writer(stage, None, part_bytes, allow_pickle=base.allow_pickle) as writer:
            writer.bind(base.structure, base.manifest.layout)
            for records in append(writer):
                writer.append(records)
            parts += [part for part in writer.finish() if part.length]
    return tuple(parts)


def _rewritten(base: Stored, number: int, start: int, changes: Changes, stage: Path) -> list[Part]:
    """Write a part anew with its changes; none where all of its records are gone."""
    with Writer(stage, allow_pickle=base.allow_pickle) as writer:
        writer.bind(base.structure, base.manifest.layout)
        for at, batch in _chunks(base.part(number), base.manifest.parts[number]):
            changed = changes.apply(batch, start + at)
            if len(changed):
                writer.append(Columns(changed, base.structure))
        return [part for part in writer.finish() if part.length]


def _chunks(table: Table, part: Part) -> Iterator[tuple[int, Batch]]:
    step = max(1, CHUNK_BYTES * part.length // max(1, part.size))
    for start in range(0, part.length, step):
        yield start, table.take(np.arange(start, min(start + step, part.length)))
