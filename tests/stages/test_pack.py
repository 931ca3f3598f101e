"""Sequences in bins: what a bin holds, what is refused, and exact resumption at every cut."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, ColumnError, KindError, RecordError, SchemaError, StateError
from headrace.core.flow import Flow
from headrace.core.iteration import StreamIterator
from headrace.core.ragged import Ragged
from headrace.dataset import Dataset
from headrace.stages.batch import Batched
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.pack import STRATEGIES, Pack
from headrace.stages.packing import Packing, pack
from headrace.stages.repeat import Repeat
from headrace.stages.unbatch import Unbatch
from headrace.stages.window import WindowShuffle
from headrace.testing.stages import StageTests, check_alike, check_cuts

strategies = st.sampled_from(STRATEGIES)
whole_strategies = st.sampled_from(["best_fit", "first_fit"])


def texts(sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Records whose rows all differ: 1000 * number + place."""
    return [{"tokens": 1000 * number + np.arange(size)} for number, size in enumerate(sizes, 1)]


def token(number: int) -> dict[str, Any]:
    return {"tokens": np.arange(number % 7), "label": number}


def packed(records: Sequence[Any], length: Any, *args: Any, **kwargs: Any) -> list[Any]:
    return list(Pack.of(Iterate.of(records), length, *args, **kwargs).start())


def segments(item: dict[str, Any], name: str = "tokens") -> list[list[Any]]:
    """Return the sequences of a bin, after checking all that is said of them."""
    values, ids, positions = item[name], item[f"{name}_segment_ids"], item[f"{name}_positions"]
    assert len(values) == len(ids) == len(positions)
    assert ids.dtype == positions.dtype == np.int32
    filled = np.count_nonzero(ids)
    assert (np.diff(ids[:filled]) >= 0).all()
    assert not ids[filled:].any()
    assert not positions[filled:].any()
    found = []
    for number in range(1, ids.max() + 1):
        assert (positions[ids == number] == np.arange((ids == number).sum())).all()
        found.append(values[ids == number].tolist())
    return found


def lines(n: int) -> Iterator[dict[str, Any]]:
    for number in range(n):
        yield token(number)


class TestPack(StageTests):
    @pytest.fixture(params=[(strategy, bins) for strategy in STRATEGIES for bins in (1, 3, 64)], ids=str)
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        strategy, bins = request.param
        return Pack.of(Map.of(Iterate.of(range(60)), token), 8, "tokens", strategy, bins)

    def over(self, upstream: Flow) -> Flow:
        return Pack.of(Map.of(upstream, token), 8, "tokens", open_bins=2)


class TestPackOfAGenerator(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Pack.of(Iterate.of(lines, (50,)), 9, ["tokens"], "best_fit", 4)


class TestSplitOfAGenerator(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Pack.of(Iterate.of(lines, (50,)), 4, ["tokens"], "concat_split")

    def over(self, upstream: Flow) -> Flow:
        return Pack.of(Map.of(upstream, token), 8, "tokens", "concat_split")


class TestPackOfValuesThatAreShuffled(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        values = [np.arange(size % 5, dtype=np.float32) for size in range(40)]
        return Batched.of(Pack.of(WindowShuffle.of(Repeat.of(Iterate.of(values), 2), 6, seed=0), 7, open_bins=3), 2)


class TestPackOfSeveralColumns(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        records = [{"inputs": np.ones((n % 4, 2), np.int8) * n, "targets": [float(n)] * (n * 7 % 3)} for n in range(40)]
        return Pack.of(Iterate.of(records), 9, {"inputs": None, "targets": 5}, open_bins=3, pad={"targets": -1.0})


@given(
    sizes=st.lists(st.integers(0, 10), max_size=50),
    strategy=whole_strategies,
    open_bins=st.sampled_from([1, 2, 4, 64]),
)
def test_whole_sequences_lie_in_the_bins_that_the_rules_say(sizes: list[int], strategy: str, open_bins: int) -> None:
    records = texts(sizes)
    found = packed(records, 10, "tokens", strategy, open_bins, pad=-5)
    full = [record["tokens"].tolist() for record in records if len(record["tokens"])]
    bins = pack([(len(one),) for one in full], Packing((10,), strategy, open_bins))
    assert [segments(item) for item in found] == [[full[number] for number in numbers] for numbers in bins]
    for item in found:
        assert item["tokens"].shape == (10,)
        assert (item["tokens"][item["tokens_segment_ids"] == 0] == -5).all()


@given(sizes=st.lists(st.integers(0, 30), max_size=40), length=st.integers(1, 12))
def test_split_sequences_lie_end_to_end(sizes: list[int], length: int) -> None:
    records = texts(sizes)
    found = packed(records, length, strategy="concat_split", pad=-5)
    whole = [value for record in records for value in record["tokens"].tolist()]
    assert [value for item in found for one in segments(item) for value in one] == whole
    assert all(np.count_nonzero(item["tokens_segment_ids"]) == length for item in found[:-1])
    assert len(found) == -(-len(whole) // length)
    for item in found:
        for one in segments(item):
            assert len({value // 1000 for value in one}) == 1
            assert one == list(range(one[0], one[0] + len(one)))


@given(
    sizes=st.lists(st.integers(0, 8), max_size=60),
    strategy=strategies,
    open_bins=st.sampled_from([1, 2, 3, 64]),
    cut=st.integers(0, 30),
    again=st.integers(0, 10),
)
def test_a_run_that_is_cut_twice_gives_exactly_the_rest(
    sizes: list[int], strategy: str, open_bins: int, cut: int, again: int
) -> None:
    flow = Pack.of(Filter.of(Iterate.of(texts(sizes)), lambda _: True), 8, None, strategy, open_bins)
    expected = list(flow.start())
    found: list[Any] = []
    state = None
    for steps in (cut, again, len(expected)):
        cursor = flow.start(state)
        found += islice(cursor, steps)
        state = json.loads(json.dumps(cursor.state()))
    check_alike(found, expected)


@given(records=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), max_size=40), strategy=whole_strategies)
def test_columns_of_a_record_share_a_bin_and_a_segment_number(records: list[tuple[int, int]], strategy: str) -> None:
    given_records = [
        {"inputs": np.full(n, number), "targets": np.full((m, 2), number, np.uint8), "label": "left out"}
        for number, (n, m) in enumerate(records)
    ]
    flow = Pack.of(Iterate.of(given_records), 0, {"inputs": 6, "targets": 4}, strategy, 3) if records else None
    seen: list[tuple[int, int, int]] = []
    for item in [] if flow is None else flow.start():
        assert list(item) == [
            name + end for name in ("inputs", "targets") for end in ("", "_segment_ids", "_positions")
        ]
        assert item["inputs"].shape == (6,)
        assert item["targets"].shape == (4, 2)
        for segment in range(1, 1 + max(item["inputs_segment_ids"].max(), item["targets_segment_ids"].max())):
            inputs = item["inputs"][item["inputs_segment_ids"] == segment].tolist()
            targets = item["targets"][item["targets_segment_ids"] == segment]
            numbers = {*inputs, *targets.ravel().tolist()}
            assert len(numbers) == 1
            seen.append((numbers.pop(), len(inputs), len(targets)))
    assert sorted(seen) == [(number, n, m) for number, (n, m) in enumerate(records) if n or m]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_example_written_out(strategy: str) -> None:
    found = [segments(item) for item in packed(texts([3, 2, 1, 2]), 4, "tokens", strategy, open_bins=2)]
    a, b, c, d = ([*record["tokens"].tolist()] for record in texts([3, 2, 1, 2]))
    assert found == ([[a, c], [b, d]] if strategy != "concat_split" else [[a, b[:1]], [b[1:], c, d]])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_dtypes_stay_what_they_are(strategy: str) -> None:
    for dtype in (np.uint16, np.int64, np.float16, np.bool_, np.complex64, ">i4"):
        records = [{"x": np.ones(3, dtype)}, {"x": np.ones((2,), dtype)}]
        for item in packed(records, 4, "x", strategy):
            assert item["x"].dtype == np.dtype(dtype)


def test_sizes_of_one_kind_meet_in_the_larger() -> None:
    (item,) = packed([np.array([1, 2], np.int8), np.array([300], np.int16), np.array([4], np.int8)], 5)
    assert item[0].dtype == np.int16
    assert item[0].tolist() == [1, 2, 300, 4, 0]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_sequences_without_names_become_three_arrays(strategy: str) -> None:
    first, *_ = packed([[1, 2], np.array([3]), [4, 5]], 3, strategy=strategy, pad=9)
    assert isinstance(first, tuple)
    assert [part.tolist() for part in first] == [[1, 2, 3], [1, 1, 2], [0, 1, 0]]


def test_an_empty_sequence_says_nothing_of_its_dtype() -> None:
    records: list[Any] = [
        {"a": [], "b": [1.5]},
        {"a": np.array([]), "b": []},
        {"a": np.array([7], np.uint8), "b": np.array([2.5])},
    ]
    (item,) = packed(records, 4)
    assert (item["a"].dtype, item["b"].dtype) == (np.uint8, np.float64)
    assert item["a"].tolist() == [7, 0, 0, 0]
    assert item["b_segment_ids"].tolist() == [1, 2, 0, 0]  # the empty record is left out


def test_columns_that_are_not_named_are_left_out() -> None:
    records = [{"x": [1], "y": [2], "text": "three"}]
    assert list(packed(records, 2, ["y", "x"])[0])[::3] == ["y", "x"]


def test_a_bin_belongs_to_whoever_gets_it() -> None:
    source = np.arange(4)
    items = packed([source, source, source[:2]], 4)
    for item in items:
        for array in item:
            array[:] = 99
    assert source.tolist() == [0, 1, 2, 3]
    assert packed([source], 4)[0][0].tolist() == [0, 1, 2, 3]


def test_items_are_let_go_of_as_soon_as_they_lie_in_a_bin() -> None:
    flow = Pack.of(Iterate.of(texts([5] * 200)), 12, open_bins=4)
    cursor = flow.start()
    next(cursor)
    held = cursor._held.items  # type: ignore[attr-defined]
    assert len(held) <= 8
    assert set(held.values()) == {None}


@pytest.mark.parametrize("strategy", ["best_fit", "first_fit"])
def test_resuming_reads_back_no_further_than_bins_may_be_open(strategy: str) -> None:
    asked: list[int] = []

    def ask(record: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
        asked.append(0)
        return record

    flow = Pack.of(Map.of(Iterate.of(texts([5, *[6] * 600])), ask), 10, None, strategy, open_bins=4)
    expected = list(flow.start())
    cursor = flow.start()
    for place in range(500):
        assert sum(map(len, cursor.state()["bins"])) <= 2 * 4
        check_alike([next(cursor)], [expected[place]])
        asked.clear()
        if place % 50 == 0:
            next(flow.start(cursor.state()))
            assert len(asked) < 4 * 8 + 64


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_error_upstream_loses_nothing_that_lies_in_a_bin(strategy: str) -> None:
    gone = {4000, 8000}

    def fail_once(record: dict[str, Any]) -> dict[str, Any]:
        first = int(record["tokens"][0])
        if first in gone:
            gone.remove(first)
            raise OSError("gone")
        return record

    records = texts([3] * 12)
    expected = packed(records, 7, None, strategy, 2)
    flow = Pack.of(Map.of(Iterate.of(records), fail_once), 7, None, strategy, 2)
    iterator, found, states = StreamIterator(flow), [], []
    for _ in range(len(expected) + 2):
        try:
            found.append(next(iterator))
        except RecordError:
            states.append((len(found), iterator.state_dict()["at"]))
    check_alike(found, expected)
    assert len(states) == 2
    for count, state in states:
        check_alike(list(flow.start(state)), expected[count:])


def test_a_bin_that_an_error_found_half_full_is_in_the_state() -> None:
    gone = {3000}

    def fail_once(record: dict[str, Any]) -> dict[str, Any]:
        first = int(record["tokens"][0])
        if first in gone:
            gone.remove(first)
            raise OSError("gone")
        return record

    records = texts([5, 2, 3, 6])
    flow = Pack.of(Map.of(Iterate.of(records), fail_once), 4, None, "concat_split")
    cursor = flow.start()
    expected = packed(records, 4, strategy="concat_split")
    check_alike([next(cursor)], expected[:1])
    with pytest.raises(RecordError):
        next(cursor)
    check_alike(list(flow.start(json.loads(json.dumps(cursor.state())))), expected[1:])


@pytest.mark.parametrize("strategy", ["best_fit", "first_fit"])
def test_a_sequence_that_is_too_long_is_named_with_the_ways_out(strategy: str) -> None:
    flow = Pack.of(Iterate.of(texts([3, 11, 4])), 10, None, strategy)
    cursor = flow.start()
    with pytest.raises(SchemaError, match=r"item 1 .*has 11 rows in column 'tokens'.*10.*map.*length.*concat_split"):
        next(cursor)
    assert [len(one) for one in segments(next(cursor))] == [3, 4]


def test_concat_split_needs_columns_of_one_length() -> None:
    records = [{"x": [1, 2], "y": [3, 4]}, {"x": [1, 2], "y": [3]}]
    with pytest.raises(SchemaError, match=r"item 1 .*different lengths, {'x': 2, 'y': 1}"):
        packed(records, 4, strategy="concat_split")
    assert packed(records[:1] * 2, 3, strategy="concat_split")[0]["y"].tolist() == [3, 4, 3]


@pytest.mark.parametrize(
    ("records", "error", "words"),
    [
        ([{"x": [1], "label": 3}], SchemaError, r"column 'label' holds the kind int, no sequence.*columns=\["),
        ([{"x": "text"}], SchemaError, "holds the kind str"),
        ([{"x": None}], SchemaError, "holds None"),
        ([{"x": ["a", "b"]}], SchemaError, "no sequence of numbers"),
        ([{"x": [[1], [2, 3]]}], SchemaError, "no sequence of numbers"),
        ([{"x": Ragged.from_rows([[1], [2, 3]])}], SchemaError, "holds the kind Ragged"),
        ([{"x": np.array(3)}], SchemaError, r"an array of int64 of shape \(\)"),
        ([{"x": np.ma.masked_array([1, 2])}], SchemaError, "MaskedArray"),
        ([{"x": {1, 2}}], SchemaError, "holds the kind set"),
        ([{"x": [1]}, {"x": [1.5]}], SchemaError, "holds int64 in records before and float64 here"),
        ([{"x": [1]}, {"x": [[1, 2]]}], SchemaError, "first axis"),
        ([{"x": [[1, 2]]}, {"x": [[1, 2, 3]]}], SchemaError, "first axis"),
        ([{"x": [1]}, {"y": [1]}], ColumnError, "no column 'x'"),
        ([{"x": [1]}, {"x": [1], "y": [1]}], SchemaError, "has a column 'y', and the first had none"),
        ([{"x": [1]}, [1]], KindError, "the first item was a mapping"),
        ([[1], {"x": [1]}], KindError, "the first item was a sequence"),
        ([{}], SchemaError, "no columns"),
        ([{3: [1]}], KindError, "named by text"),
        ([([1], [2])], KindError, "a tuple: map it"),
        ([Batch({"x": [1]})], KindError, r"a Batch of 1: \.unbatch\(\)"),
        ([3], SchemaError, "holds the kind int"),
        ([{"x": [1], "x_positions": [1]}], ArgumentError, "'x_positions'"),
        ([{"x": np.ones(3, np.uint8)}], ArgumentError, "column 'x': cannot pad uint8 with -1"),
    ],
)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_records_that_cannot_be_packed_are_refused(
    records: list[Any], error: type[Exception], words: str, strategy: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        packed(records, 4, strategy=strategy, pad=-1)
    assert any(f"in item {len(records) - 1} of what pack(4" in note for note in raised.value.__notes__)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"length": 0}, ArgumentError, "pack length must be 1 or more"),
        ({"length": 1.5}, KindError, "whole number"),
        ({"length": None}, KindError, "pack length"),
        ({"columns": []}, ArgumentError, "one column or more"),
        ({"columns": ["x", "x"]}, ArgumentError, "each once"),
        ({"columns": 3}, KindError, "columns are a name"),
        ({"columns": [3]}, KindError, "named by text"),
        ({"columns": ""}, SchemaError, "a column needs a name"),
        ({"columns": ["x", "x_segment_ids"]}, ArgumentError, "'x_segment_ids'"),
        ({"columns": {"x": 0}}, ArgumentError, "the length of 'x'"),
        ({"columns": {"x": 3, "y": 4}, "strategy": "concat_split"}, ArgumentError, "one length for all"),
        ({"strategy": "bestfit"}, ArgumentError, "Did you mean 'best_fit'"),
        ({"strategy": None}, ArgumentError, "pack strategy"),
        ({"open_bins": 0}, ArgumentError, "open_bins must be 1"),
        ({"open_bins": "3"}, KindError, "whole number"),
        ({"pad": None}, KindError, "pad must be"),
        ({"pad": "x"}, KindError, "pad must be"),
        ({"columns": "tokens", "pad": {"token": 0}}, ColumnError, "Did you mean 'tokens'"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Pack.of(Iterate.of([]), **{"length": 8, **arguments})


def test_a_pad_for_a_column_that_never_comes_is_refused() -> None:
    with pytest.raises(ColumnError, match="no column 'token'"):
        packed([{"tokens": [1]}], 4, pad={"token": 1})


def test_lengths_may_all_stand_with_their_columns() -> None:
    assert packed([{"x": [1]}], None, {"x": 3})[0]["x"].tolist() == [1, 0, 0]


def test_no_records_make_no_bins() -> None:
    for strategy in STRATEGIES:
        assert packed([], 4, strategy=strategy) == []
        assert packed([{"x": []}], 4, strategy=strategy) == []


def test_records_of_a_batch_are_packed_after_it_is_taken_apart() -> None:
    batch = Batch({"x": Ragged.from_rows([[1, 2], [3], [4, 5]])})
    check_cuts(Pack.of(Unbatch(Iterate.of([batch] * 5)), 3, open_bins=2))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_shuffled_dataset_is_packed_and_resumed(strategy: str) -> None:
    texts = Ragged.from_rows([np.full(n % 9, n, np.uint16) for n in range(60)])
    flow = Pack.of(Dataset(text=texts).shuffle(seed=1).stream(epochs=2)._flow, 10, None, strategy, 3)
    check_cuts(flow)
    check_alike(list(pickle.loads(pickle.dumps(flow)).start()), list(flow.start()))


def test_the_order_of_a_records_names_makes_no_difference() -> None:
    records = [{"y": [n], "x": [n, n]} if n % 3 else {"x": [n, n], "y": [n]} for n in range(20)]
    check_cuts(Pack.of(Iterate.of(records), 5, open_bins=2))
    assert list(packed(records, 5)[0])[::3] == ["x", "y"]


@pytest.mark.torch
def test_tensors_become_arrays() -> None:
    torch = pytest.importorskip("torch")
    (item,) = packed([torch.arange(3), torch.arange(2)], 6)
    assert item[0].tolist() == [0, 1, 2, 0, 1, 0]


def test_what_it_says_of_itself() -> None:
    upstream = Iterate.of([])
    assert Pack.of(upstream, 8).words() == "pack(8, strategy='best_fit', open_bins=64)"
    assert Pack.of(upstream, 8, "x", "concat_split", pad=1).words() == (
        "pack(8, columns=['x'], strategy='concat_split', pad=1)"
    )
    assert Pack.of(upstream, 8, {"x": 3, "y": None}).words() == (
        "pack({'x': 3, 'y': 8}, strategy='best_fit', open_bins=64)"
    )
    assert Pack.of(upstream, 8, pad=1).order() == Pack.of(upstream, 8).order()
    assert Pack.of(upstream, 8, pad=1).code() != Pack.of(upstream, 8).code()


@pytest.mark.parametrize(
    "bins",
    [[[0]], [[0, 1], [0, 0]], [[2, 0], [1, 3]], [[0, 1, 1]], [[9, 0]], [[0, 0], [0, 2], [0, 3]], [["0", 1]], [3]],
)
def test_impossible_bins_are_refused(bins: list[Any]) -> None:
    flow = Pack.of(Iterate.of(texts([3] * 10)), 8, open_bins=2)
    with pytest.raises(StateError, match="the state is damaged"):
        flow.start({"upstream": {"count": 0}, "from": 0, "read": 5, "finished": 2, "bins": bins})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_longer_or_shorter_items_than_when_the_state_was_saved_are_refused(strategy: str) -> None:
    def flow(extra: int) -> Flow:
        return Pack.of(Filter.of(Iterate.of(texts([4 + extra] * 10)), lambda _: True), 10, None, strategy, 4)

    cursor = flow(0).start()
    next(cursor)
    with pytest.raises(StateError, match="it is not what it was"):
        flow(2 if strategy != "concat_split" else -3).start(cursor.state())
