"""Several datasets as one: one after the other, mixed by weights, side by side."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import ArgumentError, Batch, Dataset, EndlessError, KindError, OrderError, Ragged, SchemaError

WEIGHTS = st.lists(st.floats(0, 5) | st.integers(0, 5), min_size=1, max_size=4).filter(any)


def owners(ds: Dataset, epoch: int, upto: int) -> list[int]:
    """Return which dataset each of the first records of an epoch is of, where dataset i holds 100 i and following."""
    return [int(record) // 100 for record in (ds._record(at, epoch) for at in range(upto))]


# mix


@settings(max_examples=60)
@given(weights=WEIGHTS, shuffled=st.booleans())
def test_after_any_number_of_records_each_dataset_has_had_its_share(weights: Any, shuffled: bool) -> None:
    sets = [Dataset(range(100 * at, 100 * at + 60)) for at in range(len(weights))]
    mixed = hr.mix([ds.shuffle(at) for at, ds in enumerate(sets)] if shuffled else sets, weights)
    given_by = owners(mixed, 1, len(mixed))
    shares = np.array(weights, float) / sum(weights)
    bound = (1 if len(weights) <= 3 else 1.68) + 1e-3  # of more than three, ratios that no table holds come by splits
    for k in range(len(given_by) + 1):
        counts = np.bincount(given_by[:k], minlength=len(weights))
        assert (np.abs(counts - k * shares) < bound).all()


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), data=st.data())
def test_the_first_stop_gives_none_twice_and_the_longest_gives_all(lengths: list[int], data: Any) -> None:
    weights = data.draw(st.lists(st.integers(1, 3), min_size=len(lengths), max_size=len(lengths)))
    sets = [Dataset(range(100 * at, 100 * at + length)) for at, length in enumerate(lengths)]
    first, longest = hr.mix(sets, weights), hr.mix(sets, weights, "longest")
    records = first.list()
    assert len(set(records)) == len(records)
    for at in range(len(lengths)):
        given = [record for record in records if record // 100 == at]
        assert given == list(range(100 * at, 100 * at + len(given)))
    assert any(sum(record // 100 == at for record in records) == length for at, length in enumerate(lengths))
    assert set(longest) == {record for ds in sets for record in ds}


def test_a_mix_goes_on_in_the_next_epoch_where_it_stopped() -> None:
    mixed = hr.mix([Dataset(range(4)), Dataset(range(100, 103))], stop="longest")
    seen = [record for record in mixed.stream(epochs=3) if record >= 100]
    assert seen == [100, 101, 102] * (len(seen) // 3) + [100, 101, 102][: len(seen) % 3]


def test_an_endless_dataset_may_be_mixed_in() -> None:
    mixed = hr.mix([Dataset(range(3)), Dataset([100]).repeat()], [1, 2])
    assert sorted(mixed) == [0, 1, 2] + [100] * (len(mixed) - 3)
    both = hr.mix([Dataset([0]).repeat(), Dataset([100]).repeat()])
    assert both.take(4).list() == [0, 100, 0, 100]
    with pytest.raises(EndlessError):
        len(both)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1],), "2 datasets need as many weights, got 1"),
        (([1, 2, 3],), "2 datasets need as many weights, got 3"),
        (([],), "2 datasets need as many weights, got 0"),
        (([0, 0],), "some weight must be above 0"),
        (([1, -1],), "weights must be finite and 0 or more, got -1.0 at place 1"),
        (([1, float("nan")],), "nan at place 1"),
        (([1, float("inf")],), "inf at place 1"),
        ((None, "last"), "stop must be 'first' or 'longest', got 'last'"),
    ],
)
def test_weights_that_do_not_fit_are_refused(arguments: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        hr.mix([Dataset([1]), Dataset([2])], *arguments)


def test_a_dataset_of_no_records_can_never_be_given_in_full() -> None:
    with pytest.raises(OrderError, match="dataset 1 of the mix has no records"):
        hr.mix([Dataset([1]), Dataset([])], stop="longest")
    assert hr.mix([Dataset([1]), Dataset([])], [1, 0], stop="longest").list() == [1]
    assert hr.mix([Dataset([1]), Dataset([])]).list() == []


# concat


@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=5))
def test_one_after_the_other(lengths: list[int]) -> None:
    sets = [Dataset(np.arange(100 * at, 100 * at + length)) for at, length in enumerate(lengths)]
    expected = [record for ds in sets for record in ds]
    assert hr.concat(sets).list() == expected
    assert sum(sets[1:], sets[0]).list() == expected
    assert hr.concat(sets).batch(4, drop_remainder=True).stream().unbatch().list() == expected[: len(expected) // 4 * 4]


def test_adding_in_a_loop_does_not_nest() -> None:
    ds = Dataset(n=np.arange(2))
    for start in range(2, 1000, 2):
        ds = ds + Dataset(n=np.arange(start, start + 2))
    assert [record["n"] for record in ds] == list(range(1000))
    assert sorted(ds.shuffle(0).batch(1000)[0]["n"]) == list(range(1000))
    assert ds.shuffle(0).step_of(731) is not None
    with pytest.raises(SchemaError, match="part 1 has"):
        ds + Dataset(m=[1])


def test_records_still_as_objects_and_columns_stand_one_after_the_other() -> None:
    rows, columns = Dataset([{"x": 1}, {"x": 2}]), Dataset(x=np.array([3, 4]))
    assert (rows + columns).list() == [{"x": at} for at in (1, 2, 3, 4)]
    assert (rows + columns).batch(3)[0] == Batch({"x": [1, 2, 3]})
    assert (columns + rows).shuffle(0).batch(4)[0]["x"].dtype == np.int64


@pytest.mark.parametrize("join", [hr.concat, lambda sets: hr.mix(sets, [2, 1])], ids=["concat", "mix"])
def test_columns_come_in_the_order_of_the_first_dataset(join: Any) -> None:
    first, second = Dataset(x=[1, 2], y=[1, 2]), Dataset(y=[3, 4], x=[3, 4])
    for other in (second, second.shuffle(0), second.shard(0, 1)):
        for batch in join([first, other]).batch(1).stream(2):
            assert list(batch) == ["x", "y"]
    assert [list(record) for record in join([second, first]).shuffle(0)] == [["y", "x"]] * len(join([second, first]))


def test_batches_whose_columns_come_in_another_order_are_alike() -> None:
    ds = Dataset([{"x": 1, "y": 1}]) + Dataset([{"y": 2, "x": 2}])
    assert [batch.rows() for batch in ds.batch(1).stream()] == [[{"x": 1, "y": 1}], [{"x": 2, "y": 2}]]
    assert ds.batch(2)[0]["x"].tolist() == [1, 2]


DIFFERENT: dict[str, tuple[Callable[[], Dataset], Callable[[], Dataset]]] = {
    "names": (lambda: Dataset(x=[1]), lambda: Dataset(y=[1])),
    "order of names": (lambda: Dataset(x=[1], y=[1]), lambda: Dataset(x=[1])),
    "dtypes": (lambda: Dataset(x=[1]), lambda: Dataset(x=[1.5])),
    "widths": (lambda: Dataset(x=np.zeros(1, np.int32)), lambda: Dataset(x=[1])),
    "shapes": (lambda: Dataset(x=np.zeros((1, 2))), lambda: Dataset(x=np.zeros((1, 3)))),
    "structures": (lambda: Dataset(value=np.arange(2)), lambda: Dataset(np.arange(2))),
    "tuples": (lambda: Dataset([1], [2]), lambda: Dataset([1], [2], [3])),
    "kinds": (lambda: Dataset(x=Ragged.from_rows([[1]])), lambda: Dataset(x=np.zeros((1, 1), np.int64))),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_records_that_are_not_alike_are_refused_where_they_are_put_together(name: str) -> None:
    first, second = (make() for make in DIFFERENT[name])
    for join in (hr.concat, hr.mix):
        with pytest.raises(SchemaError, match=r"records must be alike; part 1 has .*, an earlier one has .*select\(\)"):
            join([first, second])
    assert len(hr.zip(first, second)) >= 1


def test_records_whose_kind_is_not_known_before_are_refused_where_they_meet() -> None:
    both = Dataset([{"x": 1}]) + Dataset([{"y": 1}])
    assert both.list() == [{"x": 1}, {"y": 1}]
    with pytest.raises(SchemaError, match="row 1 has columns 'y'"):
        both.batch(2)[0]


def test_what_comes_after_an_endless_dataset_never_comes() -> None:
    with pytest.raises(EndlessError, match=r"part 0 has no end, so nothing comes after it: take\(n\)"):
        Dataset([1]).repeat() + Dataset([2])


@pytest.mark.parametrize("join", [hr.concat, hr.mix, lambda sets: hr.zip(*sets)], ids=["concat", "mix", "zip"])
def test_nothing_and_what_is_no_dataset_are_refused(join: Any) -> None:
    with pytest.raises(ArgumentError, match="at least one dataset"):
        join([])
    with pytest.raises(KindError, match=r"takes Datasets, got list: Dataset\(\.\.\.\) of it first"):
        join([Dataset([1]), [2]])
    assert join([Dataset([1])]).list() in ([1], [(1,)])


def test_only_datasets_are_added() -> None:
    with pytest.raises(TypeError):
        operator.add(Dataset([1]), [2])
    with pytest.raises(TypeError):
        operator.add([2], Dataset([1]))


# zip


def test_side_by_side_as_long_as_the_shortest() -> None:
    assert hr.zip(Dataset(range(3)), Dataset("a b".split())).list() == [(0, "a"), (1, "b")]
    assert hr.zip(Dataset(range(3)).repeat(), Dataset(range(4))).list() == [(0, 0), (1, 1), (2, 2), (0, 3)]
    endless = hr.zip(Dataset(range(3)).repeat(), Dataset(range(2)).repeat())
    assert endless.take(4).list() == [(0, 0), (1, 1), (2, 0), (0, 1)]
    with pytest.raises(EndlessError):
        len(endless)


def test_sides_of_every_kind_keep_it_in_records_and_in_batches() -> None:
    mapping, values, pair = Dataset(x=np.arange(4)), Dataset(np.arange(4.0)), Dataset([0, 1, 2, 3], list("abcd"))
    assert hr.zip(mapping, values, pair)[1] == ({"x": 1}, 1.0, (1, "b"))
    columns, floats, both = hr.zip(mapping, values, pair).batch(3)[0]
    assert columns == Batch({"x": [0, 1, 2]})
    assert floats.tolist() == [0.0, 1.0, 2.0]
    assert [side.tolist() for side in both] == [[0, 1, 2], ["a", "b", "c"]]
    batch, rows = hr.zip(mapping.batch(2), values.batch(2))[1]
    assert batch == Batch({"x": [2, 3]})
    assert rows.tolist() == [2.0, 3.0]


def test_shuffles_on_both_sides_are_each_their_own() -> None:
    ds = Dataset(range(20))
    assert hr.zip(ds.shuffle(0), ds.shuffle(0)).map(lambda pair: pair[0] == pair[1]).list() == [True] * 20
    assert sum(a == b for a, b in hr.zip(ds.shuffle(0), ds.shuffle(1))) < 10
    with pytest.raises(OrderError, match="zip of 2"):
        hr.zip(ds.shuffle(0), ds).filter(bool)
    assert len(hr.zip(ds, ds).filter(lambda pair: pair[0] % 2)) == 10
