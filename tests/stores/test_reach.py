"""Rows by the addresses of their parts are the rows that the parts give one by one."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.columns import same
from headrace.core.records import Columns, Records
from headrace.core.scattering import scattered
from headrace.stores.mapped import Dense, Table
from headrace.stores.reach import Reach
from headrace.stores.reader import Stored
from tests.stores.drawn import records
from tests.stores.test_reader import keep

KINDS = ["u1", "<i8", ">i4", "?", "<c16", "S3", "<U2", "M8[s]", "V5", "<i2,>f8", "(0,)f4", "(3,2)<f4", "(70000,)u1"]


def reach_of(parts: list[dict[str, NDArray[Any]]], most: int = 99) -> Reach:
    lengths = [len(next(iter(part.values()))) for part in parts]
    tables = [
        Table({name: Dense(column) for name, column in part.items()}, length)
        for part, length in zip(parts, lengths, strict=True)
    ]
    return Reach(np.cumsum([0, *lengths]), tables.__getitem__, most)


@given(st.data())
def test_rows_of_any_dtype_are_those_of_the_parts(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any))
    kinds = [np.dtype(kind) for kind in data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))]
    rng, total = np.random.default_rng(data.draw(st.integers(0, 9))), sum(lengths)
    bounds = np.cumsum(lengths)[:-1]
    whole = {}
    for number, kind in enumerate(kinds):
        shape, base = (total, *kind.shape), kind.base
        content = rng.integers(0, 2, int(np.prod(shape)) * base.itemsize, np.uint8)
        whole[str(number)] = np.ndarray(shape, base, np.ascontiguousarray(content))
    pieces = [dict(zip(whole, some, strict=True)) for some in zip(*(np.split(c, bounds) for c in whole.values()))]
    reach = reach_of(pieces, most=data.draw(st.integers(1, 6)))
    for _ in range(4):
        asked = np.array(data.draw(st.lists(st.integers(0, total - 1), max_size=20)), np.int64)
        got = reach.take(asked)
        assert list(got) == list(whole)
        for name, column in whole.items():
            assert got[name].dtype == column.dtype
            assert got[name].shape == (len(asked), *column.shape[1:])
            assert got[name].tobytes() == column[asked].tobytes()
            assert got[name].flags.writeable


@settings(max_examples=20)
@given(records().filter(len), st.data())
def test_what_is_open_reads_as_what_is_not(given: Records, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        stored = keep(Path(folder), [given], part_bytes=data.draw(st.sampled_from([1, 16, 64])))
        asked = np.array(data.draw(st.lists(st.integers(0, len(given) - 1), max_size=20)), np.int64)
        first = stored.read(asked)
        for _ in range(2):
            assert same(stored.read(asked), first)


def test_what_is_let_go_of_while_others_gather_stays_mapped(tmp_path: Path) -> None:
    stored = keep(tmp_path, [Columns(Batch({"x": np.arange(1000)}))], part_bytes=400)
    reach = Reach(stored._starts, stored.part, most=99)
    wrong: list[object] = []
    ended = threading.Event()

    def drop() -> None:
        while not ended.is_set():
            for number in range(20):
                reach._held.drop(number)

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(300):
            asked = rng.integers(0, 1000, 50)
            if (reach.take(asked)["x"] != asked).any():
                wrong.append(asked)

    dropping = threading.Thread(target=drop)
    reading = [threading.Thread(target=read, args=(seed,)) for seed in range(2)]
    for thread in (dropping, *reading):
        thread.start()
    for thread in reading:
        thread.join(60)
    ended.set()
    dropping.join(60)
    assert not wrong


def test_maps_end_with_the_reader(tmp_path: Path) -> None:
    stored: Stored = keep(tmp_path, [Columns(Batch({"x": np.arange(1000)}))], part_bytes=400)
    gc.collect()
    gc.disable()
    try:
        got = [stored.read(np.arange(1000)) for _ in range(2)]
        column = stored.part(3).columns["x"]
        assert isinstance(column, Dense)
        watched = weakref.ref(column.array)
        del stored, column
        assert watched() is None
        assert all((one["x"] == np.arange(1000)).all() for one in got)
    finally:
        gc.enable()


@pytest.mark.parametrize("names", [["x"], ["text"], ["x", "text"]])
def test_columns_that_are_made_of_what_lies_there_come_beside_the_others(tmp_path: Path, names: list[str]) -> None:
    columns = {"x": np.arange(100), "text": np.array([f"t{number}" for number in range(100)], object)}
    given = Batch({name: columns[name] for name in names})
    stored = keep(tmp_path, [Columns(given)], part_bytes=64)
    asked = np.random.default_rng(0).permutation(100)
    for _ in range(2):
        got = stored.read(asked)
        assert all(same(got[name], given[name][asked]) for name in names)


def test_parts_of_other_layouts_are_not_taken_for_the_same() -> None:
    reach = reach_of([{"x": np.arange(3, dtype=">i4")}, {"x": np.arange(3, dtype=">i4")[::-1]}])
    for _ in range(2):
        assert reach.take(np.array([0, 5, 3, 1]))["x"].tolist() == [0, 0, 2, 1]
    expected = scattered(
        [Batch({"x": np.arange(2)}), Batch({"x": np.arange(3.0)})], [np.array([1, 0]), np.array([2, 3, 4])]
    )
    mixed = reach_of([{"x": np.arange(2)}, {"x": np.arange(3.0)}])
    for _ in range(2):
        assert same(mixed.take(np.array([1, 0, 2, 3, 4]))["x"], expected["x"][[0, 1, 2, 3, 4]])
