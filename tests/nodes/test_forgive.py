"""Records that fail, in any step of any chain: left out, replaced, tried again; all others are what they were."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import Batch, Dataset, OrderError, Ragged, RecordError, Retry, Stream
from headrace.core.failures import OnError
from headrace.nodes.crossing import Crossing
from headrace.nodes.forgive import Skipped
from headrace.testing.stages import alike, check_cuts

N = 24


class Rows:
    """A source that is read row by row, and fails on some."""

    def __init__(self, bad: set[int], error: type[Exception] = OSError) -> None:
        self.bad, self.error = bad, error
        self.reads: Counter[int] = Counter()

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.reads[index] += 1
        if index in self.bad:
            raise self.error(f"row {index}")
        return {"n": index, "x": np.full(3, index, float)}


def failing(bad: set[int]) -> Callable[[Any], Any]:
    def fail(record: Any) -> Any:
        if int(record["n"]) in bad:
            raise ValueError(int(record["n"]))
        return record

    return fail


def failing_batch(bad: set[int]) -> Callable[[Any], Any]:
    def fail(batch: Batch) -> Batch:
        found = [n for n in np.asarray(batch["n"]).tolist() if n in bad]
        if found:
            raise ValueError(found[0])
        return batch

    return fail


def noisy(record: Any, rng: np.random.Generator) -> Any:
    return {**record, "noise": rng.random()}


def noisy_batch(batch: Batch, rng: Any) -> Any:
    return batch.with_columns(rows=rng.random())


def columns() -> Dataset:
    text = Ragged.from_rows([np.arange(n % 4) for n in range(N)])
    return Dataset(n=np.arange(N), x=np.arange(N * 3.0).reshape(N, 3), text=text)


SHAPES: dict[str, Callable[[Dataset], Dataset]] = {
    "as it is": lambda ds: ds,
    "shuffled": lambda ds: ds.shuffle(0),
    "a share": lambda ds: ds.shuffle(1).shard(1, 3),
    "padded shares": lambda ds: ds.shuffle(1).shard(2, 5, remainder="drop"),
    "one after the other": lambda ds: ds.take(7) + ds.shuffle(2),
    "mixed": lambda ds: hr.mix([ds.shuffle(0), ds.take(9).shuffle(1)], [2, 1], "longest"),
    "a part": lambda ds: ds.split(train=0.7, val=0.3, seed=1).train.shuffle(0),
    "repeated": lambda ds: ds.shuffle(0).repeat(2).skip(3),
    "chosen": lambda ds: ds[[5, 3, 3, 20, 1, 0, 9]].shuffle(0),
    "sampled": lambda ds: ds.sample(30, seed=0, replace=True),
}


@given(
    shape=st.sampled_from(sorted(SHAPES)),
    bad=st.sets(st.integers(0, N - 1)),
    size=st.integers(0, 7),
    batched=st.booleans(),
    drop=st.booleans(),
)
@settings(max_examples=80)
def test_other_records_of_any_chain_are_what_they_were(
    shape: str, bad: set[int], size: int, batched: bool, drop: bool
) -> None:
    def chain(fails: Any) -> Dataset:
        ds = SHAPES[shape](columns())
        ds = ds.map_batches(fails) if batched else ds.map(fails)
        ds = ds.map(noisy, seed=1).map_batches(noisy_batch, seed=2)
        return ds.batch(size, drop_remainder=drop) if size else ds

    whole = chain(lambda records: records).stream(2).list()
    stream = chain((failing_batch if batched else failing)(bad)).stream(2, on_error="skip")
    expected = []
    for item in whole:
        if not size:
            expected += [item] if item["n"] not in bad else []
        else:
            rows = [row for row in item.rows() if row["n"] not in bad]
            expected += [rows] if rows else []
    found = [item.rows() if size else item for item in stream]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert alike(one, other)
    seen = {int(n) for item in whole for n in np.atleast_1d(item["n"])}
    assert {failure.record % N for failure in stream.errors} == seen & bad
    assert all(failure.stage.startswith("map") and not failure.replaced for failure in stream.errors)


@given(bad=st.sets(st.integers(0, N - 1), max_size=6), size=st.integers(1, 7), epochs=st.integers(1, 2))
@settings(max_examples=15)
def test_a_run_that_leaves_records_out_may_be_cut_anywhere(bad: set[int], size: int, epochs: int) -> None:
    node = columns().shuffle(0).map(failing(bad)).map(noisy, seed=0).batch(size)._node
    check_cuts(Crossing(node, epochs, on_error="skip"))


@pytest.mark.parametrize("error", [OSError, KeyError, StopIteration, RuntimeError])
@pytest.mark.parametrize("size", [0, 1, 5, 24])
def test_a_source_that_fails_on_records(error: type[Exception], size: int) -> None:
    bad = {0, 6, 7, 23}
    ds = Dataset(Rows(bad, error)).shuffle(0).map(lambda row: {**row, "y": row["n"] * 2})
    stream = (ds.batch(size) if size else ds).stream(on_error="skip")
    order = [n for n in Dataset(range(N)).shuffle(0) if n not in bad]
    assert [int(n) for item in stream for n in np.atleast_1d(item["n"])] == order
    assert sorted(failure.record for failure in stream.errors) == sorted(bad)
    assert {failure.stage for failure in stream.errors} == {failure.source for failure in stream.errors}
    assert all(type(failure.error) is error for failure in stream.errors)


def test_a_function_is_given_the_number_of_a_record_that_cannot_be_read() -> None:
    given: list[Any] = []

    def instead(error: Exception, record: Any) -> Any:
        given.append((type(error), record))
        return hr.SKIP if record == 7 else {"n": -1, "x": np.zeros(3)}

    stream = Dataset(Rows({3, 7})).batch(8).stream(on_error=instead)
    first, *_ = stream
    assert first["n"].tolist() == [0, 1, 2, -1, 4, 5, 6]
    assert [record for _, record in given] == [3, 7]
    assert [(failure.record, failure.replaced) for failure in stream.errors] == [(3, True), (7, False)]


@pytest.mark.parametrize("size", [0, 4])
@pytest.mark.parametrize("kind", ["map", "map_batches", "source"])
def test_a_step_is_tried_as_often_as_was_asked_for_and_not_more(kind: str, size: int) -> None:
    """Waits are long: a record that is tried again for each way it is asked for would hold up a run for minutes."""
    calls: Counter[int] = Counter()

    def fail(record: Any) -> Any:
        calls[int(record["n"])] += 1
        if record["n"] == 9:
            raise OSError
        return record

    def fail_batch(batch: Batch) -> Any:
        calls.update(np.asarray(batch["n"]).tolist())
        return failing_batch({9})(batch)

    for then in ("skip", "raise"):
        calls.clear()
        rows = Rows({9} if kind == "source" else set())
        ds = Dataset(rows)
        if kind != "source":
            ds = ds.map(fail) if kind == "map" else ds.map_batches(fail_batch)
        slept: list[float] = []
        policy = _Counting(2, 0.0, then=then)
        policy.__dict__["slept"] = slept
        stream = (ds.batch(size) if size else ds).stream(on_error=policy)
        if then == "raise":
            with pytest.raises(RecordError, match="9"):
                stream.list()
        else:
            assert sum(np.atleast_1d(item["n"]).size for item in stream) == N - 1
        assert len(slept) == 1, "it was tried again more than once"


class _Counting(Retry):
    """Notes each time that tries begin."""

    def waits(self) -> list[float]:
        self.__dict__["slept"].append(1.0)
        return super().waits()


def test_a_step_that_works_at_the_second_try() -> None:
    tries: Counter[int] = Counter()

    def flaky(record: Any) -> Any:
        record["n"] = record["n"] + 100  # what it was given is written to, before it fails
        record["x"] += 1
        tries[int(record["n"])] += 1
        if record["n"] % 3 == 0 and tries[int(record["n"])] < 3:
            raise OSError
        return record

    for source in (columns(), Dataset(columns().list()), Dataset(Rows(set()))):
        for size in (0, 5):
            tries.clear()
            ds = source.map(lambda record: {**record, "x": np.array(record["x"])}).map(flaky)
            stream = (ds.batch(size) if size else ds).stream(on_error=Retry(2, wait=0))
            found = stream.list()
            numbers = [int(n) for item in found for n in np.atleast_1d(item["n"])]
            assert numbers == [n + 100 for n in range(N)]
            first = np.atleast_2d(found[0]["x"])[0]
            assert first.tolist() == (np.asarray(source[0]["x"]) + 1).tolist()
            assert stream.errors == []


def test_only_some_kinds_of_errors_are_tried_again() -> None:
    calls: Counter[int] = Counter()

    def fail(number: int) -> int:
        calls[number] += 1
        if number in (2, 5):
            raise (OSError if number == 2 else ValueError)(number)
        return number

    stream = Dataset(range(8)).map(fail).batch(1).stream(on_error=Retry(3, wait=0, then="skip", only=OSError))
    assert [batch.tolist() for batch in stream] == [[0], [1], [3], [4], [6], [7]]
    assert (calls[2], calls[5]) == (4, 1)


def test_a_map_may_have_a_policy_of_its_own() -> None:
    def chain(first: OnError | None, second: OnError | None) -> Dataset:
        return columns().map(failing({1, 2}), on_error=first).map(failing({2, 3}), on_error=second).batch(6)

    def left(ds: Dataset, on_error: OnError) -> list[int]:
        return [int(n) for n in next(iter(ds.stream(on_error=on_error)))["n"]]

    assert left(chain("skip", "skip"), "raise") == [0, 4, 5]
    assert left(chain(None, None), "skip") == [0, 4, 5]
    with pytest.raises(RecordError, match="record 3"):
        left(chain("skip", None), "raise")
    with pytest.raises(RecordError, match="record 1"):
        left(chain("raise", None), "skip")
    assert left(chain(lambda error, record: {**record, "n": 90 + record["n"]}, "skip"), "raise") == [0, 91, 92, 4, 5]


def test_a_map_of_batches_leaves_out_whole_ones() -> None:
    def fail(batch: Batch) -> Batch:
        if 5 in batch["n"]:
            raise ValueError
        return batch

    for ds in (columns().batch(4).map(fail), columns().batch(4).map_batches(fail)):
        stream = ds.stream(on_error="skip")
        assert [batch["n"][0] for batch in stream] == [0, 8, 12, 16, 20]
        assert [(failure.record, failure.position) for failure in stream.errors] == [(4, 1)]


def test_padded_and_collated_batches_shrink_alike() -> None:
    padded = columns().map(failing({3})).batch(4, pad=0).stream(on_error="skip").list()
    assert padded[0]["text"].tolist() == [[0, 0], [0, 0], [0, 1]] and padded[0]["text_length"].tolist() == [0, 1, 2]
    collated = columns().map(failing({3})).batch(4, collate=lambda rows: [row["n"] for row in rows])
    assert collated.stream(on_error="skip").first() == [0, 1, 2]
    nested = columns().map(failing({0, 1, 9})).batch(2).batch(3).stream(on_error="skip").list()
    assert len(nested) == 4


def test_side_by_side_a_record_goes_with_its_neighbour() -> None:
    pairs = hr.zip(columns().map(failing({2})), columns().shuffle(0).map(failing({7}))).batch(5)
    stream = pairs.stream(on_error="skip")
    shuffled = [record["n"] for record in columns().shuffle(0)]
    kept = [n for n in range(N) if n != 2 and shuffled[n] != 7]
    found = [int(n) for batch in stream for n in (batch[0] if isinstance(batch, tuple) else batch)["n"]]
    assert found == kept
    assert len(stream.errors) == 2


def test_all_records_of_batches_of_epochs_and_of_everything() -> None:
    ds = columns().map(failing(set(range(8, 16)))).batch(4)
    assert [batch["n"][0] for batch in ds.stream(on_error="skip")] == [0, 4, 16, 20]
    nothing = columns().map(failing(set(range(N))))
    for chain in (nothing, nothing.batch(4)):
        assert chain.stream(3, on_error="skip").list() == []
        with pytest.raises(OrderError, match="all records of an epoch were left out by on_error"):
            next(iter(chain.stream(None, on_error="skip")))
    one = columns().shuffle(0).map(failing(set(range(1, N))))
    assert [record["n"] for record in one.stream(None, on_error="skip").take(5)] == [0] * 5


def test_an_order_that_looks_at_every_record_cannot_leave_one_out() -> None:
    ds = columns().map(failing({3}), on_error="skip")
    with pytest.raises(RecordError, match=r"looks at every record beforehand, and cannot leave one out: .* record 3 "):
        ds.filter(lambda record: record["n"] > 1).list()
    with pytest.raises(RecordError, match="looks at every record beforehand"):
        ds.sort_by("x").list()
    below = columns().filter(lambda record: record["n"] > 1).map(failing({3}), on_error="skip")
    assert [record["n"] for record in below] == [2, *range(4, N)]


def test_a_record_alone_says_that_it_is_left_out() -> None:
    ds = columns().map(failing({3}), on_error="skip")
    assert ds[2]["n"] == 2
    with pytest.raises(Skipped, match=r"map\(fail\) failed on record 3 .*left out"):
        ds[3]
    assert [record["n"] for record in ds] == [0, 1, 2, *range(4, N)]
    assert ds.collect()["n"].tolist() == [0, 1, 2, *range(4, N)]


def test_skip_is_for_on_error_only() -> None:
    for ds in (Dataset(range(4)).map(lambda n: hr.SKIP), Dataset(range(4)).map(lambda n, rng: hr.SKIP, seed=0)):
        for chain in (ds, ds.batch(2)):
            with pytest.raises(RecordError, match=r"record 0 .*it returned SKIP, which only an on_error function may"):
                chain.stream().list()


def test_a_function_that_fails_itself_is_named_with_the_record() -> None:
    def instead(error: Exception, record: Any) -> Any:
        raise LookupError("nothing to put there")

    stream = columns().map(failing({3})).batch(4).stream(on_error=instead)
    with pytest.raises(RecordError, match=r"on_error=instead failed on .*LookupError.*the record: .* record 3 "):
        stream.list()

    def over(error: Exception, record: Any) -> Any:
        raise error

    with pytest.raises(RecordError, match=r"map\(fail\) failed on record 3 .*ValueError: 3") as raised:
        columns().map(failing({3})).batch(4).stream(on_error=over).list()
    assert isinstance(raised.value.__cause__, ValueError)


def test_a_function_is_asked_once_for_each_record_and_may_give_the_same_thing_again() -> None:
    asked: list[int] = []
    blank = {"n": -1, "x": np.zeros(3), "text": np.arange(2)}

    def instead(error: Exception, record: Any) -> Any:
        asked.append(record["n"])
        return blank if record["n"] != 9 else hr.SKIP

    ds = columns().map(failing({2, 5, 9})).map(lambda record: {**record, "x": record["x"].__iadd__(1)}).batch(6)
    found = ds.stream(on_error=instead).list()
    assert asked == [2, 5, 9]
    assert found[0]["x"][2].tolist() == found[0]["x"][5].tolist() == [1, 1, 1]
    assert blank["x"].tolist() == [0, 0, 0]  # type: ignore[attr-defined]


def test_what_was_left_out_holds_no_batch_in_memory() -> None:
    made: list[weakref.ref[Any]] = []

    def decode(record: Any) -> Any:
        image = np.zeros(1000)
        made.append(weakref.ref(image))
        return {"n": record["n"], "image": image}

    for size in (0, 6):
        made.clear()
        ds = columns().map(decode).map(failing({2, 9, 20}))
        stream = (ds.batch(size) if size else ds).stream(on_error=Retry(1, wait=0, then="skip"))
        for item in stream:
            del item
        assert len(stream.errors) == 3 and "in fail" in stream.errors[0].error.__notes__[0]
        assert sum(image() is not None for image in made) == 0


def test_failures_of_a_stream_map_hold_no_item_in_memory() -> None:
    made: list[weakref.ref[Any]] = []

    def decode(number: int) -> Any:
        image = np.zeros(1000)
        made.append(weakref.ref(image))
        if number % 3 == 0:
            raise ValueError
        return image

    stream = Stream(range(9)).map(decode, on_error="skip")
    for item in stream:
        del item
    assert len(stream.errors) == 3
    assert sum(image() is not None for image in made) == 0
