"""Columns in memory or mapped, of every dtype and layout: read right, never changed, known by what they hold."""

from __future__ import annotations

import os
import pickle
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Batch, Dataset, Ragged
from headrace.core.columns import same, take
from headrace.core.source import Source
from headrace.formats.arrays import Arrays
from headrace.testing.sources import SourceTests
from headrace.workers import segments
from headrace.workers.shipping import Places, ship
from tests.core.some_columns import columns

N = 7
RNG = np.random.default_rng(0)
ARRAYS: dict[str, Any] = {
    "small ints": RNG.integers(0, 9, N).astype(np.int8),
    "float16": RNG.random((N, 3)).astype(np.float16),
    "complex": RNG.random(N) + 1j,
    "bool": RNG.random(N) > 0.5,
    "unicode": np.array([f"näme{at}" for at in range(N)]),
    "bytes": np.array([f"n{at}".encode() for at in range(N)]),
    "dates": np.datetime64("2020-01-01T00", "ns") + np.arange(N),
    "durations": np.arange(N).astype("m8[s]"),
    "the other byte order": np.arange(N * 2, dtype=">i4").reshape(N, 2),
    "structured": np.array([(at, at / 2) for at in range(N)], [("a", "i4"), ("b", "f8")]),
    "structured with objects": np.array([(at, str(at)) for at in range(N)], [("a", "i4"), ("b", object)]),
    "Fortran order": np.asfortranarray(RNG.random((N, 4))),
    "every second": RNG.random((N * 2, 3))[::2],
    "backwards": RNG.random((N, 3))[::-1],
    "transposed": RNG.random((3, N)).T,
    "broadcast": np.broadcast_to(np.arange(3), (N, 3)),
    "one value": np.broadcast_to(np.float32(2), (N,)),
    "rows of nothing": np.zeros((N, 0)),
    "rows of rows of nothing": np.zeros((N, 3, 0), np.int8),
    "objects": np.array([None, 1, "a", 2.5, (1,), {"k": 1}, b"x"], object),
    "arrays as objects": np.array([np.zeros((at, at)) for at in range(1, N + 1)], object),
    "large rows": RNG.random((N, 40_000)),
    "ragged": Ragged.from_rows([np.arange(at) for at in range(N)]),
    "part of a ragged": Ragged.from_rows([np.arange(at) for at in range(N + 4)])[2:-2],
    "nested": Batch({"inner": {"x": np.arange(N), "t": Ragged.from_rows([[at] for at in range(N)])}}),
    "read only": np.frombuffer(bytes(range(N)), np.uint8),
    "a subclass": np.arange(N).view(np.recarray),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("structure", ["mapping", "tuple", "value"])
def test_a_batch_holds_the_rows_of_the_column_and_writing_to_it_changes_nothing(name: str, structure: str) -> None:
    column = ARRAYS[name]
    before = Dataset(x=column).collect()["x"]
    ds = {
        "mapping": lambda: Dataset(x=column),
        "tuple": lambda: Dataset(column, np.arange(N)),
        "value": lambda: Dataset(column) if not isinstance(column, Batch) else Dataset(value=column),
    }[structure]()
    if name.startswith("structured") and structure == "value":
        return  # a structured array alone is columns
    ds = ds.shuffle(0)
    for epoch in range(2):
        for step, batch in enumerate(ds.batch(3).stream()):
            found = batch if structure == "value" and not isinstance(batch, Batch) else next(iter(_columns(batch)))
            assert same(found, take(before, ds.batch(3).indices(step)))
            overwrite(found)
        for record in ds:
            overwrite(record)
        overwrite(ds[epoch])
    assert same(Dataset(x=column).collect()["x"], before)


def _columns(batch: Any) -> Any:
    return batch.values() if isinstance(batch, Batch) else batch


def overwrite(value: Any) -> None:
    """Write into all arrays of a batch, a column or a record."""
    if isinstance(value, Batch | dict):
        for inner in value.values():
            overwrite(inner)
    elif isinstance(value, Ragged):
        overwrite(value.values)
    elif isinstance(value, tuple | list):
        for inner in value:
            overwrite(inner)
    elif isinstance(value, np.ndarray):
        assert value.flags.writeable
        if value.dtype == object:
            for inner in value.ravel():
                overwrite(inner)
        value[...] = np.zeros((), value.dtype)


@given(data=st.data(), rows=st.integers(0, 6))
def test_columns_of_any_kind_are_gathered_as_they_are(data: st.DataObject, rows: int) -> None:
    column = data.draw(columns(rows))
    other = data.draw(columns(rows))
    ds = Dataset(x=column, y=other)
    assert ds.collect() == Batch({"x": column, "y": other})
    if rows:
        chosen = np.array(data.draw(st.lists(st.integers(0, rows - 1), min_size=1)), np.int64)
        batch = ds[chosen].batch(len(chosen))[0]
        assert batch == Batch({"x": column, "y": other}).take(chosen)
        assert ds.batch(4).schema is not None


class TestArrays(SourceTests):
    @pytest.fixture
    def source(self) -> Source:
        simple = {
            name: column
            for name, column in ARRAYS.items()
            if not isinstance(column, Batch)
            and column.dtype.kind not in "OV"
            and name != "the other byte order"  # which NumPy's pickle turns into the machine's own
        }
        return Arrays.of({**simple, "nested": ARRAYS["nested"]})


class TestTuples(SourceTests):
    @pytest.fixture
    def source(self) -> Source:
        return Arrays.of({"0": np.arange(5), "1": np.zeros((5, 2))}, "tuple")


class TestValues(SourceTests):
    @pytest.fixture
    def source(self) -> Source:
        return Arrays.of({"value": np.arange(5)}, "value")


# Identity


@pytest.mark.parametrize("name", [name for name in ARRAYS if name != "broadcast"])
def test_the_same_content_has_the_same_fingerprint_and_other_content_another(name: str) -> None:
    column = ARRAYS[name]
    first = Arrays.of({"x": column}).fingerprint()
    assert Arrays.of({"x": column}).fingerprint() == first
    assert Arrays.of({"y": column}).fingerprint() != first
    longer = Batch({"x": column}).take([*range(N), 0])
    assert Arrays.of({"x": longer["x"]}).fingerprint() != first


def test_one_changed_value_is_seen_in_columns_of_up_to_4_mb() -> None:
    for column in (np.zeros(500_000), [{"a": 1}] * 10, ["a"] * 10, Ragged.from_rows([[1, 2], [3]])):
        first = Arrays.of({"x": column}).fingerprint()
        changed: Any = column
        if isinstance(column, np.ndarray):
            changed = column.copy()
            changed[123_456] = 1
        elif isinstance(column, Ragged):
            changed = Ragged.from_rows([[1, 2], [4]])
        else:
            changed = [*column[:-1], {"a": 2} if isinstance(column[0], dict) else "b"]
        assert Arrays.of({"x": changed}).fingerprint() != first


# Mapped files


def test_a_mapped_file_is_known_however_deep_it_lies(tmp_path: Path) -> None:
    names = ["dense", "values", "nested", "viewed"]
    for name in names:
        np.save(tmp_path / f"{name}.npy", np.arange(6))
    mapped = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in names}
    source = Arrays.of(
        {
            "dense": mapped["dense"],
            "ragged": Ragged(mapped["values"], np.arange(7)),
            "nested": {"inner": mapped["nested"]},
            "viewed": mapped["viewed"].reshape(6, 1)[:, ::-1].view(np.uint64),
            "memory": np.arange(6),
        }
    )
    assert sorted(source.files()) == sorted(str(tmp_path / f"{name}.npy") for name in names)
    before = source.files()[str(tmp_path / "dense.npy")]
    os.utime(tmp_path / "dense.npy", ns=(1, 1))
    assert source.files()[str(tmp_path / "dense.npy")] != before


def test_a_mapped_array_is_read_only_where_it_lies_and_writable_in_a_batch(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(40.0).reshape(10, 4))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    ds = Dataset(x=mapped).shuffle(0)
    for batch in ds.batch(4).stream(epochs=2):
        np.add(batch["x"], 1, out=batch["x"])
        assert type(batch["x"]) is np.ndarray
    ds[0]["x"][:] = 7
    assert (mapped == np.arange(40.0).reshape(10, 4)).all()
    assert not mapped.flags.writeable


class TestShared:
    """Columns that were moved to memory which processes share."""

    def columns(self) -> dict[str, Any]:
        large = RNG.random((900, 200))
        return {
            "x": large,
            "big-endian": np.arange(900 * 300, dtype=">i4").reshape(900, 300),
            "turned": RNG.random((200, 900)).T,
            "read only": np.frombuffer(large.tobytes(), "i8").reshape(900, -1),
            "text": [str(at) for at in range(900)],
            "ragged": Ragged.from_rows([np.arange(at) for at in range(900)]),
            "part": Ragged.from_rows([np.arange(at) for at in range(1000)])[50:-50],
            "nested": {"inner": RNG.random((900, 300))[:, ::2], "small": np.arange(900)},
        }

    def test_it_reads_the_same_and_is_known_by_the_same_fingerprint(self) -> None:
        columns = self.columns()
        source, other = Arrays.of(columns), Arrays.of(columns)
        source.share(Places())
        assert source.fingerprint() == other.fingerprint()
        indices = RNG.integers(0, 900, 400)
        read, expected = source.read(indices), other.read(indices)
        assert read == expected and source.batch == other.batch
        assert source.batch["big-endian"].dtype.str == ">i4"
        assert not source.batch["read only"].flags.writeable
        large = [source.batch["x"], source.batch["ragged"].values, source.batch["nested"]["inner"]]
        assert all(segments.find(column) is not None for column in large)

    def test_it_is_the_only_holder_of_its_memory(self) -> None:
        array = RNG.random((900, 200))
        ended = weakref.ref(array)
        source = Arrays.of({"x": array})
        del array
        source.share(Places())
        assert ended() is None

    def test_sharing_twice_moves_nothing(self) -> None:
        source = Arrays.of(self.columns())
        source.share(Places())
        before = source.batch["x"]
        source.share(Places())
        assert source.batch["x"] is before

    def test_mapped_columns_stay_mapped(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", RNG.random((900, 200)))
        source = Arrays.of({"x": np.load(tmp_path / "x.npy", mmap_mode="r")})
        source.share(Places())
        assert list(source.files()) == [str(tmp_path / "x.npy")]

    def test_it_is_pickled_by_value_elsewhere(self) -> None:
        source = Arrays.of(self.columns())
        before = pickle.loads(pickle.dumps(source))
        source.share(Places())
        assert pickle.loads(pickle.dumps(source)).batch == before.batch

    @pytest.mark.torch
    def test_tensors_are_shared_too(self) -> None:
        torch = pytest.importorskip("torch")
        columns = {"t": torch.rand(900, 400), "b": torch.rand(900, 800).bfloat16(), "small": torch.arange(900)}
        source = Arrays.of(columns)
        expected = Arrays.of(columns).batch
        source.share(Places())
        assert source.batch == expected
        assert source.batch["t"].data_ptr() != columns["t"].data_ptr()
        assert source.batch["b"].data_ptr() != columns["b"].data_ptr()
        assert len(ship(source).payload) < 20_000
