"""The store as its user sees it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import headrace as hr
from headrace.core.columns import same
from headrace.core.records import wrap

IMAGES = np.random.default_rng(0).integers(0, 255, (100, 8, 8, 3), np.uint8)
LABELS = np.arange(100) % 10
ROWS = [{"image": IMAGES[number], "label": int(LABELS[number])} for number in range(100)]
TUPLES = [(IMAGES[number], int(LABELS[number])) for number in range(100)]


@pytest.fixture
def store(tmp_path: Path) -> hr.Store:
    return hr.Store(tmp_path / "store")


def generate() -> Iterator[dict[str, Any]]:
    yield from ROWS


def batches() -> Iterator[hr.Batch]:
    for start in range(0, 100, 30):
        yield hr.Batch({"image": IMAGES[start : start + 30], "label": LABELS[start : start + 30]})


class Squares:
    """A source."""

    def __len__(self) -> int:
        return 100

    def read(self, indices: Any) -> dict[str, Any]:
        return {"image": IMAGES[indices], "label": LABELS[indices]}


MAPPINGS: dict[str, Callable[[], Any]] = {
    "a Dataset": lambda: hr.Dataset(image=IMAGES, label=LABELS),
    "a mapped Dataset": lambda: hr.Dataset(image=IMAGES, label=LABELS).map(lambda record: dict(record)),
    "a Dataset of batches": lambda: hr.Dataset(image=IMAGES, label=LABELS).batch(32),
    "a Dataset of mapped batches": lambda: hr.Dataset(image=IMAGES, label=LABELS).batch(32).map(lambda batch: batch),
    "a Dataset of a source": lambda: hr.Dataset(Squares()),
    "a source": Squares,
    "a filtered Dataset": lambda: hr.Dataset(image=IMAGES, label=LABELS).filter(lambda record: True),
    "a sliced Dataset": lambda: hr.Dataset(image=IMAGES, label=LABELS)[::-1][::-1],
    "a Stream": lambda: hr.Stream(ROWS),
    "a Stream of a generator function": lambda: hr.Stream(generate),
    "a Stream of a Dataset": lambda: hr.Dataset(image=IMAGES, label=LABELS).stream(),
    "a Stream of a Dataset's batches": lambda: hr.Dataset(image=IMAGES, label=LABELS).batch(16).stream(),
    "a Stream of batches": lambda: hr.Stream(ROWS).batch(16),
    "a Stream of batches taken apart": lambda: hr.Stream(ROWS).batch(16).unbatch(),
    "a mapping of columns": lambda: {"image": IMAGES, "label": LABELS},
    "a Batch": lambda: hr.Batch({"image": IMAGES, "label": LABELS}),
    "a list of records": lambda: ROWS,
    "a generator": generate,
    "a generator function": lambda: generate,
    "a generator of Batches": batches,
    "an iterator": lambda: iter(ROWS),
}
TUPLED: dict[str, Callable[[], Any]] = {
    "a tuple of columns": lambda: (IMAGES, LABELS),
    "a Dataset": lambda: hr.Dataset(IMAGES, LABELS),
    "a Dataset of batches": lambda: hr.Dataset(IMAGES, LABELS).batch(7),
    "a Stream": lambda: hr.Stream(TUPLES),
    "a Stream of batches": lambda: hr.Stream(TUPLES).batch(7),
    "a list": lambda: TUPLES,
    "a generator": lambda: (record for record in TUPLES),
}
VALUES: dict[str, Callable[[], Any]] = {
    "an array": lambda: LABELS,
    "a list": lambda: LABELS.tolist(),
    "a Dataset": lambda: hr.Dataset(LABELS),
    "a Dataset of batches": lambda: hr.Dataset(LABELS).batch(7),
    "a generator": lambda: (label for label in LABELS.tolist()),
    "a Stream of batches": lambda: hr.Stream(LABELS.tolist()).batch(7, drop_remainder=False),
}


@pytest.mark.parametrize("make", MAPPINGS.values(), ids=MAPPINGS)
@pytest.mark.parametrize("part_bytes", [None, 5000])
def test_mappings_come_back_whatever_they_came_in(
    store: hr.Store, make: Callable[[], Any], part_bytes: int | None
) -> None:
    written = store.submit(make(), "data", "1", part_bytes=part_bytes)
    expected = hr.Batch({"image": IMAGES, "label": LABELS})
    assert len(written) == 100
    assert same(written.collect(), expected)
    assert same(store.fetch("data", "1").collect(), expected)
    assert str(store.fetch("data").schema) == "{image: uint8[8, 8, 3], label: int64}"


@pytest.mark.parametrize("make", TUPLED.values(), ids=TUPLED)
def test_tuples_come_back_as_tuples(store: hr.Store, make: Callable[[], Any]) -> None:
    image, label = store.submit(make(), "data", "1").collect()
    assert same(image, IMAGES)
    assert same(label, LABELS)
    assert store.fetch("data").batch(3)[0][1].tolist() == [0, 1, 2]


@pytest.mark.parametrize("make", VALUES.values(), ids=VALUES)
def test_values_come_back_as_values(store: hr.Store, make: Callable[[], Any]) -> None:
    assert same(store.submit(make(), "data", "1").collect(), LABELS)
    assert store.fetch("data")[13] == 3


def test_a_frame_comes_back_with_its_columns(store: hr.Store) -> None:
    frame = pd.DataFrame(
        {"x": [1.5, 2.5], "n": np.array([1, 2], np.int32), "s": ["a", "b"], "t": pd.to_datetime([0, 1])}
    )
    read = store.submit(frame, "data", "1").collect()
    assert same(read, hr.Batch.from_pandas(frame))


def test_nested_records_come_back_nested(store: hr.Store) -> None:
    rows = [{"a": {"b": {"c": number}, "text": "x" * number}, "v": [1.0] * number} for number in range(5)]
    assert store.submit(rows, "data", "1")[3]["a"] == {"b": {"c": 3}, "text": "xxx"}
    assert store.fetch("data")[4]["v"].tolist() == [1.0] * 4


def test_padded_batches_of_different_lengths_become_ragged(store: hr.Store) -> None:
    ds = hr.Dataset([{"text": [1] * length} for length in (1, 2, 3, 4)]).batch(2, pad=0)
    assert [row["text"].tolist() for row in store.submit(ds, "data", "1")] == [
        [1, 0],
        [1, 1],
        [1, 1, 1, 0],
        [1, 1, 1, 1],
    ]


@pytest.mark.parametrize(
    "data",
    [
        lambda: hr.Dataset(x=np.zeros((0, 3), np.float32)),
        lambda: hr.Dataset(x=np.zeros((5, 3), np.float32)).take(0),
        lambda: hr.Dataset(x=np.zeros((5, 3), np.float32)).filter(lambda record: False),
        lambda: {"x": np.zeros((0, 3), np.float32)},
    ],
)
def test_no_records_are_fine_and_keep_their_columns(store: hr.Store, data: Callable[[], Any]) -> None:
    store.submit(data(), "data", "1")
    assert len(store.fetch("data")) == 0
    assert str(store.fetch("data").schema) == "{x: float32[3]}"
    assert list(store.fetch("data").batch(3)) == []


def test_nothing_but_a_length_of_zero_is_fine_too(store: hr.Store) -> None:
    assert len(store.submit(iter(()), "data", "1")) == 0
    assert list(store.fetch("data").shuffle(seed=0)) == []
    assert store.verify() == 0


def test_items_of_no_size_are_kept(store: hr.Store) -> None:
    read = (
        store.submit({"x": np.zeros((4, 0, 3), np.int16), "y": np.arange(4)}, "data", "1").shuffle(seed=0).batch(4)[0]
    )
    assert read["x"].shape == (4, 0, 3)
    assert read["x"].dtype == np.int16


def test_more_than_a_block_of_records_is_written_in_order(store: hr.Store) -> None:
    numbers = list(range(5000))
    written = store.submit(({"n": number, "s": str(number)} for number in numbers), "data", "1")
    assert written.collect()["n"].tolist() == numbers
    assert written.collect()["s"].tolist() == list(map(str, numbers))
    assert store.submit(hr.Dataset(numbers).map(lambda n: n * 2), "data", "2").list() == [n * 2 for n in numbers]


def test_a_shuffled_dataset_is_written_in_the_order_of_epoch_0(store: hr.Store) -> None:
    ds = hr.Dataset(range(50)).shuffle(seed=3)
    assert store.submit(ds, "data", "1").list() == list(ds)


def test_what_was_fetched_is_shuffled_and_resumed_like_any_other(store: hr.Store) -> None:
    store.submit({"image": IMAGES, "label": LABELS}, "data", "1")
    stream = store.fetch("data").shuffle(seed=0).batch(8).stream(epochs=2)
    it = iter(stream)
    for _ in range(9):
        next(it)
    state, rest = it.state_dict(), [batch["label"].tolist() for batch in it]
    again = iter(hr.Store(store.path).fetch("data").shuffle(seed=0).batch(8).stream(epochs=2))
    again.load_state_dict(state)
    assert [batch["label"].tolist() for batch in again] == rest


def test_a_state_of_other_data_under_the_same_name_is_refused(store: hr.Store) -> None:
    it = iter(store.submit({"x": LABELS}, "data", "1").stream())
    state = it.state_dict()
    store.submit({"x": LABELS}, "data", "1", replace=True)
    iter(store.fetch("data").stream()).load_state_dict(state)  # the same content, written once more
    store.submit({"x": LABELS + 1}, "data", "1", replace=True)
    with pytest.raises(hr.StateError):
        iter(store.fetch("data").stream()).load_state_dict(state)


def test_a_dataset_travels_to_another_process_as_a_path(store: hr.Store) -> None:
    ds = store.submit({"image": IMAGES}, "data", "1").shuffle(seed=0)
    travelling = pickle.dumps(ds)
    assert len(travelling) < 4000
    assert same(pickle.loads(travelling).collect(), ds.collect())


def test_who_has_fetched_reads_on_when_the_name_moves(store: hr.Store) -> None:
    store.submit([1, 2, 3], "data", "1")
    before, opened = store.fetch("data"), store.fetch("data")
    assert list(opened) == [1, 2, 3]
    store.submit([4], "data", "1", replace=True)
    assert list(before) == [1, 2, 3]
    assert list(store.fetch("data", "1")) == [4]
    store.delete("data", "1")
    assert list(opened) == [1, 2, 3]
    with pytest.raises(hr.NotFoundError, match=r"version '1' of 'data' was deleted from .* after it was fetched"):
        list(pickle.loads(pickle.dumps(before)))


def test_versions_and_ids_are_listed(store: hr.Store) -> None:
    assert (store.ids(), store.versions("data")) == ([], [])
    for id, version in (("b", "10"), ("b", "9"), ("ä ö", "1")):
        store.submit([1], id, version)
    assert store.ids() == ["b", "ä ö"]
    assert store.versions("b") == ["10", "9"]
    assert store.manifest("b").version == "9"
    assert store.fetch("b").list() == [1]


def test_the_manifest_tells_what_there_is(store: hr.Store) -> None:
    store.submit({"image": IMAGES, "label": LABELS}, "data", "1", part_bytes=10_000)
    about = store.manifest("data", "1")
    assert (about.id, about.version, about.length, about.structure) == ("data", "1", 100, "mapping")
    assert about.size >= IMAGES.nbytes + LABELS.nbytes
    assert len(about.parts) > 1
    assert about.headrace == hr.__version__
    assert about.numpy == np.__version__
    assert about.created.endswith("+00:00")


def test_a_version_is_not_written_over(store: hr.Store) -> None:
    store.submit([1], "data", "1")
    started = []

    def records() -> Iterator[int]:
        started.append(True)
        yield 2

    with pytest.raises(hr.ExistsError, match="replace=True"):
        store.submit(records(), "data", "1")
    assert not started, "it is refused before anything is read"
    assert store.fetch("data").list() == [1]


BAD_NAMES = ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a\0b", "x" * 201, " "]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_would_leave_the_folder_are_refused_everywhere(store: hr.Store, name: str) -> None:
    for act in (
        lambda: store.submit([1], name, "1"),
        lambda: store.submit([1], "data", name),
        lambda: store.fetch(name),
        lambda: store.fetch("data", name),
        lambda: store.versions(name),
        lambda: store.manifest(name),
        lambda: store.verify(name),
        lambda: store.verify("data", name),
        lambda: store.delete(name, "1"),
        lambda: store.delete("data", name),
        lambda: store.cacheable(name, "1"),
        lambda: store.cacheable("data", name),
    ):
        with pytest.raises(hr.ArgumentError):
            act()
    assert not store.path.exists()


def test_a_function_that_was_cached_is_called_once(store: hr.Store) -> None:
    calls = []

    @store.cacheable("squares", "1.0")
    def squares(up_to: int) -> dict[str, Any]:
        """Squares."""
        calls.append(up_to)
        return {"square": np.arange(up_to) ** 2}

    assert squares(5).collect()["square"].tolist() == [0, 1, 4, 9, 16]
    assert squares(5)[4] == {"square": 16}
    assert hr.Store(store.path).cacheable("squares", "1.0")(squares)(5)[3] == {"square": 9}
    assert calls == [5]
    assert (squares.__name__, squares.__doc__) == ("squares", "Squares.")


def test_of_builders_that_race_one_builds_and_all_fetch_it(store: hr.Store) -> None:
    start = threading.Barrier(4)
    built: list[int] = []

    def build(number: int) -> int:
        @store.cacheable("data", "1")
        def made() -> list[int]:
            built.append(number)
            return [number]

        start.wait(20)
        found: int = made()[0]
        return found

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(build, range(4))) == set(built) and len(built) == 1


@pytest.mark.parametrize("url", ["store", "memory://tags"])
def test_a_version_does_not_take_the_name_of_a_tag(url: str, tmp_path: Path) -> None:
    store = hr.Store(url if "://" in url else tmp_path / url)
    store.submit([1, 2], "data", "1")
    store.tag("data", "1", "best")
    for replace in (False, True):
        with pytest.raises(hr.ExistsError, match=r"'best' is a tag of 'data', which names version '1'.*untag"):
            store.submit([3], "data", "best", replace=replace)
    assert store.fetch("data", "best").list() == [1, 2]


def test_an_error_in_the_builder_is_its_own_and_publishes_nothing(store: hr.Store) -> None:
    @store.cacheable("data", "1")
    def broken() -> Iterator[int]:
        yield 1
        raise FileNotFoundError("raw.csv")

    with pytest.raises(FileNotFoundError, match=r"raw\.csv") as caught:
        broken()
    assert not isinstance(caught.value, hr.StoreError)
    assert store.ids() == []
    assert os.listdir(store.path / "tmp") == []


def test_a_map_that_fails_names_the_record_and_publishes_nothing(store: hr.Store) -> None:
    def broken(value: int) -> float:
        return 1 / (value - 70)

    with pytest.raises(hr.RecordError, match="70") as caught:
        store.submit(hr.Dataset(range(100)).map(broken), "data", "1")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert store.ids() == []


def test_a_schema_that_changes_in_the_middle_names_record_and_column(store: hr.Store) -> None:
    def records() -> Iterator[dict[str, Any]]:
        for number in range(3000):
            yield {"x": number if number < 2500 else "many"}

    with pytest.raises(hr.SchemaError, match="record 2500: column 'x': expected int64, got string"):
        store.submit(records(), "data", "1")
    assert store.ids() == []
    assert os.listdir(store.path / "tmp") == []
    assert os.listdir(store.path / "objects") == []


def test_data_without_end_is_refused(store: hr.Store) -> None:
    for data in (hr.Dataset(range(3)).repeat(), hr.Stream([1]).repeat(), hr.Dataset(range(3)).stream(epochs=None)):
        with pytest.raises(hr.EndlessError, match=r"take\(n\)"):
            store.submit(data, "data", "1")


@pytest.mark.parametrize("data", ["text", b"bytes", {1, 2}, None, 3, list, (), {}])
def test_what_is_no_data_is_refused(store: hr.Store, data: Any) -> None:
    with pytest.raises(hr.ArgumentError):
        store.submit(data, "data", "1")
    assert not store.path.exists()


def test_damage_is_found_and_all_of_it_listed(store: hr.Store) -> None:
    for number in range(4):
        store.submit({"x": np.arange(1000) + number, "y": np.arange(1000) * number}, "data", str(number))
    store.submit([1], "other", "1")
    assert store.verify() == 5
    assert store.verify("data") == 4
    assert store.verify("data", "2") == 1

    def file(version: str, name: str) -> Path:
        (part,) = store.manifest("data", version).parts
        return store.path / "objects" / part.digest / name

    flipped = bytearray(file("0", "x.npy").read_bytes())
    flipped[4000] ^= 1
    file("0", "x.npy").write_bytes(flipped)
    file("1", "y.npy").write_bytes(file("1", "y.npy").read_bytes()[:-1])
    file("2", "x.npy").unlink()
    with pytest.raises(hr.DamageError) as caught:
        store.verify()
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("3 damaged")
    assert sorted(lines) == sorted(
        [
            f"{file('0', 'x.npy')} has another content: its SHA-256 is not "
            f"{store.manifest('data', '0').parts[0].files['x.npy'].sha256}",
            f"{file('1', 'y.npy')} has 8127 bytes, expected 8128",
            f"{file('2', 'x.npy')} is missing",
        ]
    )
    assert store.verify("other") == store.verify("data", "3") == 1
    assert store.fetch("data", "3")[5] == {"x": 8, "y": 15}
    with pytest.raises(hr.DamageError, match=r"y\.npy has 8127 bytes, expected 8128"):
        store.fetch("data", "1")


def test_the_files_are_what_anyone_can_open(store: hr.Store) -> None:
    store.submit({"image": IMAGES, "text": hr.Ragged.from_rows([[1], [2, 3]] * 50), "name": ["a", "bc"] * 50}, "d", "1")
    (part,) = (store.path / "objects").iterdir()
    mapped = np.load(part / "image.npy", mmap_mode="r")
    assert (mapped == IMAGES).all()
    offsets, values = np.load(part / "text.offsets.npy"), np.load(part / "text.values.npy")
    assert values[offsets[1] : offsets[2]].tolist() == [2, 3]
    assert bytes(np.load(part / "name.values.npy")[:3]) == b"abc"


def test_a_store_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(hr.StoreError, match="file is a file, and a store is a folder"):
        hr.Store(tmp_path / "file")
    with pytest.raises(hr.StoreError, match="cannot write to"):
        hr.Store(tmp_path / "file" / "below").submit([1], "data", "1")
    with pytest.raises(hr.ArgumentError, match=r"no addresses s4://.* Did you mean s3://"):
        hr.Store("s4://bucket/prefix")
    with pytest.raises(hr.ArgumentError, match=r"no address: write a folder, or what it is of, such as s3://x"):
        hr.Store("://x")
    assert hr.Store("FILE:///a%20b").path == Path("/a b")
    for nothing in ("", None, 3, b"x"):
        with pytest.raises(hr.ArgumentError):
            hr.Store(nothing)  # type: ignore[arg-type]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hr.Store("~/data").path == tmp_path / "data"
    monkeypatch.chdir(tmp_path)
    assert hr.Store("data").path == tmp_path / "data"
    assert repr(hr.Store("data")) == f"Store({str(tmp_path / 'data')!r})"
    assert not (tmp_path / "data").exists(), "a store that was only looked at is not made"


def test_a_store_that_is_not_there_has_nothing(store: hr.Store) -> None:
    with pytest.raises(hr.NotFoundError, match=r"no dataset 'data' in .*, which has no datasets"):
        store.fetch("data")
    assert store.verify() == 0
    with pytest.raises(hr.NotFoundError):
        store.delete("data", "1")
    with pytest.raises(hr.ArgumentError, match="of which dataset"):
        store.verify(version="1")


def test_progress_is_shown_where_it_is_asked_for(store: hr.Store, capsys: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    store.submit({"image": IMAGES}, "data", "1", progress=True)
    shown = capsys.readouterr().err
    assert "data 1: 100%" in shown
    assert "100/100" in shown
    store.submit(generate(), "data", "2", progress=True)
    assert "100 records" in capsys.readouterr().err
    store.submit(generate(), "data", "3")
    assert capsys.readouterr().err == ""
    assert threading.active_count() == before


def test_more_than_fits_in_memory_is_written_and_read(tmp_path: Path) -> None:
    program = r"""
import re, sys
import numpy as np
import headrace as hr

def records():
    for number in range(300):
        yield {"x": np.full(1 << 20, number % 256, np.uint8), "n": number}

store = hr.Store(sys.argv[1])
ds = store.submit(hr.Stream(records), "data", "1")
peak = re.search(r"VmHWM:\s*(\d+) kB", open("/proc/self/status").read())[1]
assert ds[299]["x"][-1] == 299 % 256
print(peak)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "s")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 200 * 1024, "300 MB were written, with less than 200 MB at any time"


def test_a_writer_killed_at_any_record_leaves_nothing_that_a_reader_sees(store: hr.Store) -> None:
    store.submit([1, 2], "data", "1")
    program = """
import os, signal, sys
import headrace as hr

def records(last):
    for number in range(5000):
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"x": number}

hr.Store(sys.argv[1]).submit(records(int(sys.argv[2])), "data", "2")
"""
    for last in (0, 1, 1024, 3333, 4999):
        done = subprocess.run([sys.executable, "-c", program, str(store.path), str(last)])
        assert done.returncode == -signal.SIGKILL
        assert store.versions("data") == ["1"]
        assert store.fetch("data").list() == [1, 2]
        assert store.verify() == 1
        assert len(os.listdir(store.path / "tmp")) == 1
    store.submit([3], "data", "2")
    assert os.listdir(store.path / "tmp") == []
    assert len(os.listdir(store.path / "objects")) == 2


def test_an_interrupt_leaves_nothing(store: hr.Store) -> None:
    def records() -> Iterator[int]:
        yield from range(2000)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.submit(records(), "data", "1")
    assert os.listdir(store.path / "tmp") == os.listdir(store.path / "objects") == store.ids() == []


def test_columns_of_any_name_are_kept(store: hr.Store) -> None:
    names = ["a", "A", "a.values", "../up", "/root", ".", "..", "con", "x" * 300, "Größe", "a\nb", " "]
    read = store.submit({name: np.arange(3) + place for place, name in enumerate(names)}, "data", "1").collect()
    assert list(read) == names
    assert [read[name][0] for name in names] == list(range(len(names)))
    assert {path.parent.parent for path in store.path.rglob("*.npy")} == {store.path / "objects"}
    assert wrap(read).batch == read
