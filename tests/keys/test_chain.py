"""Keys of chains: each source and each argument counts, and what makes no other records does not."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.core.errors import ArgumentError
from headrace.keys import Key, key_of
from headrace.keys import contents as contents_of


def key(dataset: hr.Dataset, *libraries: str) -> Key:
    return key_of(dataset._node, libraries)


def numbers(**more: Any) -> hr.Dataset:
    return hr.Dataset(x=np.arange(20), y=np.arange(20) % 3, **more)


def double(x: Any) -> Any:
    return x


def is_even(record: Any) -> bool:
    return bool(record["x"] % 2 == 0)


def looking_up(other: hr.Dataset) -> Callable[[Any], Any]:
    return lambda record: other[0]


CHAINS: dict[str, Callable[[], hr.Dataset]] = {
    "source": numbers,
    "another dtype": lambda: hr.Dataset(x=np.arange(20, dtype="i4"), y=np.arange(20) % 3),
    "another shape": lambda: hr.Dataset(x=np.arange(20).reshape(20, 1), y=np.arange(20) % 3),
    "another name": lambda: hr.Dataset(z=np.arange(20), y=np.arange(20) % 3),
    "another order of columns": lambda: hr.Dataset(y=np.arange(20) % 3, x=np.arange(20)),
    "tuples": lambda: hr.Dataset(np.arange(20), np.arange(20) % 3),
    "more": lambda: numbers(z=np.zeros(20)),
    "text": lambda: numbers(z=["a"] * 20),
    "objects": lambda: numbers(z=np.array([None, {"a": 1}] * 10, dtype=object)),
    "ragged": lambda: numbers(z=hr.Ragged.from_rows([[1]] * 20)),
    "nested": lambda: numbers(z={"a": np.zeros(20)}),
    "a list": lambda: hr.Dataset(list(range(20))),
    "another list": lambda: hr.Dataset([*range(19), 20]),
    "a range": lambda: hr.Dataset(range(20)),
    "another range": lambda: hr.Dataset(range(1, 21)),
    "take": lambda: numbers().take(5),
    "take more": lambda: numbers().take(6),
    "skip": lambda: numbers().skip(5),
    "slice": lambda: numbers()[::2],
    "chosen": lambda: numbers()[[1, 2]],
    "chosen others": lambda: numbers()[[2, 1]],
    "repeat": lambda: numbers().repeat(2),
    "shuffle": lambda: numbers().shuffle(seed=0),
    "another seed": lambda: numbers().shuffle(seed=1),
    "once": lambda: numbers().shuffle(seed=0, reshuffle=False),
    "shard": lambda: numbers().shard(0, 2),
    "another shard": lambda: numbers().shard(1, 2),
    "split": lambda: numbers().split(a=0.5, b=0.5, seed=0).a,
    "the other part": lambda: numbers().split(a=0.5, b=0.5, seed=0).b,
    "sort": lambda: numbers().sort_by("y"),
    "sort down": lambda: numbers().sort_by("y", descending=True),
    "sort by function": lambda: numbers().sort_by(lambda record: -record["x"]),
    "balance": lambda: numbers().balance("y"),
    "map": lambda: numbers().map(double),
    "map batches": lambda: numbers().map_batches(double),
    "map twice": lambda: numbers().map(double).map(double),
    "random map": lambda: numbers().map(lambda x, random: x, seed=0),
    "another random map": lambda: numbers().map(lambda x, random: x, seed=1),
    "left out": lambda: numbers().map(double, on_error="skip"),
    "replaced": lambda: numbers().map(double, on_error=lambda error, record: record),
    "filter": lambda: numbers().filter(is_even),
    "filter of mapped": lambda: numbers().map(double).filter(is_even),
    "mapped of filtered": lambda: numbers().filter(is_even).map(double),
    "another filter": lambda: numbers().filter(lambda record: record["x"] > 3),
    "select": lambda: numbers().map(double).select("x"),
    "drop": lambda: numbers().map(double).drop("x"),
    "rename": lambda: numbers().rename(x="u"),
    "batch": lambda: numbers().batch(4),
    "larger batch": lambda: numbers().batch(5),
    "no rest": lambda: numbers().batch(4, drop_remainder=True),
    "collate": lambda: numbers().batch(4, collate=len),
    "pad": lambda: numbers(z=hr.Ragged.from_rows([[1]] * 20)).batch(4, pad=0),
    "pad otherwise": lambda: numbers(z=hr.Ragged.from_rows([[1]] * 20)).batch(4, pad=1),
    "block shuffle": lambda: numbers().block_shuffle(memory=1 << 20, seed=0),
    "another block shuffle": lambda: numbers().block_shuffle(memory=1 << 20, seed=1),
    "nested tuples": lambda: hr.Dataset(x=[(1, 2)] * 20),
    "concat": lambda: numbers() + numbers(),
    "mix": lambda: hr.mix([numbers(), numbers()]),
    "mix by weights": lambda: hr.mix([numbers(), numbers()], weights=[2, 1]),
    "zip": lambda: hr.zip(numbers(), numbers()),
    "zip of another": lambda: hr.zip(numbers().take(3), numbers()),
    "zip the other way": lambda: hr.zip(numbers(), numbers().take(3)),
    "a method": lambda: numbers().map(Scale(2).apply),
    "another object": lambda: numbers().map(Scale(3).apply),
    "an object": lambda: numbers().map(Scale(2)),
    "partial": lambda: numbers().map(partial(double, x=1)),
    "another dataset within": lambda: numbers().map(looking_up(hr.Dataset(range(3)))),
    "a longer dataset within": lambda: numbers().map(looking_up(hr.Dataset(range(4)))),
}


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, record: Any) -> Any:
        return record

    def apply(self, record: Any) -> Any:
        return record


def test_unlike_chains_have_unlike_keys_and_equal_ones_equal_keys() -> None:
    seen: dict[str, str] = {}
    for name, make in CHAINS.items():
        first, second = key(make()), key(make())
        assert first == second and first.to_json() == second.to_json(), name
        assert seen.setdefault(first.digest, name) == name
        assert Key.from_json(first.to_json()) == first


def renamed() -> hr.Dataset:
    def other(x: Any) -> Any:
        return x

    return numbers().map(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: numbers().map(double), renamed),
        (lambda: numbers().map(double), lambda: numbers().map(double, on_error="raise")),
        (
            lambda: numbers().map(double, on_error=hr.Retry(2, then="skip")),
            lambda: numbers().map(double, on_error="skip"),
        ),
        (lambda: numbers().take(5), lambda: numbers()[:5]),
        (lambda: numbers().select("x"), lambda: hr.Dataset(x=np.arange(20), y=np.zeros(20)).select("x")),
        (lambda: numbers().map(partial(max, key=1, default=2)), lambda: numbers().map(partial(max, default=2, key=1))),
        (
            lambda: hr.Dataset(np.arange(6).reshape(2, 3)),
            lambda: hr.Dataset(np.asfortranarray(np.arange(6).reshape(2, 3))),
        ),
    ],
    ids=[
        "a name",
        "the usual policy",
        "how often it is tried",
        "a slice",
        "what is not selected",
        "keywords",
        "layout",
    ],
)
def test_what_makes_no_other_records_does_not_count(
    one: Callable[[], hr.Dataset], other: Callable[[], hr.Dataset]
) -> None:
    assert key(one()) == key(other())


def test_a_source_of_ones_own_counts_by_its_attributes_and_code_or_by_what_it_says() -> None:
    class Squares:
        def __init__(self, length: int) -> None:
            self.length = length

        def __len__(self) -> int:
            return self.length

        def read(self, indices: Any) -> Any:
            return {"square": indices**2}

    class Named(Squares):
        def fingerprint(self) -> str:
            return f"squares {self.length}"

    assert key(hr.Dataset(Squares(3))) == key(hr.Dataset(Squares(3))) != key(hr.Dataset(Squares(4)))
    assert key(hr.Dataset(Named(3))) == key(hr.Dataset(Named(3))) != key(hr.Dataset(Named(4)))


def test_all_of_a_mapped_file_counts_and_is_read_again_only_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "images.npy"
    array = np.zeros(12 << 20, np.uint8)
    np.save(path, array)
    monkeypatch.setattr(contents_of, "_FRESH", -1)
    read: list[int] = []
    whole = contents_of._of_array

    def noted(one: Any) -> str:
        read.append(one.nbytes)
        return whole(one)

    monkeypatch.setattr(contents_of, "_of_array", noted)
    known: dict[str, str] = {}

    def mapped() -> Key:
        return key_of(hr.Dataset(image=np.load(path, mmap_mode="r"))._node, (), known)

    first = mapped()
    assert mapped() == first == key(hr.Dataset(image=array)) and len(known) == 1
    assert sum(read) == 2 * array.nbytes  # once from the file, once from memory
    array[7_000_001] = 1  # between the blocks that a state looks at
    np.save(path, array)
    monkeypatch.undo()
    assert mapped() != first
    assert len(known) == 1  # a file that was written this moment may be written to again without another time


def test_a_file_that_is_moved_is_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(5))
    before = key(hr.Dataset(np.load(tmp_path / "a.npy", mmap_mode="r")))
    (tmp_path / "a.npy").rename(tmp_path / "b.npy")
    assert key(hr.Dataset(np.load(tmp_path / "b.npy", mmap_mode="r"))) == before


def test_a_cache_within_is_what_lies_below_or_what_its_version_says(tmp_path: Path) -> None:
    store = hr.Store(tmp_path)
    plain = numbers().map(double)
    assert key(plain.cache(store).take(3)) == key(plain.take(3))
    named = key(numbers().map(lambda record: store).cache(store, "named", "1.0").take(3))
    assert [one.kind for one in named.fields] == ["Cached", "window"]
    assert named == key(plain.cache(store, "named", "1.0").take(3)) != key(plain.cache(store, "named", "1.1").take(3))


def test_versions_of_libraries_count_where_they_are_asked_for() -> None:
    assert key(numbers(), "numpy") == key(numbers(), "numpy", "numpy") != key(numbers())
    with pytest.raises(ArgumentError, match="'no-such-library' is not installed"):
        key(numbers(), "no-such-library")


def test_what_cannot_be_told_is_refused_with_the_way_to_it_and_the_way_out(tmp_path: Path) -> None:
    connection = sqlite3.connect(":memory:")
    local = threading.local()

    class Reader:
        def __init__(self, held: Any) -> None:
            self.held = {"all": [held]}

        def __call__(self, record: Any) -> Any:
            return record

    with open(tmp_path / "file", "w") as file:
        cases: list[tuple[Any, str]] = [
            (lambda record: connection, r"map\(lambda\) -> closure 'connection' -> sqlite3.Connection"),
            (lambda record: local, "closure 'local' -> _thread._local"),
            (Reader(file), r"map\(Reader\) -> attribute 'held' -> \['all'\] -> _io.TextIOWrapper"),
            (partial(double, (x for x in "ab")), r"map\(partial\(double\)\) -> argument 0 -> generator"),
        ]
        for function, match in cases:
            with pytest.raises(ArgumentError, match=match) as refused:
                key(numbers().map(function))
            assert "version=" in str(refused.value)
    connection.close()


def test_no_function_runs_and_nothing_is_read_but_the_sources() -> None:
    def fails(record: Any) -> Any:
        raise AssertionError

    dataset = numbers().map(fails).filter(fails).shuffle(seed=0).sort_by(fails)
    assert key(dataset) == key(dataset)
