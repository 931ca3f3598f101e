"""Splits, groups, samples and sorted orders: what they choose, once and for all epochs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace import ArgumentError, ColumnError, Dataset, EndlessError, OrderError, RecordError, SchemaError

SHARES = st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any)


def epochs_of(ds: Dataset, epoch: int) -> list[int]:
    """Return the source records of an epoch, in order."""
    return [int(ds.indices(position, epoch)[0]) for position in range(len(ds))]


# split


@given(length=st.integers(0, 60), shares=SHARES, seed=st.none() | st.integers(0, 2**70))
def test_parts_are_disjoint_complete_and_of_the_size_asked(length: int, shares: list[int], seed: int | None) -> None:
    fractions: dict[str, Any] = {f"part{at}": share / sum(shares) for at, share in enumerate(shares)}
    parts = Dataset(range(length)).split(**fractions, seed=seed)
    assert parts.keys() == list(fractions)
    held = [list(part) for part in parts]
    assert sorted(record for part in held for record in part) == list(range(length))
    for part, fraction in zip(held, fractions.values(), strict=True):
        assert abs(len(part) - fraction * length) < 1
        assert part == sorted(part)  # in their order: shuffle() each part that should have another


@given(length=st.integers(1, 40), seed=st.integers(0, 3), shuffles=st.lists(st.booleans(), max_size=3))
def test_after_shuffles_a_record_stays_in_its_part_in_all_epochs(length: int, seed: int, shuffles: list[bool]) -> None:
    ds = Dataset(range(length))
    for place, reshuffle in enumerate(shuffles):
        ds = ds.shuffle(place, reshuffle=reshuffle)
    train, val = ds.split(train=0.7, val=0.3, seed=seed)
    firsts = set(epochs_of(train, 0)), set(epochs_of(val, 0))
    assert firsts[0].isdisjoint(firsts[1])
    assert firsts[0] | firsts[1] == set(range(length))
    for epoch in range(1, 4):
        assert set(epochs_of(train, epoch)) == firsts[0]
        assert set(epochs_of(val, epoch)) == firsts[1]
    if any(shuffles) and len(train) > 8:
        assert len({tuple(epochs_of(train, epoch)) for epoch in range(5)}) > 1


@given(
    patients=st.lists(st.integers(0, 6), max_size=50),
    seed=st.none() | st.integers(0, 5),
    shuffled=st.booleans(),
    as_text=st.booleans(),
)
def test_a_group_is_never_divided(patients: list[int], seed: int | None, shuffled: bool, as_text: bool) -> None:
    names: Any = [f"patient {patient}" for patient in patients] if as_text else np.array(patients, np.int64)
    ds = Dataset(patient=names, scan=np.arange(len(patients)))
    if shuffled:
        ds = ds.shuffle(0)
    parts = ds.split(train=0.6, val=0.2, test=0.2, seed=seed, by="patient")
    owner: dict[Any, int] = {}
    scans = []
    for epoch in (0, 2):
        for number, part in enumerate(parts):
            for record in epochs_of(part, epoch):
                assert owner.setdefault(patients[record], number) == number
                scans += [record] if epoch == 0 else []
    assert sorted(scans) == list(range(len(patients)))


def test_whole_groups_come_as_near_to_the_fractions_as_they_can() -> None:
    ds = Dataset(group=np.repeat(np.arange(100), 10))
    train, val = ds.split(train=0.8, val=0.2, seed=1, by="group")
    assert (len(train), len(val)) == (800, 200)


def test_numbers_of_records_are_taken_exactly() -> None:
    a, b = Dataset(range(10)).split(a=7, b=3)
    assert (list(a), list(b)) == (list(range(7)), [7, 8, 9])
    one, none = Dataset(range(1)).split(one=1, none=0)
    assert (len(one), len(none)) == (1, 0)


def test_parts_do_not_depend_on_what_lies_above_the_split() -> None:
    plain, _ = Dataset(range(50)).split(a=0.5, b=0.5, seed=3)
    shuffled, _ = Dataset(range(50)).shuffle(9).split(a=0.5, b=0.5, seed=3)
    again, _ = Dataset(range(50)).split(a=0.5, b=0.5, seed=3)
    assert sorted(shuffled) == list(plain) == list(again)
    other, _ = Dataset(range(50)).split(a=0.5, b=0.5, seed=4)
    assert list(other) != list(plain)


def test_a_shuffle_of_the_same_seed_tells_nothing_about_the_parts() -> None:
    train, _ = Dataset(range(1000)).split(train=0.5, val=0.5, seed=0)
    front = [int(Dataset(range(1000)).shuffle(0).indices(position)[0]) for position in range(500)]
    assert 200 < len(set(train) & set(front)) < 300


LEAKS: dict[str, Callable[[Dataset], Dataset]] = {
    "the source twice": lambda ds: ds + ds,
    "the source twice, once shuffled for good": lambda ds: ds + ds.shuffle(0, reshuffle=False),
    "a record chosen twice": lambda ds: ds[[0, 1, 1]],
    "a sample with repeats": lambda ds: ds.sample(30, seed=0, replace=True),
    "part of a repeat": lambda ds: ds.repeat(2).take(15),
    "a balanced set": lambda ds: ds.map(lambda x: {"odd": x % 5 == 0}).balance("odd", 8),
    "a mix that goes round again": lambda ds: hr.mix([ds, ds.take(3)], stop="longest"),
    "batches of a repeat": lambda ds: ds.repeat(2).batch(4),
    "an overlap": lambda ds: ds.take(6) + ds.skip(4),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_split_that_would_put_a_record_into_two_parts_is_refused(name: str) -> None:
    with pytest.raises(OrderError, match="split"):
        LEAKS[name](Dataset(range(10))).split(train=0.5, val=0.5, seed=0)


SAFE: dict[str, Callable[[Dataset], Dataset]] = {
    "a slice": lambda ds: ds[1:8:2],
    "a choice": lambda ds: ds[[3, 1, 2]],
    "two datasets": lambda ds: ds + Dataset(range(100, 105)),
    "two parts of one source": lambda ds: ds.take(4) + ds.skip(6),
    "a whole repeat, split below it": lambda ds: ds.repeat(2),
    "a mix": lambda ds: hr.mix([ds, Dataset(range(100, 105))], [2, 1]),
    "side by side with itself": lambda ds: hr.zip(ds, ds),
    "a part of a part": lambda ds: ds.split(a=0.5, b=0.5, seed=0).a,
    "batches": lambda ds: ds.batch(2),
    "a share": lambda ds: ds.shard(1, 2),
}


@pytest.mark.parametrize("name", SAFE)
def test_a_split_of_records_that_come_once_is_given(name: str) -> None:
    ds = SAFE[name](Dataset(range(10)))
    a, b = ds.split(a=0.5, b=0.5, seed=0)
    seen = [np.concatenate([part.indices(step) for step in range(len(part))]) for part in (a, b)]
    assert len(a) + len(b) == len(ds)
    assert not set(seen[0].tolist()) & set(seen[1].tolist())


VARYING: dict[str, Callable[[Dataset], Dataset]] = {
    "take(5)": lambda ds: ds.shuffle(0).take(5),
    "skip(5)": lambda ds: ds.shuffle(0).skip(5),
    "[::2]": lambda ds: ds.shuffle(0)[::2],
    "[2 chosen]": lambda ds: ds.shuffle(0)[[0, 1]],
    "shard(0, 2)": lambda ds: ds.shuffle(0).shard(0, 2),
    "batch(2)": lambda ds: ds.shuffle(0).batch(2),
    "zip of 2": lambda ds: hr.zip(ds, ds.shuffle(0)),
    "mix of 2": lambda ds: hr.mix([ds, ds.shuffle(0)]),
    "take(4)": lambda ds: ds.shuffle(0).repeat(2).take(4).map(str).shuffle(1),
}


@pytest.mark.parametrize("name", VARYING)
def test_steps_on_the_set_of_records_are_refused_where_it_differs_by_epoch_and_the_culprit_is_named(name: str) -> None:
    ds = VARYING[name](Dataset(range(10)))
    steps: dict[str, Callable[[], Any]] = {
        "split": lambda: ds.split(a=0.5, b=0.5, seed=0),
        "filter(bool)": lambda: ds.filter(bool),
        "sort_by(str)": lambda: ds.sort_by(str),
        "sample": lambda: ds.sample(2, seed=0),
        "group_by('x')": lambda: ds.group_by("x"),
    }
    for step, call in steps.items():
        with pytest.raises(OrderError) as error:
            call()
        assert step in str(error.value)
        assert name in str(error.value)
        assert "shuffle(seed=0)" in str(error.value)
        assert (".stream().filter" in str(error.value)) == (step == "filter(bool)")


def test_steps_that_look_at_random_content_are_refused_and_the_map_is_named() -> None:
    def noisy(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {"x": record["x"] + rng.random()}

    ds = Dataset(x=np.arange(10)).map(noisy, seed=7).shuffle(0)
    steps: list[Callable[[], Any]] = [
        lambda: ds.filter(bool),
        lambda: ds.sort_by("x"),
        lambda: ds.group_by("x"),
        lambda: ds.split(a=0.5, b=0.5, by="x"),
        lambda: ds.sample(2, seed=0, weights="x"),
        lambda: ds.balance("x"),
    ]
    for step in steps:
        with pytest.raises(OrderError, match=r"map\(noisy, seed=7\)"):
            step()
    a, b = ds.split(a=0.5, b=0.5, seed=0)  # looks at nothing
    assert len(a) == len(b) == 5
    assert len(ds.sample(3, seed=0)) == 3


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({}, "needs parts"),
        ({"a": 0.5, "b": 0.4}, r"a=0\.5, b=0\.4 sum to 0\.9, not 1"),
        ({"a": 0.5, "b": 0.6}, r"sum to 1\.1, not 1"),
        ({"a": 5, "b": 4}, "a=5, b=4 sum to 9, but there are 10 records"),
        ({"a": 8, "b": 0.2}, "not 1"),
        ({"a": -0.5, "b": 1.5}, "part 'a' must be a fraction or a number"),
        ({"a": float("nan"), "b": 1.0}, "part 'a'"),
        ({"a": float("inf")}, "inf"),
        ({"a": True}, "part 'a'"),
        ({"a": "0.5", "b": 0.5}, "part 'a'"),
        ({"a": None}, "part 'a'"),
    ],
)
def test_shares_that_do_not_fit_are_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        Dataset(range(10)).split(**parts, seed=0)


def test_fractions_may_miss_1_by_rounding() -> None:
    tenths: dict[str, Any] = {f"p{at}": 0.1 for at in range(10)}
    parts = Dataset(range(10)).split(**tenths, seed=0)
    assert [len(part) for part in parts] == [1] * 10


class Virtual:
    """A thousand million records that are never read."""

    structure = "value"

    def __init__(self) -> None:
        self.reads = 0

    def __len__(self) -> int:
        return 10**9

    def read(self, indices: Any) -> dict[str, Any]:
        self.reads += len(indices)
        return {"value": indices}


@pytest.mark.parametrize("seed", [None, 0])
def test_more_records_than_one_would_list_are_divided_by_arithmetic(seed: int | None) -> None:
    source = Virtual()
    train, val = Dataset(source).shuffle(1).split(train=0.9, val=0.1, seed=seed)
    assert (len(train), len(val)) == (9 * 10**8, 10**8)
    seen = {int(part.indices(at, epoch)[0]) for part in (train,) for at in range(50) for epoch in range(2)}
    assert all(val.step_of(record) is None and train.step_of(record) is not None for record in seen)
    a, b = Dataset(source)[1000:].split(a=0.5, b=0.5, seed=seed)
    assert len(a) + len(b) == 10**9 - 1000
    assert len(Dataset(source).sample(1000, seed=0)) == 1000
    assert source.reads == 0


# group_by


@given(keys=st.lists(st.integers(-3, 3), max_size=30), shuffled=st.booleans())
def test_groups_come_in_order_of_appearance_and_hold_their_records_in_order(keys: list[int], shuffled: bool) -> None:
    ds = Dataset(key=np.array(keys, np.int64), n=np.arange(len(keys)))
    groups = (ds.shuffle(0) if shuffled else ds).group_by("key")
    assert list(groups) == list(dict.fromkeys(keys))
    for key, group in groups.items():
        members = [place for place, other in enumerate(keys) if other == key]
        assert (sorted(epochs_of(group, 1)) if shuffled else epochs_of(group, 1)) == members


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (np.array([True, False, True]), [True, False]),
        (np.array([2.5, np.nan, np.nan]), None),
        (["b", "a", "b"], ["b", "a"]),
        (np.array(["b", "a", "b"]), ["b", "a"]),
        ([None, "a", None], [None, "a"]),
        (np.array(["2020-01-01", "2021-01-01"], "M8[ns]"), np.array(["2020-01-01", "2021-01-01"], "M8[ns]").tolist()),
        ([date(2020, 1, 1), date(2021, 1, 1)], [date(2020, 1, 1), date(2021, 1, 1)]),
        (np.array([3, 1, 3], ">i2"), [3, 1]),
        ([(1, 2), None, (1, 2)], [(1, 2), None]),
        (np.array([b"x", b"y"]), [b"x", b"y"]),
    ],
    ids=str,
)
def test_groups_are_named_by_values_of_any_kind(values: Any, names: Any) -> None:
    groups = Dataset(key=values).group_by("key")
    assert sum(map(len, groups.values())) == len(values)
    if names is None:
        assert len(groups) == 2
    elif getattr(values, "dtype", None) == np.dtype("M8[ns]"):
        assert list(groups) == list(values)
        assert len(groups[values[0]]) == 1
    else:
        assert list(groups) == names
        assert all(type(key) is type(name) for key, name in zip(groups, names, strict=True))


def test_groups_of_tuples_and_of_what_a_map_makes() -> None:
    assert {key: len(group) for key, group in Dataset([1, 2, 1], [5, 6, 7]).group_by(0).items()} == {1: 2, 2: 1}
    ds = Dataset(range(10)).shuffle(0).map(lambda x: {"x": x, "third": x % 3})
    groups = ds.group_by("third")
    assert {key: sorted(record["x"] for record in group) for key, group in groups.items()} == {
        rest: list(range(rest, 10, 3)) for rest in range(3)
    }


def test_columns_that_cannot_tell_groups_are_refused() -> None:
    with pytest.raises(ColumnError, match="Did you mean 'label'"):
        Dataset(label=[1]).group_by("lable")
    with pytest.raises(SchemaError, match=r"group_by\('x'\): column 'x' has values of shape \(2,\)"):
        Dataset(x=np.zeros((3, 2))).group_by("x")
    with pytest.raises(SchemaError, match="Ragged"):
        Dataset(x=hr.Ragged.from_rows([[1], [2, 3]])).group_by("x")
    with pytest.raises(SchemaError, match=r"group_by\('x'\).*unhashable") as error:
        Dataset(x=[[1, "a"], {2}]).group_by("x")
    assert isinstance(error.value.__cause__, TypeError)


# balance


@given(
    labels=st.lists(st.sampled_from("abc"), min_size=1, max_size=30),
    length=st.sampled_from(["largest", "smallest", 1, 7]),
    shuffled=st.booleans(),
)
def test_balance_is_exact_at_every_prefix_of_every_epoch(labels: list[str], length: Any, shuffled: bool) -> None:
    ds = Dataset(label=labels, n=np.arange(len(labels)))
    balanced = (ds.shuffle(0) if shuffled else ds).balance("label", length)
    sizes = Counter(labels)
    each = max(sizes.values()) if length == "largest" else min(sizes.values()) if length == "smallest" else length
    assert len(balanced) == each * len(sizes)
    for epoch in range(3):
        seen: Counter[str] = Counter(dict.fromkeys(sizes, 0))
        for record in epochs_of(balanced, epoch):
            seen[labels[record]] += 1
            assert max(seen.values()) - min(seen.values()) <= 1
        assert set(seen.values()) == {each}


def test_over_the_epochs_the_records_of_a_group_come_equally_often() -> None:
    ds = Dataset(label=[0] * 7 + [1] * 3)
    for length in ("largest", "smallest", 5):
        balanced = ds.balance("label", length)
        often = Counter(record for epoch in range(21) for record in epochs_of(balanced, epoch))
        for group in (range(7), range(7, 10)):
            counts = [often[record] for record in group]
            assert max(counts) - min(counts) <= 1


def test_lengths_of_balance_that_cannot_be_meant_are_refused() -> None:
    ds = Dataset(label=[0, 1])
    for length in ("biggest", 0, -1, 2.5, None, True):
        with pytest.raises(ArgumentError, match="length"):
            ds.balance("label", length)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no records"):
        Dataset(label=[]).balance("label")


# sample


@given(length=st.integers(1, 30), n=st.integers(0, 40), seed=st.integers(0, 9), replace=st.booleans())
def test_a_sample_has_as_many_records_as_asked_for_the_same_in_all_epochs(
    length: int, n: int, seed: int, replace: bool
) -> None:
    ds = Dataset(range(length))
    if n > length and not replace:
        with pytest.raises(ArgumentError, match=rf"cannot draw {n} of {length} records.*replace=True"):
            ds.sample(n, seed=seed)
        return
    drawn = list(ds.sample(n, seed=seed, replace=replace))
    assert len(drawn) == n
    assert replace or len(set(drawn)) == n
    assert set(drawn) <= set(range(length))
    assert epochs_of(ds.sample(n, seed=seed, replace=replace), 5) == drawn
    shuffled = ds.shuffle(1).sample(n, seed=seed, replace=replace)
    assert all(sorted(epochs_of(shuffled, epoch)) == sorted(drawn) for epoch in range(3))


@pytest.mark.parametrize("replace", [False, True])
def test_a_sample_of_a_repeat_counts_its_positions(replace: bool) -> None:
    ds = Dataset(range(10)).repeat(3)
    assert len(ds.sample(4, seed=0, replace=replace)) == 4
    assert max(Counter(ds.sample(30, seed=0)).values()) == 3


@pytest.mark.parametrize("replace", [False, True])
def test_weights_are_the_chances(replace: bool) -> None:
    weights = np.array([0.0, 1.0, 2.0, 0.0, 5.0])
    ds = Dataset(x=np.arange(5), w=weights)
    first = Counter(ds.sample(1, seed=seed, weights="w", replace=replace)[0]["x"] for seed in range(2000))
    assert set(first) == {1, 2, 4}
    for record in (1, 2, 4):
        assert abs(first[record] / 2000 - weights[record] / 8) < 0.05
    again = Counter(ds.sample(1, seed=seed, weights=weights, replace=replace)[0]["x"] for seed in range(2000))
    assert again == first


def test_samples_of_one_seed_differ_by_seed_and_not_by_chance() -> None:
    ds = Dataset(range(1000))
    assert list(ds.sample(20, seed=1)) == list(ds.sample(20, seed=1))
    assert list(ds.sample(20, seed=1)) != list(ds.sample(20, seed=2))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 11}, "cannot draw 11 of 10"),
        ({"n": -1}, "n must be 0 or more"),
        ({"n": 2.5}, "whole number"),
        ({"n": 2, "weights": [1.0] * 9}, r"needs 10 numbers as weights, got float64 of shape \(9,\)"),
        ({"n": 2, "weights": [-1.0] + [1.0] * 9}, "record 0 has -1"),
        ({"n": 2, "weights": [1.0] * 9 + [float("nan")]}, "record 9 has nan"),
        ({"n": 2, "weights": [1.0] + [0.0] * 9}, "only 1 records have a weight above 0"),
        ({"n": 2, "weights": [0.0] * 10, "replace": True}, "only 0 records"),
        ({"n": 2, "weights": ["a"] * 10}, "numbers as weights"),
    ],
)
def test_samples_that_cannot_be_drawn_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        Dataset(range(10)).sample(**arguments, seed=0)


def test_of_nothing_nothing_can_be_drawn() -> None:
    assert Dataset([]).sample(0, seed=0).list() == []
    with pytest.raises(ArgumentError, match="from none"):
        Dataset([]).sample(1, seed=0, replace=True)


# sort_by


@given(
    keys=st.lists(st.integers(-3, 3), max_size=25),
    descending=st.booleans(),
    kind=st.sampled_from(["column", "function", "objects", "text"]),
    shuffled=st.booleans(),
)
def test_records_are_sorted_and_equal_ones_keep_their_order(
    keys: list[int], descending: bool, kind: str, shuffled: bool
) -> None:
    column: Any = np.array(keys, np.int64)
    if kind == "objects":
        column = [date(2000, 1, 4 + key) for key in keys]
    if kind == "text":
        column = [str(key) for key in keys]
    ds = Dataset(key=column, n=np.arange(len(keys)))
    by: Any = (lambda record: record["key"]) if kind == "function" else "key"
    ordered = (ds.shuffle(0) if shuffled else ds).sort_by(by, descending)
    expected = sorted(range(len(keys)), key=lambda place: column[place], reverse=descending)
    assert epochs_of(ordered, 0) == epochs_of(ordered, 3) == expected


def test_sorting_by_what_a_map_makes_sorts_the_mapped_records() -> None:
    ds = Dataset(range(10)).shuffle(0).map(lambda x: {"x": x, "key": -x}).sort_by("key")
    assert [record["x"] for record in ds] == list(range(9, -1, -1))
    assert Dataset([1, 2, 3], [3, 1, 2]).sort_by(1).list() == [(2, 1), (3, 2), (1, 3)]
    assert Dataset([3, 1, 2]).sort_by("value").list() == [1, 2, 3]


def test_keys_that_fail_or_cannot_be_compared_are_answered_by_name() -> None:
    def key(record: int) -> float:
        return 1 / (record - 6)

    with pytest.raises(RecordError, match=r"sort_by\(key\) failed on record 6: ZeroDivisionError") as error:
        Dataset(range(10)).sort_by(key)[0]
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    with pytest.raises(SchemaError, match=r"sort_by\(x\): the values cannot be compared"):
        Dataset(x=[1, "a", None]).sort_by("x")[0]
    with pytest.raises(ColumnError, match="Did you mean 'label'"):
        Dataset(label=[1, 2]).sort_by("labels")[0]


def test_sorting_reads_nothing_before_it_is_used() -> None:
    class Source:
        reads = 0

        def __len__(self) -> int:
            return 5

        def read(self, indices: Any) -> dict[str, Any]:
            Source.reads += 1
            return {"x": -indices}

    ds = Dataset(Source()).sort_by("x").shuffle(0).batch(2)
    assert (len(ds), Source.reads) == (3, 0)
    repr(ds)
    assert Source.reads == 0
    assert ds.indices(0).shape == (2,)
    assert Source.reads > 0


# Without an end


def test_what_needs_all_records_is_refused_of_an_endless_dataset_where_it_is_written() -> None:
    ds = Dataset(x=np.arange(4)).repeat()
    steps: dict[str, Callable[[], Any]] = {
        "split": lambda: ds.split(a=0.5, b=0.5),
        "group_by": lambda: ds.group_by("x"),
        "balance": lambda: ds.balance("x"),
        "sort_by": lambda: ds.sort_by("x"),
        "sample": lambda: ds.sample(2, seed=0),
        "of a map": lambda: ds.map(dict).sample(2, seed=0),
    }
    for step in steps.values():
        with pytest.raises(EndlessError, match=r"needs an end.*take\(n\) first"):
            step()
    assert len(ds.filter(lambda record: record["x"] > 1).take(5).list()) == 5  # a filter does not
