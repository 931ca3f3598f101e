"""Versions made of others, and what differs between two: a law each, and what cannot be meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr

ROWS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), unique_by=lambda row: row[0], max_size=25)


def table(rows: list[tuple[int, int]]) -> dict[str, Any]:
    """Return rows as columns of every kind: numbers, strings, ragged rows, nested ones."""
    return {
        "id": np.array([id for id, _ in rows], np.int64),
        "image": np.array([[value] * 4 for _, value in rows], np.uint8).reshape(len(rows), 2, 2),
        "text": np.array(["t" * value for _, value in rows], object),
        "words": hr.Ragged.from_rows([np.arange(value, dtype=np.int32) for _, value in rows])
        if rows
        else hr.Ragged.from_rows([np.zeros(0, np.int32)])[:0],
        "inner": hr.Batch({"value": np.array([value for _, value in rows], np.int32)}),
    }


@pytest.fixture
def store() -> Iterator[hr.Store]:
    with TemporaryDirectory() as folder:
        yield hr.Store(folder)


@settings(max_examples=25)
@given(ROWS, st.data())
def test_a_derived_version_is_the_base_with_its_changes(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    rows = [(0, 1), *[row for row in rows if row[0]]]  # at least one
    ids = [id for id, _ in rows]
    gone = data.draw(st.lists(st.sampled_from(ids), unique=True), "deleted")
    others = [id for id in ids if id not in gone]
    changed = data.draw(st.lists(st.sampled_from(others), unique=True) if others else st.just([]), "updated")
    new = data.draw(st.lists(st.integers(100, 110), unique=True), "appended")
    with TemporaryDirectory() as folder:
        store = hr.Store(folder)
        store.submit(table(rows), "data", "1", part_bytes=data.draw(st.integers(60, 2000)))
        made = store.derive(
            "data",
            "1",
            "2",
            append=table([(id, 2) for id in new]) if new else [],
            update=table([(id, 3) for id in changed]) if changed else None,
            delete=gone,
            key="id",
        )
        updated = dict.fromkeys(changed, 3)
        expected = [(id, updated.get(id, value)) for id, value in rows if id not in gone] + [(id, 2) for id in new]
        assert made.collect() == hr.Batch(table(expected)) if expected else len(made) == 0
        difference = store.diff("data", "1", "2", key="id")
        before = dict(rows)
        assert set(difference.added) == set(new) and set(difference.removed) == set(gone)
        assert set(difference.changed) == {id for id in changed if before[id] != 3}
        plain = store.diff("data", "1", "2")
        assert len(plain.added) - len(plain.removed) == len(expected) - len(rows)
        assert bool(plain) == (sorted(expected) != sorted(rows))
        assert store.verify() > 0


def test_parts_in_which_nothing_changes_are_shared_and_not_read(store: hr.Store) -> None:
    store.submit({"id": np.arange(1000), "x": np.random.default_rng(0).random(1000)}, "data", "1", part_bytes=1600)
    base = store.manifest("data", "1")
    assert len(base.parts) > 9
    store.derive("data", "1", "2", update={"id": [500], "x": [0.5]}, append={"id": [1000], "x": [1.0]}, key="id")
    made = store.manifest("data", "2")
    shared = {part.digest for part in base.parts} & {part.digest for part in made.parts}
    assert len(shared) == len(base.parts) - 1
    assert made.parents == (base.digest,) and store.log("data")[0].parents == ("1",)
    for digest in shared:  # what both share need not be read to tell what differs
        (store.path / "objects" / digest / "x.npy").chmod(0)
        (store.path / "objects" / digest / "x.npy").rename(store.path / "objects" / digest / "gone")
    with pytest.raises(hr.DamageError):
        store.fetch("data", "2")


def test_columns_that_an_update_lacks_stay_as_they_were(store: hr.Store) -> None:
    store.submit({"id": [1, 2], "x": [0.5, 1.5], "name": ["a", "b"]}, "data", "1")
    made = store.derive("data", "1", "2", update=[{"id": 2, "name": "new"}], key="id")
    assert made.list() == [{"id": 1, "x": 0.5, "name": "a"}, {"id": 2, "x": 1.5, "name": "new"}]


def test_a_diff_says_what_became_of_columns(store: hr.Store) -> None:
    store.submit({"id": [1, 2], "x": [1, 2], "old": [1, 2]}, "data", "1")
    store.submit({"id": [1, 2], "x": [1.0, 2.0], "new": ["a", "b"]}, "data", "2")
    found = store.diff("data", "1", "2", key="id")
    assert found.schema == (
        "column 'x' was int64, and is float64",
        "column 'old' is gone: int64",
        "column 'new' came: string",
    )
    assert not found.changed and found.unchanged == 2 and bool(found)
    assert repr(store.diff("data", "1", "1")) == "no difference: 2 records are the same"


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({}, hr.ArgumentError, "nothing to derive"),
        ({"update": {"id": [1], "x": [2.0]}}, hr.ArgumentError, "update needs a key"),
        ({"update": {"x": [2.0]}, "key": "id"}, hr.ColumnError, "no column 'id'"),
        ({"update": {"id": [9], "x": [2.0]}, "key": "id"}, hr.ColumnError, "has no 9: new records are appended"),
        ({"update": {"id": [1], "y": [2.0]}, "key": "id"}, hr.ColumnError, "no column 'y'"),
        ({"update": {"id": [1], "x": ["a"]}, "key": "id"}, hr.SchemaError, "x"),
        ({"update": {"id": [1, 1], "x": [1.0, 2.0]}, "key": "id"}, hr.ArgumentError, "record 1 is meant twice"),
        ({"update": {"id": [1], "x": [1.0]}, "delete": [1], "key": "id"}, hr.ArgumentError, "to be deleted"),
        ({"delete": [7]}, hr.ArgumentError, "no record 7 to delete: there are 3"),
        ({"delete": [1], "key": "x"}, hr.ColumnError, "a key is whole numbers"),
        ({"delete": [1], "key": "same"}, hr.ColumnError, "0 is there 3 times"),
        ({"append": {"id": [4], "x": [1.0]}}, hr.SchemaError, "expected columns"),
        (
            {"append": {"id": [4.5], "x": [1.0], "same": [0]}},
            hr.SchemaError,
            "column 'id': expected int64, got float64",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_and_makes_nothing(
    store: hr.Store, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    store.submit({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5], "same": [0, 0, 0]}, "data", "1")
    with pytest.raises(error, match=says):
        store.derive("data", "1", "2", **changes)
    assert store.versions("data") == ["1"] and store.gc(grace=0).parts == 0


def test_a_version_may_lose_all_its_records(store: hr.Store, tmp_path: Path) -> None:
    store.submit({"id": [1, 2], "x": [0.5, 1.5]}, "data", "1")
    assert len(store.derive("data", "1", "2", delete=[0, 1])) == 0
    assert store.diff("data", "1", "2").removed == (0, 1)
    assert store.derive("data", "2", "3", append={"id": [7], "x": [3.0]})[0] == {"id": 7, "x": 3.0}
