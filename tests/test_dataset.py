"""The random-access layer as its user sees it: a pure function of (epoch, position), whatever the chain."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import ArgumentError, Batch, ColumnError, Dataset, EndlessError, KindError, OrderError
from headrace.core.address import At
from headrace.core.records import to_columns
from headrace.nodes.node import Context
from tests.strategies import Chain, chains

EPOCHS = 3


# The laws of a chain, against a model in plain lists


@settings(max_examples=600)
@given(chain=chains())
def test_a_chain_gives_in_every_epoch_what_its_model_in_lists_gives(chain: Chain) -> None:
    ds, model = chain.dataset, chain.model
    records = [model.at(epoch) for epoch in range(EPOCHS)]
    assert len(ds) == len(records[0])
    assert bool(ds) == bool(records[0])
    assert list(ds) == ds.list() == records[0]
    assert list(ds.stream(epochs=EPOCHS)) == [record for epoch in records for record in epoch]
    assert list(reversed(ds)) == records[0][::-1]
    for position, record in enumerate(records[0]):
        assert ds[position] == ds[position - len(ds)] == ds[np.int32(position)] == record
    for outside in (len(ds), -len(ds) - 1):
        with pytest.raises(IndexError, match=rf"record {outside} of a dataset of {len(ds)}"):
            ds[outside]
    if records[0]:
        assert ds.first() == records[0][0]
        columns = ds.collect()
        assert {name: columns[name].tolist() for name in columns} == {
            name: [record[name] for record in records[0]] for name in ("id", "x")
        }


@settings(max_examples=200)
@given(chain=chains(), data=st.data())
def test_addresses_can_be_read_in_any_order_many_epochs_at_once(chain: Chain, data: st.DataObject) -> None:
    records = [chain.model.at(epoch) for epoch in range(EPOCHS)]
    if not records[0]:
        return
    places = st.tuples(st.integers(0, EPOCHS - 1), st.integers(0, len(records[0]) - 1))
    asked = data.draw(st.lists(places, min_size=1, max_size=12))
    epochs, positions = (np.array(side, np.int64) for side in zip(*asked, strict=True))
    read = chain.dataset._node.read(At(positions, epochs), Context())
    expected = [records[epoch][position] for epoch, position in asked]
    assert to_columns(read).rows() == expected
    assert chain.dataset._node.ids(At(positions, epochs)).tolist() == [record["id"] for record in expected]


@settings(max_examples=300)
@given(chain=chains())
def test_indices_are_what_a_column_of_ids_shows_and_step_of_is_their_inverse(chain: Chain) -> None:
    ds = chain.dataset
    assert ds._node.universe == chain.model.universe
    for epoch in range(EPOCHS):
        ids = [record["id"] for record in chain.model.at(epoch)]
        assert [ds.indices(position, epoch).tolist() for position in range(len(ds))] == [[number] for number in ids]
        for record in range(chain.model.universe):
            assert ds.step_of(record, epoch) == (ids.index(record) if record in ids else None)


@settings(max_examples=200)
@given(chain=chains(), size=st.integers(1, 7), drop=st.booleans())
def test_batches_are_the_records_of_an_epoch_cut_and_know_what_they_hold(chain: Chain, size: int, drop: bool) -> None:
    batches = chain.dataset.batch(size, drop_remainder=drop)
    stream = iter(batches.stream(epochs=EPOCHS))
    for epoch in range(EPOCHS):
        records = chain.model.at(epoch)
        cut = [records[start : start + size] for start in range(0, len(records), size)]
        cut = [rows for rows in cut if len(rows) == size or not drop]
        assert len(batches) == len(cut)
        for step, rows in enumerate(cut):
            batch = next(stream)
            assert isinstance(batch, Batch)
            assert batch.rows() == rows
            assert batches.indices(step, epoch).tolist() == [row["id"] for row in rows]
            if epoch == 0:
                assert batches[step] == batches[step - len(cut)] == batch
        for record in range(chain.model.universe):
            steps = [step for step, rows in enumerate(cut) if record in [row["id"] for row in rows]]
            assert batches.step_of(record, epoch) == min(steps, default=None)
    assert next(stream, None) is None


@settings(max_examples=100)
@given(chain=chains(), seed=st.integers(0, 3), rest=st.integers(0, 2))
def test_a_filter_after_a_shuffle_is_the_shuffle_of_what_a_filter_keeps(chain: Chain, seed: int, rest: int) -> None:
    if chain.model.place() != len(chain.model.ops) or chain.model.count("noise"):
        return

    def keep(record: dict[str, int]) -> bool:
        return record["x"] % 3 != rest

    after = chain.dataset.shuffle(seed).filter(keep)
    before = chain.dataset.filter(keep).shuffle(seed)
    kept = [record for record in chain.model.at(0) if keep(record)]
    assert len(after) == len(before) == len(kept)
    assert after.stream(epochs=EPOCHS).list() == before.stream(epochs=EPOCHS).list()
    assert sorted((record["id"], record["x"]) for record in after) == sorted((row["id"], row["x"]) for row in kept)
    assert [after[position] for position in range(len(after))] == after.list()


@settings(max_examples=100)
@given(chain=chains())
def test_repr_reads_nothing_and_never_fails(chain: Chain) -> None:
    assert repr(chain.dataset).startswith("Dataset(")


# As a sequence


def test_what_is_asked_for_by_number_slice_list_and_mask() -> None:
    ds = Dataset(n=np.arange(10))
    assert ds[3] == ds[np.uint8(3)] == ds[-7] == ds[np.array(3)] == {"n": 3}
    assert [record["n"] for record in ds[2:8:3]] == [2, 5]
    for chosen in ([5, 1], (5, 1), np.array([5, 1], np.uint16), np.array([-5, -9])):
        assert [record["n"] for record in ds[chosen]] == [5, 1]
    mask = np.arange(10) % 4 == 0
    assert [record["n"] for record in ds[mask]] == [record["n"] for record in ds[mask.tolist()]] == [0, 4, 8]
    assert ds[[]].list() == ds[np.zeros(10, bool)].list() == []
    assert [record["n"] for record in ds.shuffle(0)[[0, 0]]] == [ds.shuffle(0)[0]["n"]] * 2


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (10, IndexError, "record 10 of a dataset of 10"),
        (-11, IndexError, "record -11 of a dataset of 10"),
        ([0, 10], IndexError, "record 10 of a dataset of 10"),
        ([0, -11], IndexError, "record -11 of"),
        (np.array([2**64 - 1], np.uint64), IndexError, "record 18446744073709551615"),
        ([2**64], KindError, "integers or booleans"),
        ([True] * 9, IndexError, "a mask of 9 booleans for a dataset of 10"),
        (np.zeros((2, 2), int), KindError, r"got int64 of shape \(2, 2\)"),
        ([0.5], KindError, "must hold integers or booleans, got float64"),
        (["n"], KindError, "must hold integers"),
        ("n", KindError, r"asked for by number: \['n'\] of a record, or select\('n'\) for the column"),
        (1.0, KindError, "an integer, a slice, a list of integers or a boolean mask, not float"),
        (None, KindError, "not NoneType"),
        (b"n", KindError, "not bytes"),
        ({1}, KindError, "not set"),
        (..., KindError, "not ellipsis"),
        (slice("a"), TypeError, "str"),
        (slice(0.5, None), TypeError, "float"),
        (slice(None, None, 0), ValueError, "step must not be 0"),
    ],
    ids=str,
)
def test_what_is_no_place_is_refused_in_words(key: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Dataset(range(10))[key]


def test_the_snippets_of_the_first_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    Dataset(range(10)).filter(lambda x: x % 2 == 1).foreach(print)
    assert capsys.readouterr().out == "1\n3\n5\n7\n9\n"
    assert sum(Dataset(range(10)).map(lambda x: x + 1)) == 55
    pairs = Dataset(np.array([[1, 2, 3], [4, 5, 6]]), [0, 1])
    pairs.foreach(print)
    assert capsys.readouterr().out == "(array([1, 2, 3]), 0)\n(array([4, 5, 6]), 1)\n"
    named = Dataset(features=np.array([[1, 2, 3], [4, 5, 6]]), labels=[0, 1])
    named.foreach(print)
    assert capsys.readouterr().out.startswith("{'features': array([1, 2, 3]), 'labels': 0}\n")
    assert [len(batch) for batch in Dataset(range(10)).batch(4)] == [4, 4, 2]
    assert Dataset(range(3)).list() == [0, 1, 2]
    assert named.collect()["labels"].tolist() == [0, 1]
    x, y = pairs.collect()
    assert (x.shape, y.tolist()) == ((2, 3), [0, 1])
    endless = iter(Dataset(range(3)).repeat())
    assert [next(endless) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]
    train, val = Dataset(range(10)).split(train=0.9, val=0.1, seed=0)
    assert (len(train), len(val)) == (9, 1)
    for batch_x, batch_y in pairs.shuffle(seed=0).batch(2):
        assert (batch_x.shape, batch_y.shape) == ((2, 3), (2,))


def test_parts_answer_by_order_name_and_number() -> None:
    parts = Dataset(range(10)).split(train=0.8, val=0.2)
    train, val = parts
    assert parts.train is parts["train"] is parts[0] is train
    assert (parts[-1], len(parts), parts.keys()) == (val, 2, ["train", "val"])
    assert [name for name, _ in parts.items()] == ["train", "val"]
    with pytest.raises(ColumnError, match="no part 'test'; there are 'train', 'val'"):
        parts["test"]
    with pytest.raises(AttributeError, match="no part 'test'; there are 'train', 'val'"):
        _ = parts.test
    assert [list(part) for part in pickle.loads(pickle.dumps(parts))] == [list(train), list(val)]
    assert not hasattr(parts, "__array__")


# Without an end


def test_an_endless_dataset_is_true_and_refuses_by_name_what_needs_an_end() -> None:
    ds = Dataset(x=np.arange(4)).repeat()
    assert ds
    assert (ds[0], ds[10**12 + 2]) == ({"x": 0}, {"x": 2})
    needs_end: dict[str, Any] = {
        "an endless dataset has no length": lambda: len(ds),
        r"\[-1\] counts from the end": lambda: ds[-1],
        r"\[-3\] counts from the end": lambda: ds[[2, -3]],
        r"\[-2:\] counts from the end": lambda: ds[-2:],
        r"\[::-1\] counts from the end": lambda: ds[::-1],
        r"\[:-1\] counts": lambda: ds[:-1],
        "counts from the end, and an": lambda: reversed(ds),
        r"list\(\) needs an end": lambda: ds.list(),
        r"collect\(\) needs an end": lambda: ds.collect(),
        r"split\(\) needs an end": lambda: ds.split(a=0.5, b=0.5),
        "a mask has a value for each record": lambda: ds[np.array([True, False])],
        r"sort_by\(\) needs an end": lambda: ds.sort_by("x"),
        r"group_by\('x'\) needs an end": lambda: ds.group_by("x"),
    }
    for words, call in needs_end.items():
        with pytest.raises(EndlessError, match=words):
            call()
    for call in (lambda: list(ds), lambda: tuple(ds), lambda: sorted(ds), lambda: [*ds]):
        with pytest.raises(ArgumentError, match=r"cannot become a list: take\(n\) of it first"):
            call()
    with pytest.raises(OrderError, match=r"take\(n\) first, or shuffle before repeat"):
        ds.shuffle(0)


def test_an_endless_dataset_can_be_cut_dealt_batched_and_zipped() -> None:
    ds = Dataset(np.arange(4)).shuffle(0).repeat()
    first = ds.take(10).list()
    assert sorted(first[:4]) == sorted(first[4:8]) == [0, 1, 2, 3]
    assert ds[2:8].list() == first[2:8]
    assert ds[2::3].take(2).list() == [first[2], first[5]]
    assert ds[[9, 0]].list() == [first[9], first[0]]
    assert ds.skip(3).take(4).list() == first[3:7]
    assert ds.batch(3)[2].tolist() == first[6:9]
    assert ds.shard(1, 3).take(2).list() == [first[1], first[4]]
    assert [pair[1] for pair in hr.zip(Dataset(range(5)), ds)] == first[:5]
    assert ds.map(lambda x: -x)[4] == -first[4]
    assert ds.repeat(2).take(3).list() == first[:3]
    assert ds.indices(6).tolist() == [first[6]]
    assert ds.step_of(first[2]) == 2
    assert [batch.tolist() for _, batch in zip(range(2), ds.batch(4).stream())] == [first[:4], first[4:8]]
    assert repr(ds.batch(4).shard(0, 2)).startswith("Dataset(endless records")


# Purity


def test_batches_that_are_kept_never_change_when_later_ones_are_read() -> None:
    image = np.arange(40 * 30_000, dtype=np.float32).reshape(40, 30_000)  # large enough for buffers to be used again
    batches = Dataset(image=image, n=np.arange(40)).shuffle(0).batch(6)
    keepers: list[Any] = [
        lambda batch: batch,
        lambda batch: batch["image"],
        lambda batch: batch["image"][1:, 5],
        lambda batch: memoryview(batch["image"]),
        lambda batch: batch.rows()[2],
        lambda batch: batch[1:3],
        lambda batch: batch["image"].T[::7],
        lambda batch: np.lib.stride_tricks.sliding_window_view(batch["image"], (2, 2)),
    ]
    for keep in keepers:
        kept, copies = [], []
        for batch in batches.stream(epochs=3):
            kept.append(keep(batch))
            copies.append(pickle.dumps(batch))
        for held, pickled in zip(kept, copies, strict=True):
            assert same_bytes(held, keep(pickle.loads(pickled)))
    for batch in list(batches.stream()):
        assert (batch["image"][:, 0] == batch["n"] * 30_000).all()
    rows = [batch["image"][0] for batch in batches]
    assert [int(row[0]) // 30_000 for row in rows] == [int(batches.indices(step)[0]) for step in range(len(batches))]


def same_bytes(a: Any, b: Any) -> bool:
    if isinstance(a, Batch):
        return bool(a == b)
    if isinstance(a, dict):
        return all(same_bytes(a[name], b[name]) for name in a)
    return bool(np.array_equal(np.asarray(a), np.asarray(b)))


@pytest.mark.torch
def test_tensors_made_of_a_batch_never_change_when_later_ones_are_read() -> None:
    torch = pytest.importorskip("torch")
    image = np.arange(40 * 30_000, dtype=np.float32).reshape(40, 30_000)
    kept = [torch.from_numpy(batch["image"]) for batch in Dataset(image=image).shuffle(0).batch(6).stream(epochs=3)]
    order = [int(tensor[0, 0]) // 30_000 for tensor in kept]
    again = Dataset(image=image).shuffle(0).batch(6)
    assert order == [int(again.indices(step, epoch)[0]) for epoch in range(3) for step in range(len(again))]


def test_writing_into_batches_changes_neither_the_source_nor_what_comes_later() -> None:
    image = np.ones((40, 30_000), np.float32)
    ds = Dataset(image=image).shuffle(0)
    for batch in ds.batch(6).stream(epochs=3):
        assert (batch["image"] == 1).all()
        batch["image"][:] = np.nan
    for record in ds.take(3):
        assert (record["image"] == 1).all()
        record["image"][:] = np.nan
    ds.collect()["image"][:] = np.nan
    (ds + ds).collect()["image"][:] = np.nan
    hr.zip(ds, ds).collect()[0]["image"][:] = np.nan
    assert (image == 1).all()


def test_a_record_is_the_same_whatever_was_read_before() -> None:
    ds = Dataset(n=np.arange(50)).shuffle(0).map(noisy, seed=1).batch(7)
    alone = [pickle.dumps(Dataset(n=np.arange(50)).shuffle(0).map(noisy, seed=1).batch(7)[step]) for step in range(8)]
    random = np.random.default_rng(0)
    for step in random.integers(0, 8, 100).tolist():
        assert pickle.dumps(ds[step]) == alone[step]


def noisy(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {**record, "noise": rng.random(3)}


def pipeline() -> Dataset:
    image = np.arange(60 * 8_000, dtype=np.float32).reshape(60, 8_000)
    return Dataset(image=image, n=np.arange(60)).shuffle(0).filter(odd).map(noisy, seed=1).batch(4)


def odd(record: dict[str, Any]) -> bool:
    return bool(record["n"] % 3)


def test_iterators_of_one_dataset_may_take_turns() -> None:
    ds = pipeline()
    expected = [pickle.dumps(batch) for batch in pipeline().stream(2)]
    iterators = [iter(ds.stream(2)) for _ in range(3)]
    found: list[list[bytes]] = [[], [], []]
    held = []
    random = np.random.default_rng(0)
    while any(len(one) < len(expected) for one in found):
        at = int(random.integers(0, 3))
        if (batch := next(iterators[at], None)) is not None:
            held.append(batch)
            found[at].append(pickle.dumps(batch))
    assert found == [expected] * 3


def test_threads_may_share_a_dataset() -> None:
    ds = pipeline()
    expected = [pickle.dumps(batch) for batch in pipeline()]

    def read(seed: int) -> bool:
        if seed % 2:
            return [pickle.dumps(batch) for batch in ds] == expected
        steps = np.random.default_rng(seed).permutation(len(expected)).tolist()
        return all(pickle.dumps(ds[step]) == expected[step] for step in steps)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(12)))


def test_one_iterator_may_be_drawn_from_by_threads_in_turn() -> None:
    lock, iterator = threading.Lock(), iter(pipeline().stream())

    def draw(_: int) -> Any:
        with lock:
            return next(iterator, None)

    with ThreadPoolExecutor(4) as pool:
        batches = [batch for batch in pool.map(draw, range(14)) if batch is not None]
    assert sorted(batch["n"][0] for batch in batches) == sorted(batch["n"][0] for batch in pipeline())
    for batch in batches:
        assert (batch["image"][:, 0] == batch["n"] * 8_000).all()


FRESH = """
import pickle, sys
dataset = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps([pickle.dumps(item) for item in dataset.stream(epochs=2)]))
"""


def test_a_dataset_gives_the_same_in_a_fresh_process() -> None:
    limit = 5
    chains: list[Dataset] = [
        pipeline(),
        Dataset(range(20)).filter(lambda x: x > limit).map(lambda x, rng: x + rng.random(), seed=0).shuffle(1),
        Dataset([{"a": at, "b": "x" * at} for at in range(9)]).sort_by(lambda record: -record["a"]).batch(2),
        hr.mix([Dataset(range(7)).shuffle(0), Dataset(range(70, 73))], [2, 1], "longest").batch(3),
        Dataset(x=hr.Ragged.from_rows([[1], [2, 3], []])).shuffle(0).batch(2, pad=0),
        Dataset(np.arange(5), np.arange(5)).split(a=0.5, b=0.5, seed=0).a.repeat(2),
    ]
    for ds in chains:
        expected = [pickle.dumps(item) for item in ds.stream(epochs=2)]
        command = [sys.executable, "-W", "error", "-c", FRESH]
        fresh = subprocess.run(command, input=cloudpickle.dumps(ds), capture_output=True, check=False)
        assert fresh.returncode == 0, fresh.stderr.decode()
        assert pickle.loads(fresh.stdout) == expected
        assert [pickle.dumps(item) for item in copy.deepcopy(ds).stream(epochs=2)] == expected


def test_a_pickled_dataset_brings_no_permutations_buffers_or_open_columns() -> None:
    ds = Dataset(n=np.arange(1000)).shuffle(0).repeat(3).batch(10)
    list(ds)
    assert len(pickle.dumps(ds)) < 9_500  # the column, and little else


# Small things


def test_arguments_that_cannot_be_meant_are_refused_where_they_are_given() -> None:
    ds = Dataset(range(5))
    calls: dict[str, Any] = {
        "a seed is a non-negative integer, got -1": lambda: ds.shuffle(-1),
        "a seed is a non-negative integer, got 1.5": lambda: ds.shuffle(1.5),  # type: ignore[arg-type]
        "a seed is a non-negative integer, got None": lambda: ds.shuffle(None),  # type: ignore[arg-type]
        "a seed is a non-negative integer, got True": lambda: ds.shuffle(True),
        "got '0'": lambda: ds.shuffle("0"),  # type: ignore[arg-type]
        "method must be 'auto', 'explicit' or 'keyed'": lambda: ds.shuffle(0, method="fast"),  # type: ignore[arg-type]
        "n must be 0 or more, got -1": lambda: ds.take(-1),
        "n must be a whole number, got 1.0": lambda: ds.skip(1.0),  # type: ignore[arg-type]
        "n must be a whole number, got True": lambda: ds.take(True),
        "times must be 0 or more": lambda: ds.repeat(-1),
        "times must be a whole number": lambda: ds.repeat(2.0),  # type: ignore[arg-type]
        "epoch must be 0 or more": lambda: ds.indices(0, epoch=-1),
        "epoch must be a whole number": lambda: ds.step_of(0, epoch=0.5),  # type: ignore[arg-type]
    }
    for words, call in calls.items():
        with pytest.raises(ArgumentError, match=words):
            call()


def test_numpys_integers_are_as_good_as_pythons() -> None:
    ds = Dataset(range(10))
    two: Any = np.int16(2)
    assert ds.shuffle(two).list() == ds.shuffle(2).list()
    assert ds.take(two).list() == [0, 1]
    assert ds.repeat(two).take(12).list() == [*range(10), 0, 1]
    assert ds.shard(two, np.uint8(3)).list() == [2, 5, 8]  # type: ignore[arg-type]
    assert ds.sample(two, seed=two).list() == ds.sample(2, seed=2).list()
    assert len(ds.batch(two)) == 5
    assert len(list(ds.stream(two))) == 20
    assert ds.step_of(two) == 2


def test_seeds_and_epochs_share_no_order() -> None:
    ds = Dataset(range(100))
    orders = [
        tuple(ds.shuffle(seed).indices(at, epoch)[0] for at in range(100)) for seed in range(4) for epoch in range(4)
    ]
    assert len(set(orders)) == 16
    assert ds.shuffle(0).shuffle(0).list() != ds.shuffle(0).list()


def test_a_dataset_of_datasets_columns_and_of_its_own_batches() -> None:
    ds = Dataset(n=np.arange(6))
    assert Dataset(ds).list() == ds.list()
    assert Dataset(ds.collect()).list() == ds.list()
    assert Dataset(ds.batch(2).list()).list()[1] == Batch({"n": [2, 3]})
    assert Dataset(x=Dataset(range(3))).list() == [{"x": 0}, {"x": 1}, {"x": 2}]


def test_the_first_of_nothing_is_an_index_error_and_for_each_of_nothing_is_nothing() -> None:
    with pytest.raises(IndexError, match=r"first\(\): the dataset has no records"):
        Dataset([]).first()
    Dataset([]).foreach(lambda record: 1 / 0)
    assert Dataset(range(3)).first() == 0
