"""Items become batches, and batches items again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, KindError, RecordError, SchemaError, StateError
from headrace.core.flow import Flow
from headrace.core.ragged import Ragged
from headrace.stages.batch import Batched
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.repeat import Repeat
from headrace.stages.unbatch import Unbatch
from headrace.testing.stages import StageTests, alike, check_alike

RECORDS = [{"n": n, "x": np.full(3, n, np.float32), "text": np.arange(n % 4), "name": f"no. {n}"} for n in range(11)]


class TestBatched(StageTests):
    @pytest.fixture(
        params=[{}, {"drop_remainder": True}, {"pad": 0}, {"pad": {"text": -1}}, {"collate": len}], ids=repr
    )
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        return Batched.of(Iterate.of(RECORDS), 4, **request.param)

    def over(self, upstream: Flow) -> Flow:
        return Batched.of(upstream, 4)


class TestUnbatch(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Unbatch(Batched.of(Iterate.of(RECORDS), 4))

    def over(self, upstream: Flow) -> Flow:
        return Unbatch(Batched.of(upstream, 4))


def batches(items: list[Any], size: int, **settings: Any) -> list[Any]:
    return list(Batched.of(Iterate.of(items), size, **settings).start())


@given(n=st.integers(0, 30), size=st.integers(1, 12), drop=st.booleans())
def test_every_item_is_in_one_batch_except_a_dropped_remainder(n: int, size: int, drop: bool) -> None:
    flow = Batched.of(Iterate.of(range(n)), size, drop)
    made = list(flow.start())
    kept = n // size * size if drop else n
    assert [value for batch in made for value in batch.tolist()] == list(range(kept))
    assert all(len(batch) == size for batch in made[:-1])
    assert flow.length() == len(made)


def test_a_batch_keeps_the_structure_of_its_items() -> None:
    (mapping,) = batches([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], 2)
    assert mapping == Batch({"a": [1, 2], "b": ["x", "y"]})
    ((numbers, texts),) = batches([(1, "x"), (2, "y")], 2)
    assert (numbers.tolist(), texts.tolist()) == ([1, 2], ["x", "y"])
    (values,) = batches([1.5, 2.5], 2)
    assert values.tolist() == [1.5, 2.5]


def test_arrays_that_differ_in_length_stay_ragged_until_padding_is_asked_for() -> None:
    (ragged,) = batches([[1, 2], [3]], 2)
    assert isinstance(ragged, Ragged)
    ((padded, lengths),) = batches([[1, 2], [3]], 2, pad=0)
    assert (padded.tolist(), lengths.tolist()) == ([[1, 2], [3, 0]], [2, 1])


def test_padded_batches_all_have_the_same_fields_even_of_one_item() -> None:
    assert [len(batch) for batch in batches([(1, [1, 2]), (2, [3]), (3, [4])], 2, pad=0)] == [3, 3]


def test_a_batch_after_a_repeat_may_span_two_rounds_and_before_it_none_does() -> None:
    three = Iterate.of([1, 2, 3])
    assert [batch.tolist() for batch in Batched.of(Repeat.of(three, 2), 2).start()] == [[1, 2], [3, 1], [2, 3]]
    assert [batch.tolist() for batch in Repeat.of(Batched.of(three, 2), 2).start()] == [[1, 2], [3], [1, 2], [3]]


def test_items_that_do_not_fit_together_are_told_with_the_batch() -> None:
    with pytest.raises(SchemaError, match=r"row 1 has .*'b'.*row 0 has .*'a'") as caught:
        batches([{"a": 1}, {"a": 1}, {"a": 1}, {"b": 2}], 2)
    assert caught.value.__notes__ == ["in batch 1 of batch(2)"]


def test_a_failing_collate_function_is_named_with_the_batch() -> None:
    def torn(items: list[int]) -> int:
        return items[5]

    with pytest.raises(RecordError, match=r"batch 0: collate=torn failed on 2 records: IndexError") as caught:
        batches([1, 2], 2, collate=torn)
    assert isinstance(caught.value.__cause__, IndexError)


def test_the_identity_tells_size_and_remainder_and_the_code_padding_and_collate() -> None:
    upstream = Iterate.of(range(3))
    lines = [Batched.of(upstream, 2).order(), Batched.of(upstream, 3).order(), Batched.of(upstream, 2, True).order()]
    assert len(set(lines)) == 3
    codes = [Batched.of(upstream, 2, **setting).code() for setting in ({}, {"pad": 0}, {"pad": 1}, {"collate": len})]
    assert len(set(codes)) == 4


@pytest.mark.parametrize(
    ("size", "error"), [(0, ArgumentError), (-1, ArgumentError), (2.0, KindError), ("2", KindError), (True, KindError),
                        (None, KindError), (np.zeros(2, int), KindError)], ids=repr
)  # fmt: skip
def test_a_size_that_cannot_be_meant_is_refused(size: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="batch size must be"):
        Batched.of(Iterate.of([1]), size)


def test_a_size_may_be_a_numpy_integer() -> None:
    assert len(batches([1, 2, 3], np.int32(2))) == 2  # type: ignore[arg-type]


def test_collate_and_pad_are_not_both_taken() -> None:
    with pytest.raises(ArgumentError, match="not both"):
        Batched.of(Iterate.of([1]), 2, collate=list, pad=0)


@given(n=st.integers(0, 20), size=st.integers(1, 7), kind=st.sampled_from(["mapping", "tuple", "value"]))
def test_unbatch_undoes_batch(n: int, size: int, kind: str) -> None:
    items: list[Any] = [{"n": number, "f": np.float32(number), "v": np.arange(number % 3)} for number in range(n)]
    items = items if kind == "mapping" else [tuple(item.values()) if kind == "tuple" else item["n"] for item in items]
    check_alike(list(Unbatch(Batched.of(Iterate.of(items), size)).start()), items)


def test_unbatch_takes_every_kind_of_batch_apart() -> None:
    given: list[Any] = [
        Batch({"a": [1], "b": ["x"]}),
        {"a": np.array([1]), "b": ["x"]},
        (np.array([1]), ["x"]),
        np.array([[1, 2]]),
        [7],
    ]
    expected: list[Any] = [{"a": 1, "b": "x"}, {"a": 1, "b": "x"}, (1, "x"), np.array([1, 2]), 7]
    check_alike(list(Unbatch(Iterate.of(given)).start()), expected)


def test_unbatch_passes_over_empty_batches() -> None:
    assert list(Unbatch(Iterate.of([[], [1], []])).start()) == [1]


@pytest.mark.parametrize("item", [3, "text", None, {"a": 1}, {"a": [1], "b": [1, 2]}], ids=repr)
def test_unbatch_refuses_what_is_no_batch_and_says_which_item(item: Any) -> None:
    cursor = Unbatch(Iterate.of([[1], item])).start()
    next(cursor)
    with pytest.raises((KindError, SchemaError)) as caught:
        next(cursor)
    assert caught.value.__notes__ == ["in item 1 of what unbatch() was given: it needs batches"]


def test_unbatch_resumes_within_a_batch_by_a_view_of_the_rest() -> None:
    flow = Unbatch(Iterate.of([np.arange(10), np.arange(10, 20)]))
    cursor = flow.start()
    for _ in range(13):
        next(cursor)
    assert cursor.state() == {"upstream": {"count": 1}, "count": 1, "offset": 3}
    assert list(flow.start(cursor.state())) == list(range(13, 20))


def test_a_batch_that_became_shorter_is_refused() -> None:
    with pytest.raises(StateError, match="batch 0 has 2 records, and the state is after 3"):
        Unbatch(Iterate.of([[1, 2]])).start({"upstream": {"count": 0}, "count": 0, "offset": 3})
    with pytest.raises(StateError, match="has no batch 1 from upstream"):
        Unbatch(Iterate.of([[1, 2]])).start({"upstream": {"count": 1}, "count": 1, "offset": 1})


def test_batches_are_their_users_own() -> None:
    source = [np.zeros(2), np.zeros(2)]
    (batch,) = batches(source, 2)
    batch[:] = 1
    assert alike(source, [np.zeros(2), np.zeros(2)])


def test_a_map_below_fails_with_its_own_name() -> None:
    with pytest.raises(RecordError, match=r"map\(lambda\) failed on item 2"):
        list(Batched.of(Map.of(Iterate.of([1, 1, 0]), lambda x: 1 // x), 2).start())


def test_a_generator_that_fails_in_the_middle_of_a_batch_says_after_how_many_items() -> None:
    def three() -> Iterator[int]:
        yield from range(3)
        raise ValueError("no more")

    cursor = Batched.of(Iterate.of(three), 8).start()
    with pytest.raises(RecordError, match="failed after 3 items"):
        next(cursor)
