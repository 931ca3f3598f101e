"""A run that is cut anywhere goes on exactly: in one process, in a fresh one, after a kill, on other topologies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import Batch, CodeChangedWarning, Dataset, StateError, Stream
from tests.runs import PIPELINES, exact
from tests.strategies import Chain, chains

ROOT = Path(__file__).parents[1]


def states_and_items(stream: Stream) -> tuple[list[Any], list[Any]]:
    """Return the state before each item and at the end, through JSON, and the items, to the byte."""
    iterator = iter(stream)
    states, items = [json.dumps(iterator.state_dict())], []
    for item in iterator:
        items.append(exact(item))
        states.append(json.dumps(iterator.state_dict()))
    assert all(len(state) < 1000 for state in states)
    return [json.loads(state) for state in states], items


def check_all_cuts(build: Callable[[], Stream]) -> None:
    states, items = states_and_items(build())
    other = iter(build())
    for cut, state in enumerate(states):
        assert [exact(item) for item in build().resume(state)] == items[cut:]
        other.load_state_dict(state)
        assert [exact(item) for item in islice(other, 2)] == items[cut : cut + 2]


# Any pipeline, cut anywhere


@settings(max_examples=200)
@given(chain=chains(most=5), data=st.data())
def test_all_cuts_of_three_epochs_of_any_chain_give_exactly_the_rest(chain: Chain, data: st.DataObject) -> None:
    dataset = chain.dataset
    if data.draw(st.booleans(), "shard"):
        count = data.draw(st.integers(1, 3))
        remainder: Any = data.draw(st.sampled_from(["uneven", "drop", "pad"]))
        dataset = dataset.shard(data.draw(st.integers(0, count - 1)), count, remainder)
    size = data.draw(st.integers(0, 7), "batch")
    if size:
        dataset = dataset.batch(size, drop_remainder=data.draw(st.booleans()))
        if data.draw(st.booleans(), "map of batches"):
            dataset = dataset.map(lambda batch, rng: (batch, rng.random()), seed=4)
    stages = data.draw(st.lists(st.sampled_from(["skip", "take", "repeat", "window", "batch", "map"]), max_size=2))
    numbers = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=2))

    def build() -> Stream:
        stream = dataset.stream(epochs=3)
        for stage, number in zip(stages, numbers):
            stream = {
                "skip": lambda stream, n: stream.skip(n),
                "take": lambda stream, n: stream.take(n * 3),
                "repeat": lambda stream, n: stream.repeat(min(n, 2)),
                "window": lambda stream, n: stream.window_shuffle(n, seed=0),
                "batch": lambda stream, n: stream.batch(n, collate=list),
                "map": lambda stream, n: stream.map(lambda item, rng: (rng.random(), item), seed=n),
            }[stage](stream, number)
        return stream

    check_all_cuts(build)


@pytest.mark.parametrize("name", PIPELINES)
def test_all_cuts_of_a_named_pipeline_give_exactly_the_rest(name: str) -> None:
    check_all_cuts(PIPELINES[name])


def test_a_fresh_process_goes_on_exactly_from_any_cut() -> None:
    runs = {name: states_and_items(build()) for name, build in PIPELINES.items()}
    asked = {name: states for name, (states, _) in runs.items()}
    command = [sys.executable, "-W", "error", "-m", "tests.runs", "rest"]
    fresh = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, cwd=ROOT, check=False)
    assert fresh.returncode == 0, fresh.stderr
    found = json.loads(fresh.stdout)
    for name, (states, items) in runs.items():
        for cut in range(len(states)):
            assert found[name][cut] == json.loads(json.dumps(items[cut:])), f"{name}, cut after {cut} items"


@given(cuts=st.lists(st.integers(0, 9), max_size=6), name=st.sampled_from(sorted(PIPELINES)))
@settings(max_examples=40)
def test_a_run_may_be_cut_again_and_again(cuts: list[int], name: str) -> None:
    whole = [exact(item) for item in PIPELINES[name]()]
    found: list[Any] = []
    iterator = iter(PIPELINES[name]())
    for cut in cuts:
        found += [exact(item) for item in islice(iterator, cut)]
        state = json.loads(json.dumps(iterator.state_dict()))
        iterator = iter(PIPELINES[name]())
        iterator.load_state_dict(state)
    assert found + [exact(item) for item in iterator] == whole


def test_a_state_stays_what_it_is_while_the_run_goes_on() -> None:
    iterator = iter(PIPELINES["a stream that filters and shuffles"]())
    next(iterator)
    state = iterator.state_dict()
    before = json.dumps(state)
    list(iterator)
    assert json.dumps(state) == before


def test_more_epochs_may_be_asked_for_when_a_run_is_resumed() -> None:
    ds = Dataset(range(5)).shuffle(0).batch(2)
    iterator = iter(ds.stream(epochs=2))
    first = [batch.tolist() for batch in iterator]
    more = [batch.tolist() for batch in ds.stream(epochs=4).resume(iterator.state_dict())]
    assert first + more == [batch.tolist() for batch in ds.stream(epochs=4)]
    assert list(ds.stream(epochs=1).resume(iterator.state_dict())) == []


# Kill -9


def lines_of(log: Path) -> int:
    return log.read_text().count("\n") if log.exists() else 0


def test_a_run_that_is_killed_ten_times_sees_what_an_unbroken_one_sees(tmp_path: Path) -> None:
    name, log = "long", tmp_path / "log"
    random = np.random.default_rng(0)
    command = [sys.executable, "-m", "tests.runs", "go", name, str(log)]
    kills = 0
    while True:
        until = lines_of(log) + int(random.integers(1, 4)) if kills < 10 else 10**9
        child = subprocess.Popen(command, cwd=ROOT)
        while child.poll() is None and lines_of(log) < until:
            time.sleep(0.002)
        time.sleep(float(random.random()) * 0.01)
        child.kill()  # SIGKILL; of one that has ended nothing
        code = child.wait()
        kills += code == -signal.SIGKILL
        if code != -signal.SIGKILL:
            assert code == 0
            break
    seen = [json.loads(line)["item"] for line in log.read_text().splitlines()]
    assert seen == json.loads(json.dumps([exact(item) for item in PIPELINES[name]()]))
    assert kills == 10


# Other topologies


def augmented(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {"n": record["n"], "noise": rng.random(3)}


def rank(length: int, index: int, count: int, size: int, remainder: Any, epochs: int) -> Stream:
    ds = Dataset(n=np.arange(length)).shuffle(0).map(augmented, seed=1)
    return (
        ds.shard(index, count, remainder).batch(size).map(lambda batch: batch.rename({"noise": "noise"})).stream(epochs)
    )


TOPOLOGIES = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 4)), min_size=1, max_size=4)


def run_on(length: int, topologies: list[tuple[int, int, int]], remainder: str, epochs: int) -> list[list[list[Batch]]]:
    """Run on one topology after the other, each from a state of the last; return for each what each rank saw."""
    state = None
    seen = []
    for place, (count, size, steps) in enumerate(topologies):
        iterators = []
        for index in range(count):
            stream = rank(length, index, count, size, remainder, epochs)
            iterators.append(iter(stream if state is None else stream.resume(state)))
        last = place == len(topologies) - 1
        seen.append([list(islice(iterator, None if last else steps)) for iterator in iterators])
        saved = [json.loads(json.dumps(iterator.state_dict())) for iterator in iterators]
        assert all(one["order"] == saved[0]["order"] for one in saved)
        state = saved[place % count] if steps and not last else saved[0]
    return seen


@settings(max_examples=150)
@given(length=st.integers(0, 40), topologies=TOPOLOGIES)
def test_every_record_of_an_epoch_comes_exactly_once_whatever_becomes_of_the_readers(
    length: int, topologies: list[tuple[int, int, int]]
) -> None:
    seen = run_on(length, topologies, "uneven", 1)
    rows = [row for ranks in seen for batches in ranks for batch in batches for row in batch.rows()]
    assert sorted(row["n"] for row in rows) == list(range(length))
    whole = {row["n"]: row["noise"].tobytes() for row in Dataset(n=np.arange(length)).shuffle(0).map(augmented, seed=1)}
    assert {row["n"]: row["noise"].tobytes() for row in rows} == whole


@settings(max_examples=80)
@given(length=st.integers(0, 40), topologies=TOPOLOGIES)
def test_with_drop_and_pad_all_readers_have_as_many_steps(length: int, topologies: list[tuple[int, int, int]]) -> None:
    most = max(count for count, _, _ in topologies)
    for remainder in ("drop", "pad"):
        seen = run_on(length, topologies, remainder, 1)
        for ranks in seen:
            assert len({tuple(len(batch) for batch in batches) for batches in ranks}) == 1
        rows = [row for ranks in seen for batches in ranks for batch in batches for row in batch.rows()]
        often = Counter(row["n"] for row in rows)
        if remainder == "drop":
            assert all(count == 1 for count in often.values())
            assert length - len(often) < most
        else:
            once = Counter(row["n"] for row in rows if not row["padded"])
            assert once == Counter(range(length))
            assert len(rows) - length < most


@settings(max_examples=80)
@given(more=st.integers(1, 20), topologies=TOPOLOGIES)
def test_the_epochs_after_a_change_of_readers_are_whole(more: int, topologies: list[tuple[int, int, int]]) -> None:
    *before, (count, size, _) = topologies
    length = sum(readers * batch * steps for readers, batch, steps in before) + more
    seen = run_on(length, topologies, "uneven", 3)
    for index in range(count):
        unbroken = [exact(batch) for batch in rank(length, index, count, size, "uneven", 3)]
        after = [exact(batch) for batch in seen[-1][index]]
        steps = len(unbroken) // 3
        assert len(after) >= 2 * steps
        assert after[len(after) - 2 * steps :] == unbroken[steps:]


def test_what_comes_next_is_told_by_the_cursor_also_after_a_change_of_readers() -> None:
    iterator = iter(rank(20, 0, 2, 3, "uneven", 1))
    next(iterator)
    resumed = iter(rank(20, 2, 4, 2, "uneven", 1).resume(iterator.state_dict()))
    expected = resumed.cursor.indices()  # type: ignore[attr-defined]
    assert next(resumed)["n"].tolist() == expected.tolist()


@pytest.mark.parametrize(
    "stages",
    [
        lambda stream: stream.unbatch(),
        lambda stream: stream.unbatch().window_shuffle(4, seed=0),
        lambda stream: stream.unbatch().window_shuffle(4, seed=0).map(str),
        lambda stream: stream.flat_map(lambda batch: batch["n"].tolist()),
    ],
)
def test_what_buffers_behind_a_share_goes_on_with_as_many_readers_and_is_refused_with_others(stages: Any) -> None:
    def build(index: int, count: int) -> Any:
        return stages(rank(100, index, count, 4, "uneven", 1))

    iterator = iter(build(1, 2))
    for _ in range(6):
        next(iterator)
    state = iterator.state_dict()
    left = [exact(item) for item in iterator]
    assert [exact(item) for item in build(1, 2).resume(state)] == left
    for count in (1, 3, 4):
        with pytest.raises(StateError, match="readers"):
            list(build(0, count).resume(state))


# States that do not belong


def of(**about: Any) -> Dataset:
    return Dataset(n=np.arange(about.get("length", 20)), x=np.full(20, about.get("x", 0)))


ORDERS: dict[str, Callable[[], Stream]] = {
    "plain": lambda: of().stream(),
    "other data": lambda: of(x=1).stream(),
    "a seed": lambda: of().shuffle(0).stream(),
    "another seed": lambda: of().shuffle(1).stream(),
    "one order for all epochs": lambda: of().shuffle(0, reshuffle=False).stream(),
    "another method": lambda: of().shuffle(0, method="keyed").stream(),
    "two shuffles": lambda: of().shuffle(0).shuffle(0).stream(),
    "take": lambda: of().take(10).stream(),
    "take of more": lambda: of().take(11).stream(),
    "skip": lambda: of().skip(10).stream(),
    "a slice": lambda: of()[1:10].stream(),
    "every second": lambda: of()[::2].stream(),
    "repeat": lambda: of().repeat(2).stream(),
    "a choice": lambda: of()[[1, 2, 3]].stream(),
    "another choice": lambda: of()[[1, 2, 4]].stream(),
    "a filter": lambda: of().filter(lambda row: row["n"] > 3).stream(),
    "another filter": lambda: of().filter(lambda row: row["n"] > 4).stream(),
    "a part": lambda: of().split(a=0.5, b=0.5, seed=0).a.stream(),
    "the other part": lambda: of().split(a=0.5, b=0.5, seed=0).b.stream(),
    "a sample": lambda: of().sample(5, seed=0).stream(),
    "another sample": lambda: of().sample(5, seed=1).stream(),
    "sorted": lambda: of().sort_by("n", descending=True).stream(),
    "itself twice": lambda: (of() + of()).stream(),
    "a mix": lambda: hr.mix([of(), of(x=1)]).stream(),
    "another mix": lambda: hr.mix([of(), of(x=1)], [2, 1]).stream(),
    "a mix to the end": lambda: hr.mix([of(), of(x=1)], stop="longest").stream(),
    "zip": lambda: hr.zip(of(), of(x=1)).stream(),
    "batches shuffled": lambda: of().batch(2).shuffle(0).stream(),
    "larger batches shuffled": lambda: of().batch(3).shuffle(0).stream(),
    "a stage": lambda: of().stream().take(5),
    "a range": lambda: Dataset(range(20)).stream(),
    "another range": lambda: Dataset(range(1, 21)).stream(),
    "a list": lambda: Dataset(list(range(20))).stream(),
}


@pytest.mark.parametrize("name", ORDERS)
def test_a_state_is_refused_by_every_other_order_with_what_differs(name: str) -> None:
    state = iter(ORDERS[name]()).state_dict()
    assert len(json.dumps(state)) < 1000
    for other, build in ORDERS.items():
        if other == name:
            build().resume(state)
            continue
        with pytest.raises(StateError, match=r"another order of items.*Where it was saved: .*; here: "):
            build().resume(state)


SAME: dict[str, Callable[[], Stream]] = {
    "records": lambda: of().shuffle(0).stream(),
    "batches": lambda: of().shuffle(0).batch(4).stream(),
    "batches without the last": lambda: of().shuffle(0).batch(4, drop_remainder=True).stream(),
    "a share": lambda: of().shuffle(0).shard(0, 2).batch(3).stream(),
    "the other share": lambda: of().shuffle(0).shard(1, 2, "drop").batch(3).stream(),
    "columns": lambda: of().shuffle(0).select("x").batch(4).stream(),
    "for ever": lambda: of().shuffle(0).batch(4).stream(None),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SAME)
def test_readers_batches_and_columns_are_no_part_of_an_order(name: str) -> None:
    iterator = iter(SAME[name]())
    next(iterator)
    state = iterator.state_dict()
    for build in SAME.values():
        next(iter(build().resume(state)))


def test_changed_code_of_a_map_warns_and_the_run_goes_on() -> None:
    ds = Dataset(range(6)).shuffle(0)
    iterator = iter(ds.map(lambda x: x + 1).batch(2).stream())
    next(iterator)
    state = iterator.state_dict()
    with pytest.warns(CodeChangedWarning, match=r"code has changed.*map\(lambda\)"):
        changed = ds.map(lambda x: x + 2).batch(2).stream().resume(state)
    same = [batch.tolist() for batch in ds.batch(2).stream()][1:]
    assert [(batch - 2).tolist() for batch in changed] == same
    list(ds.map(lambda x: x + 1).batch(2).stream().resume(state))  # the same code, written twice, is the same
    with pytest.warns(CodeChangedWarning):
        ds.batch(2).stream().resume(state)


def test_a_changed_predicate_that_keeps_the_same_records_only_warns() -> None:
    ds = Dataset(range(6))
    state = iter(ds.filter(lambda x: x > 2).stream()).state_dict()
    with pytest.warns(CodeChangedWarning, match="filter"):
        ds.filter(lambda x: x >= 3).stream().resume(state)


@pytest.mark.parametrize("change", ["content", "time", "size"])
@pytest.mark.parametrize("where", ["dense", "ragged"])
def test_a_changed_file_under_the_same_path_is_refused(tmp_path: Path, change: str, where: str) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(20.0))

    def build() -> Stream:
        mapped = np.load(path, mmap_mode="r")
        column = mapped if where == "dense" else hr.Ragged(mapped, np.arange(21))
        return Dataset(x=column, n=np.arange(20)).shuffle(0).batch(4).stream()

    iterator = iter(build())
    next(iterator)
    state = json.loads(json.dumps(iterator.state_dict()))
    assert len(json.dumps(state)) < 1000
    left = [exact(batch) for batch in iterator]
    assert [exact(batch) for batch in build().resume(state)] == left
    times = path.stat()
    if change == "content":
        np.save(path, np.arange(20.0)[::-1])
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "time":
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1_000_000_000))
    else:
        with path.open("ab") as file:
            file.write(b"\0" * 8)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(StateError, match=r"changed since the state was saved|another order"):
        next(iter(build().resume(state)))


def test_the_same_file_in_another_place_is_the_same_data(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "x.npy", np.arange(20.0))

    def build(folder: str) -> Stream:
        return Dataset(x=np.load(tmp_path / folder / "x.npy", mmap_mode="r")).shuffle(0).batch(4).stream()

    iterator = iter(build("a"))
    next(iterator)
    rest = build("b").resume(iterator.state_dict())
    assert [exact(batch) for batch in rest] == [exact(batch) for batch in iterator]


def test_many_files_still_make_a_small_state(tmp_path: Path) -> None:
    columns = {}
    for number in range(40):
        np.save(tmp_path / f"{number}.npy", np.arange(5))
        columns[f"column {number}"] = np.load(tmp_path / f"{number}.npy", mmap_mode="r")
    state = iter(Dataset(columns).shuffle(0).stream()).state_dict()
    assert len(json.dumps(state)) < 1000
    os.utime(tmp_path / "7.npy", ns=(1, 1))
    with pytest.raises(StateError, match="changed"):
        next(iter(Dataset(columns).shuffle(0).stream().resume(state)))


def test_a_state_of_a_newer_format_is_refused_by_name() -> None:
    stream = Dataset(range(5)).stream()
    state = iter(stream).state_dict()
    with pytest.raises(StateError, match=r"newer Headrace \(format 2\)"):
        stream.resume({**state, "format": 2})


@pytest.mark.parametrize(
    "at",
    [
        {},
        {"epoch": -1},
        {"step": 1.5},
        {"step": "1"},
        {"base": None},
        {"size": 0},
        {"count": 0},
        {"count": True},
        {"files": 3},
        {"files": ["a"]},
    ],
    ids=str,
)
def test_a_damaged_place_is_refused_in_words(at: dict[str, Any]) -> None:
    stream = Dataset(range(5)).shuffle(0).batch(2).stream()
    state = iter(stream).state_dict()
    place = {**state["at"], **at} if at else {}
    with pytest.raises(StateError, match="the state is damaged"):
        next(iter(stream.resume({**state, "at": place})))


def test_places_behind_the_end_give_the_next_epoch_or_nothing() -> None:
    ds = Dataset(range(5)).shuffle(0).batch(2)
    state = iter(ds.stream(2)).state_dict()
    for at in ({"step": 3}, {"base": 5}, {"base": 50}, {"step": 10**9, "size": 1}):
        rest = list(ds.stream(2).resume({**state, "at": {**state["at"], **at}}))
        assert [batch.tolist() for batch in rest] == [batch.tolist() for batch in ds.stream(2)][3:]
    assert list(ds.stream(2).resume({**state, "at": {**state["at"], "epoch": 2}})) == []
    assert list(ds.stream(2).resume({**state, "at": {**state["at"], "epoch": 10**12}})) == []


# Size


class Virtual:
    """A thousand million records, which count what is read of them."""

    reads = 0
    structure = "value"

    def __len__(self) -> int:
        return 10**9

    def read(self, indices: Any) -> dict[str, Any]:
        Virtual.reads += len(indices)
        return {"value": indices}


def test_half_way_through_a_thousand_million_records_a_run_is_resumed_without_reading_any_before() -> None:
    Virtual.reads = 0
    ds = Dataset(Virtual()).shuffle(0).shard(1, 4).batch(100)
    state = iter(ds.stream()).state_dict()
    state["at"]["step"] = len(ds) // 2
    iterator = iter(ds.stream().resume(json.loads(json.dumps(state))))
    assert Virtual.reads == 0
    batch = next(iterator)
    assert Virtual.reads == 100
    assert batch.tolist() == ds.indices(len(ds) // 2).tolist() == ds[len(ds) // 2].tolist()
    assert ds.step_of(int(batch[17])) == len(ds) // 2
    other = iter(Dataset(Virtual()).shuffle(0).shard(0, 7).batch(30).stream().resume(iterator.state_dict()))
    Virtual.reads = 0
    assert len(next(other)) == Virtual.reads == 30
    assert len(json.dumps(iterator.state_dict())) < 1000


def test_a_chain_of_a_hundred_steps_has_a_small_state() -> None:
    ds = Dataset(n=np.arange(1000))
    for number in range(50):
        ds = ds.shuffle(number).map(dict)
    iterator = iter(ds.batch(10).stream())
    next(iterator)
    state = iterator.state_dict()
    assert len(json.dumps(state)) < 1000
    assert exact(next(iter(ds.batch(10).stream().resume(state)))) == exact(next(iterator))
    wide = hr.concat([Dataset(n=np.arange(number + 1)) for number in range(300)]).shuffle(0).batch(4)
    assert len(json.dumps(iter(wide.stream()).state_dict())) < 1000
