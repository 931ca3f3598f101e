"""Items of like length in batches: as a plain loop over lists would make them, exact across any cut."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Dataset, Ragged
from headrace.core.errors import (
    ArgumentError,
    ColumnError,
    KindError,
    RecordError,
    SchemaError,
    StateError,
)
from headrace.core.flow import Flow
from headrace.core.iteration import StreamIterator
from headrace.stages.batch import Batched
from headrace.stages.bucket import Bucket
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.unbatch import Unbatch
from headrace.testing.stages import StageTests, alike, check_cuts

LENGTHS = [3, 9, 1, 12, 4, 4, 30, 2, 8, 0, 5, 21, 1, 7, 3]


def texts(lengths: list[int]) -> list[Any]:
    """Return records of these lengths, which number themselves."""
    return [{"n": number, "text": np.full(length, number)} for number, length in enumerate(lengths)]


def itself(item: Any) -> Any:
    return item


class TestBySize(StageTests):
    @pytest.fixture(params=[2, [1, 2, 3]])
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        return Bucket.of(Iterate.of(texts(LENGTHS)), "text", [4, 10], request.param)

    def over(self, upstream: Flow) -> Flow:
        return Bucket.of(upstream, itself, [10], 2)


class TestByTokens(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Bucket.of(Iterate.of(texts(LENGTHS)), "text", [4, 10], tokens_per_batch=16, pad=0)


class TestWithoutRemainder(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Bucket.of(Iterate.of(texts(LENGTHS)), "text", [4, 10], 2, drop_remainder=True)


class TestOfAGenerator(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        def rows() -> Iterator[list[int]]:
            for length in LENGTHS:
                yield [length] * length

        return Bucket.of(Iterate.of(rows), "value", [4, 10], 3)


class TestOfADataset(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        ds = Dataset(n=np.arange(15), text=Ragged.from_rows([np.arange(length) for length in LENGTHS])).shuffle(0)
        return Bucket.of(ds.stream(3)._flow, "text", [4, 10], tokens_per_batch=24)


def plainly(lengths: list[int], boundaries: list[int], sizes: list[int] | None, tokens: int | None) -> list[list[int]]:
    """Return the numbers of the items of each batch, as the words of the documentation say."""
    buckets: list[list[int]] = [[] for _ in range(len(boundaries) + 1)]
    batches = []

    def is_full(bucket: int, numbers: list[int]) -> bool:
        if tokens is None:
            return sizes is not None and len(numbers) > sizes[bucket]
        longest: int = max(lengths[number] for number in numbers)
        return len(numbers) * max(1, longest) > tokens

    for number, length in enumerate(lengths):
        bucket = next((at for at, boundary in enumerate(boundaries) if length <= boundary), len(boundaries))
        if buckets[bucket] and is_full(bucket, [*buckets[bucket], number]):
            batches.append(buckets[bucket])
            buckets[bucket] = []
        buckets[bucket].append(number)
        if is_full(bucket, [*buckets[bucket], number]):  # whatever comes next
            batches.append(buckets[bucket])
            buckets[bucket] = []
    return batches + [numbers for numbers in buckets if numbers]


BOUNDARIES = st.lists(st.integers(0, 20), unique=True, max_size=4).map(sorted)


@given(st.data(), st.lists(st.integers(0, 25), max_size=60), BOUNDARIES)
def test_batches_by_size_are_those_of_a_plain_loop(data: st.DataObject, lengths: list[int], bounds: list[int]) -> None:
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    flow = Bucket.of(Iterate.of(texts(lengths)), "text", bounds, sizes)
    assert [batch["n"].tolist() for batch in flow.start()] == plainly(lengths, bounds, sizes, None)
    check_cuts(flow)


@given(st.lists(st.integers(0, 25), max_size=60), BOUNDARIES, st.integers(1, 60))
def test_batches_by_tokens_are_those_of_a_plain_loop(lengths: list[int], bounds: list[int], tokens: int) -> None:
    flow = Bucket.of(Iterate.of(texts(lengths)), "text", bounds, tokens_per_batch=tokens, pad=-1)
    batches = list(flow.start())
    assert [batch["n"].tolist() for batch in batches] == plainly(lengths, bounds, None, tokens)
    assert all(len(batch) == 1 or batch["text"].size <= tokens for batch in batches)
    assert sorted(number for batch in batches for number in batch["n"].tolist()) == list(range(len(lengths)))
    check_cuts(flow)


@given(st.lists(st.integers(0, 25), max_size=40), st.integers(1, 5), st.integers(0, 40), st.integers(0, 10))
def test_a_run_that_is_cut_twice_gives_exactly_the_rest(lengths: list[int], size: int, cut: int, again: int) -> None:
    flow = Bucket.of(Iterate.of(lengths), itself, [5, 10], size)
    expected = [batch.tolist() for batch in flow.start()]
    found: list[Any] = []
    state = None
    for steps in (cut, again, None):
        cursor = flow.start(state)
        found += [batch.tolist() for batch in islice(cursor, steps)]
        state = json.loads(json.dumps(cursor.state()))
        cursor.close()
    assert found == expected


def test_a_boundary_belongs_to_the_bucket_below_it() -> None:
    flow = Bucket.of(Iterate.of([10, 11, 20, 21, 9, 10]), itself, [10, 20], 10)
    assert [batch.tolist() for batch in flow.start()] == [[10, 9, 10], [11, 20], [21]]


def test_a_batch_comes_as_soon_as_it_is_full_and_the_rest_by_bounds() -> None:
    flow = Bucket.of(Iterate.of([9, 1, 8, 2, 30, 7, 3, 4]), itself, [5, 10], 2)
    assert [batch.tolist() for batch in flow.start()] == [[9, 8], [1, 2], [3, 4], [7], [30]]
    flow = Bucket.of(Iterate.of([9, 1, 8, 2, 30, 7, 3, 4]), itself, [5, 10], 2, drop_remainder=True)
    cursor = flow.start()
    assert [batch.tolist() for batch in cursor] == [[9, 8], [1, 2], [3, 4]]
    assert cursor.state()["buckets"] == [[], [], []] and next(cursor, None) is None


def test_an_item_too_long_by_itself_is_a_batch_alone() -> None:
    flow = Bucket.of(Iterate.of([4, 90, 3, 5, 80, 70]), itself, [], tokens_per_batch=10)
    assert [batch.tolist() for batch in flow.start()] == [[4], [90], [3, 5], [80], [70]]
    check_cuts(flow)


def test_items_of_no_length_fill_a_batch_too() -> None:
    flow = Bucket.of(Iterate.of([[]] * 10), "value", [3], tokens_per_batch=4)
    assert [len(batch) for batch in flow.start()] == [4, 4, 2]


def test_batches_are_those_of_the_batch_step() -> None:
    tuples = Iterate.of([(number, np.arange(number % 3)) for number in range(6)])
    for flow, by, pad in (
        (Iterate.of(texts([2, 1, 2])), "text", 0),
        (Iterate.of(texts([2, 1, 2])), "text", {"text": 7}),
        (tuples, "1", {"1": 0}),
        (Iterate.of([[1], [2, 3], [4]]), "value", 0),
        (Iterate.of([[1], [2, 3], [4]]), "value", None),
        (Iterate.of(["a", "bcd", "e"]), "value", None),
    ):
        found = list(Bucket.of(flow, by, [100], 3, pad=pad).start())
        expected = list(Batched.of(flow, 3, pad=pad).start())
        assert len(found) == len(expected)
        assert all(type(one) is type(other) and alike(one, other) for one, other in zip(found, expected))


def test_numbers_of_all_kinds_are_lengths() -> None:
    lengths = [1, 2.5, np.float32(7), np.int64(3), math.inf, -4]
    flow = Bucket.of(Iterate.of(range(6)), lambda at: lengths[at], np.array([0, 2.5]), np.int64(9))
    assert [batch.tolist() for batch in flow.start()] == [[5], [0, 1], [2, 3, 4]]
    tokens = Bucket.of(Iterate.of(range(5)), lambda at: lengths[at], [], tokens_per_batch=10)
    assert [batch.tolist() for batch in tokens.start()] == [[0, 1], [2], [3], [4]]
    assert "np." not in flow.words()


def test_no_more_is_drawn_than_a_batch_needs_and_no_more_is_held_than_waits() -> None:
    alive = [0]
    drawn = [0]

    class Item(list[int]):
        def __init__(self, length: int) -> None:
            super().__init__([0] * length)
            alive[0] += 1
            drawn[0] += 1

        def __del__(self) -> None:
            alive[0] -= 1

    cursor = Bucket.of(Map.of(Iterate.of([1, 9] * 500), Item), "value", [5], 4).start()
    next(cursor)
    assert drawn[0] == 7
    for _ in cursor:
        assert alive[0] <= 8
    del cursor
    assert alive[0] == 0


def test_a_rare_length_that_waits_long_makes_the_state_no_larger() -> None:
    flow = Bucket.of(Iterate.of([100] + [1] * 20_000), itself, [10], 8)
    cursor = flow.start()
    for _ in range(2000):
        next(cursor)
    state = json.loads(json.dumps(cursor.state()))
    assert len(json.dumps(state)) < 300 and len(state["places"]) == 1
    assert len(list(flow.start(state))) == 501
    assert [batch.tolist() for batch in flow.start(state)][-1] == [100]


@pytest.mark.parametrize(
    ("given_arguments", "error", "message"),
    [
        ({"by": None}, KindError, "by= is a column's name"),
        ({"by": 3}, KindError, "by= is a column's name"),
        ({"boundaries": 10}, KindError, r"boundaries must be a list of numbers such as \[32, 64, 128\], got 10"),
        ({"boundaries": "12"}, KindError, "boundaries must be a list"),
        ({"boundaries": {1: 2}}, KindError, "boundaries must be a list"),
        ({"boundaries": {1, 2}}, KindError, "boundaries must be a list"),
        ({"boundaries": None}, KindError, "boundaries must be a list"),
        ({"boundaries": np.array(3)}, KindError, "boundaries must be a list"),
        ({"boundaries": ["1"]}, KindError, "boundary 0 of buckets must be a number, got '1'"),
        ({"boundaries": [1, True]}, KindError, "boundary 1 of buckets must be a number, got True"),
        ({"boundaries": [1, math.nan]}, ArgumentError, "boundary 1 of buckets must be a number, got NaN"),
        ({"boundaries": [1, 1]}, ArgumentError, "must ascend, and 1 comes after 1"),
        ({"boundaries": [5, 2]}, ArgumentError, "must ascend, and 2 comes after 5"),
        ({"batch_sizes": None}, ArgumentError, "one of them, and none was given"),
        ({"tokens_per_batch": 10}, ArgumentError, "one of them, and both were given"),
        ({"batch_sizes": [1]}, ArgumentError, "1 boundaries make 2 buckets, and there are 1 batch_sizes"),
        ({"batch_sizes": [1, 0]}, ArgumentError, "the batch size of bucket 1 must be 1 or more, got 0"),
        ({"batch_sizes": 0}, ArgumentError, "batch_sizes must be 1 or more"),
        ({"batch_sizes": 2.0}, KindError, "batch_sizes must be a whole number"),
        ({"batch_sizes": "2"}, KindError, "batch_sizes must be a whole number"),
        ({"batch_sizes": [1, "2"]}, KindError, "the batch size of bucket 1 must be a whole number"),
        ({"batch_sizes": None, "tokens_per_batch": 0}, ArgumentError, "tokens_per_batch must be 1 or more"),
        ({"batch_sizes": None, "tokens_per_batch": "many"}, KindError, "tokens_per_batch must be a whole number"),
        ({"pad": "0"}, KindError, "pad must be a number"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(
    given_arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"by": "text", "boundaries": [3], "batch_sizes": 2, **given_arguments}
    with pytest.raises(error, match=message):
        Bucket.of(Iterate.of([1]), **arguments)


def test_a_column_that_is_not_there_or_has_no_length_is_named_with_the_item() -> None:
    rows = Iterate.of(texts([1, 2, 3]))
    with pytest.raises(ColumnError, match=r"no column 'txt'; there are 'n', 'text'\. Did you mean") as raised:
        list(Bucket.of(rows, "txt", [3], 2).start())
    assert "in item 0 of what bucket(by='txt', boundaries=[3], batch_sizes=2) was given" in raised.value.__notes__
    with pytest.raises(ColumnError) as raised:
        list(Bucket.of(Batched.of(rows, 2), "text", [3], 2).start())
    assert "it is a batch: write unbatch() before, for the lengths of its records" in raised.value.__notes__
    with pytest.raises(SchemaError, match="the length of column 'n', and in item 0 that has none: 0, a int"):
        list(Bucket.of(rows, "n", [3], 2).start())
    with pytest.raises(ColumnError, match="no column '2'; there are '0', '1'"):
        list(Bucket.of(Iterate.of([(1, 2)]), "2", [3], 2).start())
    with pytest.raises(ColumnError, match="no column '01'; there are '0', '1'"):
        list(Bucket.of(Iterate.of([([], [])]), "01", [3], 2).start())
    with pytest.raises(ColumnError, match="no column 'text'; there are 'value'"):
        list(Bucket.of(Iterate.of([[1, 2]]), "text", [3], 2).start())


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (None, KindError, "returned for item 2 must be a number, got None"),
        ("7", KindError, "must be a number, got '7'"),
        (True, KindError, "must be a number, got True"),
        (math.nan, ArgumentError, "must be a number, got NaN"),
        (-1, ArgumentError, "returned for item 2 must be 0 or more, got -1"),
    ],
)
def test_what_is_no_length_is_refused(made: Any, error: type[Exception], message: str) -> None:
    flow = Bucket.of(Iterate.of([1, 1, made, 1]), lambda item: item, [3], tokens_per_batch=100)
    with pytest.raises(error, match=message):
        list(flow.start())


def test_a_function_that_fails_is_named_with_the_item_and_goes_on_with_the_next() -> None:
    flow = Bucket.of(Iterate.of([4, 2, 0, 5]), lambda item: 20 // item, [6], 9)
    cursor = flow.start()
    with pytest.raises(RecordError, match="item 2") as raised:
        next(cursor)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert [batch.tolist() for batch in cursor] == [[4, 5], [2]]


def test_an_error_is_tried_again_by_an_iterator() -> None:
    broken = [True]

    def length(item: int) -> int:
        if item == 6 and broken[0]:
            broken[0] = False
            raise ValueError("not now")
        return item

    iterator = StreamIterator(Bucket.of(Iterate.of(range(10)), length, [4], 3))
    found = []
    with pytest.raises(RecordError):
        for batch in iterator:
            found.append(batch.tolist())
    found += [batch.tolist() for batch in iterator]
    assert found == [[0, 1, 2], [5, 6, 7], [3, 4], [8, 9]]


def test_items_that_do_not_fit_together_are_said_with_the_batch() -> None:
    flow = Bucket.of(Iterate.of([{"a": [1]}, {"a": [1], "b": 2}]), "a", [3], 2)
    with pytest.raises(SchemaError) as raised:
        list(flow.start())
    assert any("in batch 0 of bucket(" in note for note in raised.value.__notes__)


@pytest.mark.parametrize(
    "buckets", [[[0], [1]], [[0], 3, []], [[0, 0], [], []], [[0, 1, 2], [], []], [["0"], [], []], [[9], [], []]]
)
def test_impossible_buckets_are_refused(buckets: Any) -> None:
    flow = Bucket.of(Iterate.of([1] * 20), itself, [3, 6], 2)
    cursor = flow.start()
    next(cursor)
    state = {"upstream": {"count": 0}, "from": 0, "read": 5, "count": 1, "buckets": buckets}
    with pytest.raises(StateError, match="the state is damaged"):
        flow.start(state)


def test_its_identity_names_what_decides_the_order() -> None:
    rows = Iterate.of(texts([1]))
    assert Bucket.of(rows, "text", [3, 9], [1, 2, 2], pad=0).order()[-1] == (
        "bucket(by='text', boundaries=[3, 9], batch_sizes=[1, 2, 2])"
    )
    function = Bucket.of(rows, itself, np.array([3.5]), tokens_per_batch=8, drop_remainder=True)
    assert function.order()[-1] == "bucket(boundaries=[3.5], tokens_per_batch=8, drop_remainder=True)"
    assert function.code()[-1].startswith("bucket(by=itself, boundaries=[3.5], tokens_per_batch=8")
    assert function.length() is None


def test_it_is_unbatched_to_the_same_records() -> None:
    lengths = LENGTHS * 4
    flow = Unbatch(Bucket.of(Iterate.of(texts(lengths)), "text", [2, 4, 8], [4, 3, 2, 1]))
    rows = sorted(flow.start(), key=lambda row: int(row["n"]))
    assert [len(row["text"]) for row in rows] == lengths
    assert all((row["text"] == row["n"]).all() for row in rows)
