"""Loaders that need no framework: DataFlows, tables of Arrow, functions, whatever has a length and an order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import headrace as hr
from headrace.loaders.find import records_of
from tests.loaders.trip import check_all, check_trip

POINTS = [[np.full((2, 2), number, np.uint8), number, {"name": "n" * number}] for number in range(7)]


class Flow:
    """A DataFlow, as TensorPack documents it."""

    def __init__(self, points: list[Any]) -> None:
        self.points = points
        self.ready = False

    def reset_state(self) -> None:
        assert not self.ready, "it may be called once only"
        self.ready = True

    def __iter__(self) -> Iterator[Any]:
        assert self.ready
        return iter(self.points)

    def __len__(self) -> int:
        raise NotImplementedError


class Sized(Flow):
    def __len__(self) -> int:
        return len(self.points)


def test_components_of_a_data_flow_become_tuples(tmp_path: Path) -> None:
    check_trip(tmp_path, lambda: Flow(POINTS), [tuple(one) for one in POINTS], "(uint8[2, 2], int64, {name: string})")


def test_data_points_that_are_dicts_stay_dicts(tmp_path: Path) -> None:
    points = [{"x": number, "y": [1.5] * number} for number in range(7)]
    wanted = [{"x": one["x"], "y": np.array(one["y"], float)} for one in points]
    check_trip(tmp_path, lambda: Sized(points), wanted, "{x: int64, y: float64[?]}")
    assert (records_of(Sized(points)).rows, records_of(Flow(points)).rows) == (7, None)


TABLE = pa.table({"x": np.arange(7, dtype=np.int8), "s": list("abcdefg"), "r": [[1.0] * number for number in range(7)]})
ROWS = [{"x": np.int8(number), "s": "abcdefg"[number], "r": np.ones(number)} for number in range(7)]


class Frame:
    """What polars and others are to Arrow."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return TABLE.__arrow_c_stream__(requested_schema)


class Bag:
    """It has a length and an order, and no index."""

    def __len__(self) -> int:
        return len(ROWS)

    def __iter__(self) -> Iterator[Any]:
        return iter(ROWS)


def flowing(count: int = 7) -> Iterator[Any]:
    yield from ROWS[:count]


TABLES = {
    "a table": lambda: TABLE,
    "a stream of tables": lambda: pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches(max_chunksize=3)),
    "a frame that speaks Arrow": Frame,
    "a generator": flowing,
    "a function": lambda: flowing,
    "a function with its arguments": lambda: partial(flowing, 7),
    "a function that returns a Dataset": lambda: lambda: hr.Dataset(ROWS),
    "a function that returns a Stream": lambda: lambda: hr.Stream(flowing),
    "something with a length and an order": Bag,
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_tables_and_functions_are_records(tmp_path: Path, make: Any) -> None:
    store = hr.Store(tmp_path / "s")
    ds = store.submit(make(), "data", "1")
    assert list(ds.schema.fields) == ["x", "s", "r"]
    check_all(ds, ROWS)


def test_a_frame_of_polars_comes_back(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    check_trip(tmp_path, lambda: polars.from_arrow(TABLE), ROWS, "{x: int8, s: string, r: float64[?]}")


def test_batches_of_our_own_are_records_where_they_are_asked_for(tmp_path: Path) -> None:
    batches = hr.Dataset(x=np.arange(7), y=np.ones((7, 2))).batch(3)
    wanted = [{"x": np.arange(7)[at : at + 3], "y": np.ones((7, 2))[at : at + 3]} for at in (0, 3, 6)]
    check_trip(tmp_path / "a", lambda: batches, wanted, "{x: int64[?], y: float64[?, 2]}", batches=True)
    check_trip(tmp_path / "b", lambda: batches.stream(), wanted, "{x: int64[?], y: float64[?, 2]}", batches=True)
    store = hr.Store(tmp_path / "c")
    check_all(store.submit(lambda: batches, "data", "1", batches=True), wanted)
    for none in (hr.Dataset(range(3)), hr.Dataset(range(3)).stream(), [1, 2], {"x": [1]}, flowing()):
        with pytest.raises(hr.ArgumentError, match="batches=True"):
            hr.Store(tmp_path / "s").submit(none, "data", "1", batches=True)


def test_a_store_reads_objects_only_where_it_may(tmp_path: Path) -> None:
    rows = [{"x": None, "y": 1}, {"x": {1, 2}, "y": 2}]
    with pytest.raises(hr.SchemaError, match=r"record 0: column 'x': objects of type NoneType.*allow_pickle=True"):
        hr.Store(tmp_path / "s").submit(rows, "data", "1")
    assert hr.Store(tmp_path / "s", allow_pickle=True).submit(rows, "data", "1").list() == rows
    with pytest.raises(hr.StoreError, match=r"column 'x' holds pickled objects"):
        hr.Store(tmp_path / "s").fetch("data").list()
    assert hr.Store(tmp_path / "s").verify("data") == 1
