"""Versions as files of other tools: the same records, read by those tools."""

from __future__ import annotations

import gc
import hashlib
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import headrace as hr
from headrace.core.records import Columns
from headrace.stores.reader import Stored
from headrace.stores.versions import tars
from headrace.stores.versions.exporting import _blocks
from tests.stores.drawn import records

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = 70


def columns() -> dict[str, Any]:
    """Return a column of each kind."""
    draw = np.random.default_rng(7)
    return {
        "image": draw.integers(0, 255, (ROWS, 4, 3, 2), np.uint8),
        "vector": draw.normal(size=(ROWS, 5)).astype(np.float32),
        "flags": draw.integers(0, 2, (ROWS, 2, 2)).astype(bool),
        "label": np.arange(ROWS),
        "small": np.arange(ROWS).astype(np.int16),
        "big endian": np.arange(ROWS).astype(">i4"),
        "half": draw.normal(size=ROWS).astype(np.float16),
        "yes": np.arange(ROWS) % 2 == 0,
        "when": np.arange(ROWS).astype("datetime64[ms]"),
        "day": np.arange(ROWS).astype("datetime64[D]"),
        "for": np.arange(ROWS).astype("timedelta64[us]"),
        "text": [f"grüße {at}" * (at % 3) for at in range(ROWS)],
        "words": np.array([[f"a{at}", ""] for at in range(ROWS)], object),
        "fixed": np.array([f"u{at}" for at in range(ROWS)]),
        "raw": [bytes([at, 0, 255]) * (at % 4) for at in range(ROWS)],
        "uneven": hr.Ragged.from_rows([np.arange(at % 5, dtype=np.int32) for at in range(ROWS)]),
        "boxes": hr.Ragged.from_rows([np.full((at % 3, 4), at / 2) for at in range(ROWS)]),
        "meta": {"x": np.arange(ROWS) / 3, "deep": {"name": [str(at) for at in range(ROWS)]}},
        "pair": [(at, str(at)) for at in range(ROWS)],
    }


@pytest.fixture
def store(tmp_path: Path) -> hr.Store:
    made = hr.Store(tmp_path / "store")
    made.submit(columns(), "data", "1", part_bytes=3000)
    assert len(made.manifest("data", "1").parts) > 2
    return made


def read(path: Path, format: str) -> Any:
    if format == "arrow":
        with pyarrow.ipc.open_file(path) as file:
            return file.read_all()
    with parquet.ParquetFile(path) as file:
        return file.read()


def members_of(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_columnar_files_hold_the_same_records(store: hr.Store, tmp_path: Path, format: Any) -> None:
    path = tmp_path / "new folder" / "data.file"
    store.export("data", "1", path, format)
    found = hr.Batch.from_arrow(read(path, format))
    expected = hr.Batch(columns())
    assert list(found) == list(expected)
    for name in ("image", "vector", "flags", "label", "small", "half", "yes", "when", "day", "for"):
        assert found[name].dtype == expected[name].dtype, name
        np.testing.assert_array_equal(found[name], expected[name])
    np.testing.assert_array_equal(found["big endian"], expected["big endian"])
    for name in ("text", "fixed", "raw", "words"):
        assert [*map(list, found[name])] == [*map(list, expected[name])], name
    assert all(np.array_equal(a, b) for a, b in zip(found["uneven"], expected["uneven"], strict=True))
    schema = read(path, format).schema
    assert schema.field("image").type == pyarrow.fixed_shape_tensor(pyarrow.uint8(), (4, 3, 2))
    assert read(path, format).column("boxes").to_pylist() == [row.tolist() for row in expected["boxes"]]
    assert read(path, format).column("pair").to_pylist() == [{"0": at, "1": str(at)} for at in range(ROWS)]
    np.testing.assert_array_equal(found["meta"]["x"], expected["meta"]["x"])
    assert list(found["meta"]["deep"]["name"]) == columns()["meta"]["deep"]["name"]
    assert store.manifest("data", "1").fingerprint.encode() in schema.metadata[b"headrace"]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_tensors_need_no_torch_to_be_exported(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    store = hr.Store(tmp_path / "store")
    values = torch.arange(12.0).reshape(6, 2)
    store.submit({"x": values, "half": values.to(torch.bfloat16)}, "data", "1")
    store.export("data", "1", tmp_path / "data.parquet")
    found = hr.Batch.from_arrow(read(tmp_path / "data.parquet", "parquet"))
    np.testing.assert_array_equal(found["x"], values.numpy())
    np.testing.assert_array_equal(found["half"], values.numpy())
    store.export("data", "1", tmp_path / "tars", "webdataset")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # it leaves its files open
def test_webdataset_reads_the_shards(store: hr.Store, tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    store.export("data", "1", tmp_path / "out", "webdataset")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["out-000000.tar"]
    found = list(wds.WebDataset(str(tmp_path / "out" / "out-000000.tar"), shardshuffle=False).decode())
    gc.collect()
    assert [one["__key__"] for one in found] == [f"{at:08d}" for at in range(ROWS)]
    expected = hr.Batch(columns())
    for at, one in enumerate(found):
        assert (one["label.cls"], one["text.txt"]) == (at, expected["text"][at])
        assert (one["raw.bin"], one["fixed.txt"]) == (expected["raw"][at], expected["fixed"][at])
        assert one["words.json"] == list(expected["words"][at])
        assert (one["pair.0.cls"], one["pair.1.txt"], one["meta.deep.name.txt"]) == (at, str(at), str(at))
        for name in ("image", "vector", "flags", "half", "yes", "uneven", "boxes", "when"):
            assert one[f"{name}.npy"].dtype == expected[name].dtype
            np.testing.assert_array_equal(one[f"{name}.npy"], expected[name][at])


def test_shards_are_the_same_each_time_and_not_larger_than_said(store: hr.Store, tmp_path: Path) -> None:
    manifest = store.manifest("data", "1")
    seen = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        source = Stored(store._home.shelf, manifest)
        tars.write(folder, "shard", tars.members(manifest.layout), _blocks(source, None), 200_000)
        paths = sorted(folder.iterdir())
        assert len(paths) > 3
        assert all(path.stat().st_size <= 200_000 for path in paths)
        seen.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths])
        keys = [list(dict.fromkeys(name.partition(".")[0] for name in members_of(path))) for path in paths]
        assert [key for shard in keys for key in shard] == [f"{at:08d}" for at in range(ROWS)]  # none is cut in two
    assert seen[0] == seen[1]


@pytest.mark.parametrize("format", ["parquet", "arrow", "webdataset"])
def test_what_is_there_stays_unless_it_may_be_replaced(store: hr.Store, tmp_path: Path, format: Any) -> None:
    store.submit([1, 2, 3], "other", "1")
    path = tmp_path / "out"
    store.export("other", None, path, format)
    first = sorted(path.rglob("*")) or path.read_bytes()
    with pytest.raises(hr.ExistsError, match="replace=True"):
        store.export("other", "1", path, format)
    store.export("other", "1", path, format, replace=True, progress=False)
    assert (sorted(path.rglob("*")) or path.read_bytes()) == first
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "store"]


def test_a_folder_of_other_things_is_never_replaced(store: hr.Store, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    for format in ("parquet", "webdataset"):
        with pytest.raises(hr.StoreError, match=r"is a folder|holds 'thesis\.tex'"):
            store.export("data", "1", tmp_path / "mine", format, replace=True)
    (tmp_path / "file").touch()
    with pytest.raises(hr.StoreError, match="is a file"):
        store.export("data", "1", tmp_path / "file", "webdataset", replace=True)


REFUSED = {
    "complex": ({"z": np.zeros(3, complex)}, ["parquet", "arrow"], "column 'z': Arrow has no type for complex128"),
    "months": ({"m": np.zeros(3, "datetime64[M]")}, ["parquet"], r"column 'm': .*\('\[s\]'\) or finer"),
    "nothing in rows": ({"e": np.zeros((3, 0))}, ["parquet"], "column 'e': Parquet has no rows of shape"),
    "objects": ({"o": np.array([{1}, {2}], object)}, ["parquet", "arrow", "webdataset"], "column 'o': pickled"),
    "a long name": ({"n" * 120: np.zeros(3)}, ["webdataset"], "the name is too long for a tar file"),
    "no text": ({"s": ["\ud800"]}, ["parquet", "webdataset"], "no Unicode text"),
    "late days": ({"d": np.array([1 << 40], "datetime64[D]")}, ["arrow"], "column 'd': Arrow's days"),
}


@pytest.mark.parametrize(("data", "formats", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_format_cannot_hold_is_named_and_nothing_is_left(
    tmp_path: Path, data: Any, formats: list[Any], message: str
) -> None:
    store = hr.Store(tmp_path / "store", allow_pickle=True)
    store.submit(data, "data", "1")
    for format in formats:
        with pytest.raises(hr.SchemaError, match=message):
            store.export("data", "1", tmp_path / "out" / "x", format)
        assert not list(tmp_path.glob("out/*"))
        assert not list(tmp_path.glob("out/.*"))


@settings(max_examples=20)
@given(data=records())
def test_whatever_a_store_keeps_is_written_whole_or_refused(data: Columns) -> None:
    with TemporaryDirectory() as folder:
        store = hr.Store(Path(folder) / "store")
        store.submit(data.batch, "data", "1")
        for format in ("parquet", "arrow", "webdataset"):
            path = Path(folder) / format
            try:
                store.export("data", "1", path, format)
            except hr.SchemaError:
                assert not path.exists()
                continue
            if format == "webdataset":
                names = members_of(path / f"{format}-000000.tar")
                assert len(set(names)) == len(names)
            else:
                found = read(path, format)
                found.validate(full=True)
                assert (found.num_rows, found.column_names) == (len(data), list(data.batch._columns))


def test_a_damaged_part_leaves_nothing_behind(store: hr.Store, tmp_path: Path) -> None:
    damaged = sorted(store.path.glob("objects/*/image.npy"))[-1]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(hr.DamageError, match=r"image\.npy"):
        store.export("data", "1", tmp_path / "out" / "x")
    assert not list((tmp_path / "out").iterdir())


def test_no_records_are_fine_and_no_format_is_not(tmp_path: Path) -> None:
    store = hr.Store(tmp_path / "store")
    store.submit(hr.Batch({"x": np.zeros((0, 2))}), "none", "1")
    for format in ("parquet", "arrow", "webdataset"):
        store.export("none", "1", tmp_path / format, format)
    assert read(tmp_path / "parquet", "parquet").num_rows == read(tmp_path / "arrow", "arrow").num_rows == 0
    with pytest.raises(hr.ArgumentError, match="format must be one of 'parquet', 'arrow', 'webdataset'"):
        store.export("none", "1", tmp_path / "x", "csv")  # type: ignore[arg-type]
