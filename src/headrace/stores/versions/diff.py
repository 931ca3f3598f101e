"""What differs between two versions: records that came, went or changed, and columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import SchemaError
from headrace.stores.reader import Stored
from headrace.stores.versions.rows import Keys, digests

_SHOWN = 8


@dataclass(frozen=True)
class Diff:
    """What differs.

    Args:
        schema: A line for each column that came, went or changed its kind.
        added: Of the records that came the keys; without a key their positions in the second version.
        removed: Of those that went the keys; without a key their positions in the first version.
        changed: The keys of those that are in both, and differ in a column that both have; without a key none.
        unchanged: How many records are the same in both.
        key: The column that records are known by; None where they are compared as they are.
    """

    schema: tuple[str, ...]
    added: tuple[Any, ...]
    removed: tuple[Any, ...]
    changed: tuple[Any, ...]
    unchanged: int
    key: str | None = None

    def __bool__(self) -> bool:
        return bool(self.schema or self.added or self.removed or self.changed)

    def __repr__(self) -> str:
        if not self:
            return f"no difference: {self.unchanged:,} records are the same"
        what = "at" if self.key is None else self.key
        found = (("added", self.added), ("removed", self.removed), ("changed", self.changed))
        lines = [f"{len(values):,} {name}: {what} {_some(values)}" for name, values in found if values]
        return "\n".join((*self.schema, *lines, f"{self.unchanged:,} unchanged"))


def _some(values: tuple[Any, ...]) -> str:
    more = f", and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else ""
    return ", ".join(map(repr, values[:_SHOWN])) + more


def diff(a: Stored, b: Stored, key: str | None) -> Diff:
    """Compare two versions; parts that they share are not read, but for the key's column.

    Args:
        a: The first.
        b: The second.
        key: The column that tells records from each other; None to compare whole records, as often as they occur.

    Raises:
        ColumnError: The key is no column of both, or occurs twice.
        SchemaError: Nothing can be compared: the versions have no column in common.
    """
    old, new = a.manifest.layout.fields, b.manifest.layout.fields
    common = [name for name, layout in old.items() if new.get(name) == layout]
    schema = tuple(_schema_lines(a, b))
    if not common:
        raise SchemaError("the versions have no column in common:\n" + "\n".join(schema))
    if key is not None:
        return _by_key(a, b, key, common, schema)
    return _by_content(a, b, common, schema)


def _schema_lines(a: Stored, b: Stored) -> Iterator[str]:
    if a.structure != b.structure:
        yield f"records were {a.structure}s, and are {b.structure}s"
    old, new = a.manifest.layout.fields, b.manifest.layout.fields
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield f"column {name!r} is gone: {old[name]}"
        elif name not in old:
            yield f"column {name!r} came: {new[name]}"
        elif old[name] != new[name]:
            yield f"column {name!r} was {old[name]}, and is {new[name]}"


def _by_key(a: Stored, b: Stored, key: str, common: Iterable[str], schema: tuple[str, ...]) -> Diff:
    old, new = Keys(a, key), Keys(b, key)
    both = [value for value in old.values if value in new.place]
    at = np.array([old.place[value] for value in both], np.int64)
    to = np.array([new.place[value] for value in both], np.int64)
    differ = _differ(a, b, at, to, [name for name in common if name != key])
    changed = tuple(value for value, other in zip(both, differ.tolist(), strict=True) if other)
    added = tuple(value for value in new.values if value not in old.place)
    removed = tuple(value for value in old.values if value not in new.place)
    return Diff(schema, added, removed, changed, len(both) - len(changed), key)


def _differ(a: Stored, b: Stored, at: NDArray[np.int64], to: NDArray[np.int64], names: list[str]) -> NDArray[np.bool_]:
    """Say which of some rows of one version differ from rows of another."""
    same = _in_one_part(a, b, at, to)
    found = np.zeros(len(at), np.bool_)
    left = np.flatnonzero(~same)
    if len(left) and names:
        found[left] = _of_rows(a, at[left], names) != _of_rows(b, to[left], names)
    return found


def _in_one_part(a: Stored, b: Stored, at: NDArray[np.int64], to: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which rows are the very same: in a part that both versions have, at the same place."""
    parts_a, rows_a = a.places(at)
    parts_b, rows_b = b.places(to)
    numbers = {part.digest: number for number, part in enumerate(a.manifest.parts)}
    first = np.array([numbers[part.digest] for part in a.manifest.parts], np.int64)
    second = np.array([numbers.get(part.digest, -1) for part in b.manifest.parts], np.int64)
    same: NDArray[np.bool_] = (first[parts_a] == second[parts_b]) & (rows_a == rows_b)
    return same


def _of_rows(source: Stored, at: NDArray[np.int64], names: list[str]) -> NDArray[np.void]:
    """Return the digests of rows; whole parts are gone through, since what is compared is mostly much."""
    parts, rows = source.places(at)
    found = np.empty(len(at), "V16")
    for number in np.unique(parts).tolist():
        here = np.flatnonzero(parts == number)
        found[here] = digests(source.part(number), names)[rows[here]]
    return found


def _by_content(a: Stored, b: Stored, names: list[str], schema: tuple[str, ...]) -> Diff:
    """Compare records as often as they occur; parts that both versions have cancel out."""
    shared = Counter(part.digest for part in a.manifest.parts) & Counter(part.digest for part in b.manifest.parts)
    if names != list(a.manifest.layout.fields) or names != list(b.manifest.layout.fields):
        shared = Counter()  # what is the same in both may lie in different parts then
    old, new = list(_unshared(a, shared, names)), list(_unshared(b, shared, names))
    counted_old, counted_new = Counter(digest for digest, _ in old), Counter(digest for digest, _ in new)
    added = tuple(_beyond(new, counted_old))
    removed = tuple(_beyond(old, counted_new))
    return Diff(schema, added, removed, (), len(b) - len(added))


def _unshared(source: Stored, shared: Counter[str], names: list[str]) -> Iterator[tuple[bytes, int]]:
    """Yield digest and position of the records of all parts that are not shared."""
    left, start = shared.copy(), 0
    for number, part in enumerate(source.manifest.parts):
        if left[part.digest]:
            left[part.digest] -= 1
        else:
            found: list[bytes] = digests(source.part(number), names).tolist()
            yield from zip(found, range(start, start + part.length), strict=True)
        start += part.length


def _beyond(records: Iterable[tuple[bytes, int]], there: Counter[bytes]) -> Iterator[int]:
    """Yield the positions of records that occur more often than they are there."""
    left = there.copy()
    for digest, position in records:
        if left[digest]:
            left[digest] -= 1
        else:
            yield position
