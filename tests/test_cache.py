"""Datasets that are made once: the same records, orders and states as without the cache; keys notice changes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr


@pytest.fixture
def store(tmp_path: Path) -> hr.Store:
    return hr.Store(tmp_path / "store")


def columns(n: int) -> dict[str, Any]:
    return {"x": np.arange(n), "text": np.array([f"t{number}" for number in range(n)], object)}


def shout(row: Any) -> Any:
    return {"y": row["x"] * 3, "text": row["text"].upper()}


STEPS = {
    "map": lambda ds: ds.map(shout),
    "shuffle": lambda ds: ds.shuffle(seed=3),
    "still shuffle": lambda ds: ds.shuffle(seed=3, reshuffle=False),
    "take": lambda ds: ds.take(7),
    "slice": lambda ds: ds[::-2],
    "filter": lambda ds: ds.filter(lambda row: len(row["text"]) == 2),
    "repeat": lambda ds: ds.repeat(2),
}


@settings(max_examples=30)
@given(st.lists(st.sampled_from([name for name in STEPS if name != "map"]), max_size=4), st.booleans(), st.booleans())
def test_a_cached_chain_is_the_chain_in_every_epoch(names: list[str], mapped: bool, late: bool) -> None:
    plain = hr.Dataset(columns(23))
    steps = [*names[:2], *(["map"] if mapped else []), *names[2:]]
    try:
        for name in steps:
            plain = STEPS[name](plain)
        cached = plain.cache(hr.Store("memory://laws"))
    except hr.OrderError:  # such as a take of a shuffle: the set of records differs by epoch
        return
    if late:
        plain, cached = (ds.shuffle(seed=9).shard(1, 2) for ds in (plain, cached))
    assert cached.batch(4).stream(epochs=2).list() == plain.batch(4).stream(epochs=2).list()
    assert len(cached) == len(plain)


def test_a_state_saved_without_the_cache_is_resumed_with_it_and_back(store: hr.Store) -> None:
    plain = hr.Dataset(columns(50)).map(shout).shuffle(seed=1)
    cached = hr.Dataset(columns(50)).map(shout).cache(store).shuffle(seed=1)
    expected = plain.batch(8).stream(epochs=2).list()
    for saved, loaded in ((plain, cached), (cached, plain)):
        first = iter(saved.batch(8).stream(epochs=2))
        for _ in range(5):
            next(first)
        second = iter(loaded.batch(8).stream(epochs=2))
        second.load_state_dict(first.state_dict())
        assert list(second) == expected[5:]


def test_it_is_made_on_first_use_once(store: hr.Store) -> None:
    calls: list[int] = []

    def costly(n: int) -> int:
        calls.append(n)
        return n * n

    made = hr.Dataset(range(6)).map(costly).shuffle(seed=0).cache(store, version="1", id="squares")
    assert store.ids() == [] and calls == []
    assert sorted(made) == [n * n for n in range(6)] and sorted(calls) == list(range(6))
    again = hr.Dataset(range(6)).map(costly).cache(store, version="1", id="squares")
    assert again.list() == [n * n for n in range(6)] and len(calls) == 6
    assert "cache(" in repr(made) and store.versions("squares") == ["1"]


def test_a_filter_below_is_evaluated_once_and_not_when_its_records_are_kept(store: hr.Store, tmp_path: Path) -> None:
    def costly(n: int) -> int:
        with open(tmp_path / "calls", "a") as file:
            file.write("x")
        return n * n

    def chain() -> hr.Dataset:
        return hr.Dataset(range(10)).map(costly).filter(lambda n: n % 2 == 0)

    plain = iter(chain().shuffle(0).batch(2).stream())
    expected = [batch.tolist() for batch in plain]
    chain().cache(store)[0]
    (tmp_path / "calls").unlink()
    made = chain().cache(store)
    assert len(made) == 5 and len(made.shuffle(0).batch(2)) == 3
    stream = iter(made.shuffle(0).batch(2).stream())
    assert [batch.tolist() for batch in stream] == expected
    assert stream.state_dict() == plain.state_dict()
    assert not (tmp_path / "calls").exists()


def test_what_is_changed_is_made_anew_and_the_difference_is_told(store: hr.Store) -> None:
    scale = 2

    def times(n: int) -> int:
        return n * scale

    def chain(length: int = 5) -> hr.Dataset:
        return hr.Dataset(range(length)).map(times)

    assert "nothing is cached" in store.explain_miss(chain())
    assert chain().cache(store)[4] == 8
    assert "it is cached" in store.explain_miss(chain()) and "it is cached" in store.explain_miss(chain().cache(store))
    scale = 3
    assert "scale" in store.explain_miss(chain().cache(store).shuffle(0).batch(2))
    assert chain().cache(store)[4] == 12
    assert len(store.versions("cache")) == 2
    assert "range" in store.explain_miss(chain(6))
    assert len(store.log("cache")[0].code) == 16


def test_what_cannot_be_cached_is_refused_by_name(store: hr.Store) -> None:
    with pytest.raises(hr.OrderError, match=r"cache\(\)"):
        hr.Dataset(range(5)).map(lambda n, rng: n, seed=0).cache(store)
    with pytest.raises(hr.OrderError, match=r"cache\(\) would apply to other records in each epoch"):
        hr.Dataset(range(5)).shuffle(0).take(2).cache(store)
    with pytest.raises(hr.ArgumentError, match="give an id, too"):
        hr.Dataset(range(5)).cache(store, version="1")
    with pytest.raises(hr.ArgumentError, match=r"write cache\(...\) before batch"):
        hr.Dataset(range(5)).batch(2).cache(store)
    handle = open(__file__)
    broken = hr.Dataset(range(5)).map(lambda n: (handle.closed, n)[-1])
    with handle, pytest.raises(hr.ArgumentError, match=r"handle.*version="):
        broken.cache(store)[0]
    with pytest.raises(hr.KindError, match="needs a headrace"):
        broken.cache("store")


def test_an_error_of_a_map_is_raised_and_nothing_is_kept(store: hr.Store) -> None:
    made = hr.Dataset(range(5)).map(lambda n: 1 // (n - 3)).cache(store)
    for _ in range(2):
        with pytest.raises(hr.RecordError, match="record 3"):
            made[0]
    assert store.ids() == []


def test_workers_read_what_is_cached_and_make_it(store: hr.Store) -> None:
    made = hr.Dataset(columns(300)).map(shout).cache(store, workers=2).shuffle(seed=0)
    expected = hr.Dataset(columns(300)).map(shout).shuffle(seed=0).batch(16).stream().list()
    assert made.batch(16).stream(workers=2).list() == expected
    assert len(store.versions("cache")) == 1


PROGRAM = """
    import sys
    import time
    import headrace as hr

    def slow(n):
        with open(sys.argv[2], "a") as file:
            file.write("x")
        time.sleep(0.002)
        return n + 1

    ds = hr.Dataset(range(100)).map(slow).cache(hr.Store(sys.argv[1]))
    print(sum(ds.shuffle(0)))
"""


def test_of_processes_that_need_it_at_once_one_makes_it(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "store"), str(tmp_path / "calls")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {process.communicate(timeout=60)[0] for process in running} == {"5050\n"}
    assert len((tmp_path / "calls").read_text()) == 100
