"""Maps: each record once, in its place, with random numbers that are its own, and failures that say where."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import ArgumentError, Batch, Dataset, KindError, RecordError, RowGenerator, SchemaError
from headrace.core.seeds import KeyedGenerator


def noisy(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {**record, "noise": float(rng.random())}


def noisy_rows(batch: Batch, rng: RowGenerator) -> Batch:
    return batch.with_columns(noise=rng.random())


def noise_of(ds: Dataset, epoch: int = 0) -> dict[int, float]:
    """Return the noise of each record of an epoch."""
    found: dict[int, float] = {}
    for position in range(len(ds)):
        item = ds._record(position, epoch)
        rows = item.rows() if isinstance(item, Batch) else [item]
        found.update((row["n"], row["noise"]) for row in rows)
    return found


# Random numbers


def test_the_numbers_are_those_of_the_generator_of_seed_place_epoch_and_position() -> None:
    ds = Dataset(n=np.arange(5)).map(noisy, seed=3)
    rngs = KeyedGenerator(3, "map", 0)
    for epoch in range(2):
        assert noise_of(ds, epoch) == {at: rngs.at(epoch, at).random() for at in range(5)}


@pytest.mark.parametrize("kind", ["map", "map_batches"])
@given(length=st.integers(1, 40), count=st.integers(1, 5), size=st.integers(1, 9), epoch=st.integers(0, 2))
def test_a_record_draws_the_same_for_any_readers_batches_and_ways_of_reading(
    kind: str, length: int, count: int, size: int, epoch: int
) -> None:
    def augmented(ds: Dataset) -> Dataset:
        return ds.map(noisy, seed=1) if kind == "map" else ds.map_batches(noisy_rows, seed=1)

    ds = Dataset(n=np.arange(length)).shuffle(0)
    whole = noise_of(augmented(ds), epoch)
    assert len(set(whole.values())) == length
    shares: list[Callable[[int], Dataset]] = [
        lambda at: augmented(ds).shard(at, count),
        lambda at: augmented(ds.shard(at, count)),
    ]
    for share in shares:
        served: dict[int, float] = {}
        for index in range(count):
            served.update(noise_of(share(index).batch(size), epoch))
        assert served == whole
    stream = list(augmented(ds).stream(epochs=epoch + 1))[epoch * length :]
    assert {item["n"]: item["noise"] for item in stream} == whole


def test_a_record_that_comes_again_draws_anew() -> None:
    ds = Dataset(n=np.zeros(6, np.int64)).map(noisy, seed=0)
    assert len({record["noise"] for record in ds}) == 6
    again = Dataset(n=np.arange(3)).map(noisy, seed=0).repeat(2).list()
    assert len({record["noise"] for record in again}) == 6
    first, second = (noise_of(Dataset(n=np.arange(3)).map(noisy, seed=0), epoch) for epoch in range(2))
    assert set(first.values()).isdisjoint(second.values())


def test_two_maps_of_one_seed_and_two_seeds_of_one_map_draw_different_numbers() -> None:
    def also(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {**record, "other": float(rng.random())}

    ds = Dataset(n=np.arange(4))
    both = ds.map(noisy, seed=0).map(also, seed=0)
    assert all(record["noise"] != record["other"] for record in both)
    assert set(noise_of(ds.map(noisy, seed=0)).values()).isdisjoint(noise_of(ds.map(noisy, seed=1)).values())


def batch_noise(batch: Batch, rng: np.random.Generator) -> Batch:
    return batch.with_columns(noise=np.full(len(batch), rng.random()))


@given(count=st.integers(1, 5), size=st.integers(1, 5), length=st.integers(1, 40))
def test_no_two_batches_of_an_epoch_draw_the_same_whoever_reads_them(count: int, size: int, length: int) -> None:
    drawn: list[float] = []
    for index in range(count):
        share = Dataset(n=np.arange(length)).shuffle(0).shard(index, count).batch(size)
        for mapped in (share.map(batch_noise, seed=0), share.map(dict).map(Batch).map(batch_noise, seed=0)):
            assert len(mapped) == len(share)
        drawn += [batch["noise"][0] for batch in share.map(batch_noise, seed=0)]
    assert len(set(drawn)) == len(drawn)


def test_batches_that_are_dealt_out_draw_as_they_would_undealt() -> None:
    batches = Dataset(n=np.arange(20)).batch(3)
    whole = noise_of(batches.map(batch_noise, seed=0))
    served: dict[int, float] = {}
    for index in range(2):
        served.update(noise_of(batches.map(batch_noise, seed=0).shard(index, 2)))
    assert served == whole


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True, [1]])
def test_seeds_that_are_no_numbers_are_refused(seed: Any) -> None:
    for step in (Dataset([1]).map, Dataset([1]).map_batches):
        with pytest.raises(ArgumentError, match="seed"):
            step(noisy, seed=seed)


@pytest.mark.parametrize("function", [None, "noisy", 3, {}])
def test_what_cannot_be_called_is_refused(function: Any) -> None:
    for step in (Dataset([1]).map, Dataset([1]).map_batches, Dataset([1]).filter):
        with pytest.raises(KindError, match="needs a function"):
            step(function)


# What a function is given, and what becomes of what it returns


def test_a_map_sees_records_and_a_batch_function_sees_columns_of_the_same_kind() -> None:
    assert Dataset(x=[1, 2]).map(lambda record: sorted(record)).list() == [["x"], ["x"]]
    assert Dataset([1, 2], [3, 4]).map(lambda record: record[0] + record[1]).list() == [4, 6]
    assert Dataset(x=[1, 2]).map_batches(lambda batch: batch["x"] * 2).list() == [2, 4]
    assert Dataset([1, 2], [3, 4]).map_batches(lambda columns: (columns[1], columns[0])).list() == [(3, 1), (4, 2)]
    assert Dataset(np.arange(3)).map_batches(lambda column: {"x": column, "y": -column})[2] == {"x": 2, "y": -2}
    assert Dataset([{"x": 1}]).map_batches(lambda batch: batch.rename({"x": "y"})).list() == [{"y": 1}]
    assert Dataset(x=np.arange(5)).batch(2).map(len).list() == [2, 2, 1]
    assert Dataset(x=np.arange(5)).batch(2).map_batches(len).list() == [2, 2, 1]


@given(length=st.integers(0, 50), cuts=st.integers(1, 7))
def test_a_row_wise_function_gives_the_same_however_records_are_cut(length: int, cuts: int) -> None:
    ds = Dataset(x=np.arange(length)).map_batches(lambda batch: batch.with_columns(y=batch["x"] ** 2))
    expected = [{"x": x, "y": x**2} for x in range(length)]
    assert ds.list() == expected
    assert [row for batch in ds.batch(cuts) for row in batch.rows()] == expected
    assert [ds[at] for at in range(length)] == expected


def test_a_function_that_returns_fewer_or_more_rows_is_refused() -> None:
    for function in (lambda x: x[:-1], lambda x: np.repeat(x, 2), lambda x: x[:1]):
        ds = Dataset(np.arange(5)).map_batches(function)
        with pytest.raises(SchemaError, match=r"map_batches\(lambda\) was given 3 rows and returned \d.*filter\(\)"):
            ds.batch(3)[0]
        with pytest.raises(SchemaError):  # also where it would pass one by one
            ds.list()


def test_a_function_that_returns_no_columns_is_refused() -> None:
    with pytest.raises(KindError, match="was a return forgotten") as error:
        Dataset(np.arange(5)).map_batches(lambda x: None).batch(2)[0]
    assert "in what map_batches(lambda) returned" in error.value.__notes__
    with pytest.raises(SchemaError, match="equal lengths"):
        Dataset(np.arange(5)).map_batches(lambda x: {"a": x, "b": x[1:]}).batch(2)[0]


def test_no_function_is_asked_what_it_makes_of_nothing() -> None:
    for empty in (Dataset([]), Dataset(x=[]), Dataset(x=[1]).filter(lambda record: False)):
        assert empty.map_batches(lambda batch: batch["x"].max()).list() == []
        assert len(empty.map_batches(lambda batch: batch["x"].max()).collect()) == 0
        assert len(empty.map(lambda record: 1 / 0).collect()) == 0


def test_a_function_may_write_into_what_it_is_given() -> None:
    x = np.zeros((4, 3))

    def halve(record: dict[str, Any]) -> dict[str, Any]:
        record["x"] += 1
        record["new"] = 1
        return record

    def scribble(batch: Batch) -> Batch:
        batch["x"][:] = 9
        return batch

    ds = Dataset(x=x)
    for _ in range(2):
        assert all((record["x"] == 1).all() for record in ds.map(halve))
        assert (ds.map_batches(scribble).collect()["x"] == 9).all()
        assert (ds.batch(3).map(scribble)[0]["x"] == 9).all()
    assert not x.any()
    assert "new" not in ds[0]


def test_a_function_may_return_views_of_what_it_is_given() -> None:
    x = np.arange(24.0).reshape(4, 6)
    ds = Dataset(x=x).map(lambda record: record["x"][1:4])
    batches = ds.batch(3).list()
    assert np.concatenate(batches).tolist() == x[:, 1:4].tolist()
    kept = ds.list()
    for _ in ds.batch(3).stream(epochs=3):
        pass
    assert np.array(kept).tolist() == x[:, 1:4].tolist()


def test_a_function_may_fill_one_array_again_and_again() -> None:
    whole, part, fields = np.zeros(2), np.zeros(4), {"x": 0}

    def fill_array(x: int) -> Any:
        whole[:] = x
        return whole

    def fill_dict(x: int) -> Any:
        fields["x"] = x
        return fields

    def fill_field(x: int) -> Any:
        part[:] = x
        return {"x": part, "n": x}

    expected = list(range(9))
    cases: list[tuple[Callable[[int], Any], Callable[[Any], Any]]] = [
        (fill_array, lambda record: record[1]),
        (fill_dict, lambda record: record["x"]),
        (fill_field, lambda record: record["x"][3]),
        (lambda x: (fill_field(x)["x"], x), lambda record: record[0][2]),
    ]
    for function, read in cases:
        ds = Dataset(range(9)).map(function)
        assert [read(record) for record in ds.list()] == expected
        assert [read(record) for record in ds] == expected
        assert [read(row) for batch in ds.batch(4) for row in _rows(batch)] == expected


def _rows(batch: Any) -> Any:
    return batch.rows() if isinstance(batch, Batch) else list(zip(*batch)) if isinstance(batch, tuple) else batch


def test_one_array_for_all_records_is_fine() -> None:
    constant = np.arange(3)
    ds = Dataset(range(5)).map(lambda x: {"x": x, "c": constant})
    batch = ds.batch(5)[0]
    batch["c"][:] = 0
    assert constant.tolist() == [0, 1, 2]


# Failures


def half(x: int) -> float:
    return 1 / (x - 3)


FAILING: dict[str, tuple[Callable[[], Any], str]] = {
    "a record": (
        lambda: Dataset(range(6)).map(half)[3],
        r"map\(half\) failed on record 3 \(epoch 0, position 3\): ZeroDivisionError: .* \(half is in .*test_maps:\d+\)",
    ),
    "in a stream": (lambda: list(Dataset(range(6)).map(half).stream()), r"record 3 \(epoch 0, position 3\)"),
    "in a later epoch": (
        lambda: list(
            Dataset(range(6)).shuffle(0).map(lambda x, rng: rng.random() and 1 / (rng.random() > 0.1), 0).stream(9)
        ),
        r"record \d \(epoch \d, position \d\)",
    ),
    "in a batch": (lambda: Dataset(range(6)).map(half).batch(4)[0], r"record 3 \(epoch 0, position 3\)"),
    "shuffled": (
        lambda: Dataset(range(6)).shuffle(0).map(half).collect(),
        r"record 3 \(epoch 0, position \d\)",
    ),
    "of a batch": (
        lambda: Dataset(range(6)).batch(4).map(lambda batch: half(3))[1],
        r"map\(lambda\) failed on batch 1 of epoch 0, records 4, 5: ZeroDivisionError",
    ),
    "a batch function": (
        lambda: Dataset(np.arange(6)).map_batches(lambda x: x[9]).batch(4)[0],
        r"map_batches\(lambda\) failed on a batch of 4 records, records 0, 1, 2, 3: IndexError",
    ),
    "a partial": (lambda: Dataset(range(6)).map(partial(divmod, 1))[0], r"map\(partial\(divmod\)\) failed on record 0"),
    "the end of an iterator": (
        lambda: Dataset(range(6)).map(lambda x: next(iter([])))[0],
        r"failed on record 0 .*: StopIteration",
    ),
    "collate": (
        lambda: Dataset(range(6)).batch(4, collate=lambda rows: 1 / 0)[0],
        r"collate=lambda failed on 4 records: ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_failing_function_is_named_with_the_record_and_its_error_is_the_cause(name: str) -> None:
    call, words = FAILING[name]
    with pytest.raises(RecordError, match=words) as error:
        call()
    assert type(error.value.__cause__).__name__ in str(error.value)


@pytest.mark.parametrize("function", [lambda x: next(iter([])), lambda x: 1 // (x - 3)], ids=["StopIteration", "error"])
def test_an_error_never_ends_a_stream_quietly_and_the_records_before_it_are_given(function: Any) -> None:
    def stopping(x: int) -> int:
        return int(function(x)) if x >= 3 else x

    for iterator in (iter(Dataset(range(6)).map(stopping)), iter(Dataset(range(6)).map(stopping).stream())):
        seen = []
        with pytest.raises(RecordError, match="record 3"):
            for x in iterator:
                seen.append(x)
        assert seen == [0, 1, 2]
        with pytest.raises(RecordError, match="record 3"):  # asked again, it fails again
            next(iterator)


def test_a_failing_step_can_be_tried_again() -> None:
    broken = {2}

    def flaky(x: int) -> int:
        if x in broken:
            raise OSError("unplugged")
        return x

    iterator = iter(Dataset(range(6)).map(flaky).batch(2).stream())
    first = next(iterator).tolist()
    with pytest.raises(RecordError, match="unplugged"):
        next(iterator)
    broken.clear()
    assert [first, *(batch.tolist() for batch in iterator)] == [[0, 1], [2, 3], [4, 5]]


def test_records_that_differ_in_their_columns_are_refused_where_they_meet() -> None:
    ds = Dataset(range(6)).map(lambda x: {"x": x} if x < 4 else {"y": x})
    with pytest.raises(SchemaError, match="row 1 has columns 'y'; row 0 has columns 'x'"):
        ds.batch(3)[1]
    with pytest.raises(SchemaError, match=r"batch 2 of epoch 0 has columns y, earlier ones had columns x"):
        list(ds.batch(2))
    with pytest.raises(SchemaError, match=r"row \d has columns"):
        ds.collect()


@pytest.mark.parametrize("make", [Batch, dict, lambda batch: tuple(batch.values())], ids=["Batch", "dict", "tuple"])
def test_batches_that_differ_in_their_columns_are_refused(make: Any) -> None:
    def changing(batch: Batch) -> Any:
        return make(batch if batch["x"][0] < 4 else batch.with_columns(y=batch["x"]))

    with pytest.raises(SchemaError, match=r"batch 2 of epoch 0 has .* earlier ones had"):
        list(Dataset(x=np.arange(8)).batch(2).map(changing).stream())


def test_functions_are_named_in_the_chain() -> None:
    ds = Dataset(range(3)).map(half).map_batches(noisy_rows, seed=4).map(lambda x: x)
    assert repr(ds).endswith("range(0, 3) -> map(half) -> map_batches(noisy_rows, seed=4) -> map(lambda))")
