"""Orders: each class keeps the laws, and its own promise."""

from __future__ import annotations

from collections import Counter
from itertools import chain, product
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import ArgumentError, KindError, OrderError
from headrace.core.order import At, Order, Repeat, Sequential, Shard, Shuffle, Slice, Subset
from headrace.testing.orders import OrderTests

REMAINDERS: tuple[Literal["uneven", "drop", "pad"], ...] = ("uneven", "drop", "pad")

ORDERS: dict[str, Order] = {
    "sequential": Sequential(17),
    "sequential without end": Sequential(None),
    "sequential of nothing": Sequential(0),
    "take": Slice(20, 0, 1, 7),
    "skip": Slice(20, 13, 1, 7),
    "skip without end": Slice(None, 13, 1, None),
    "backwards": Slice(20, 19, -3, 7),
    "an empty slice": Slice(20, 25, 1, 0),
    "shuffle": Shuffle(1000, 42),
    "keyed shuffle": Shuffle(1000, 42, method="keyed"),
    "one shuffle for all epochs": Shuffle(300, 42, reshuffle=False),
    "one keyed shuffle for all epochs": Shuffle(300, 42, reshuffle=False, method="keyed"),
    "a huge shuffle": Shuffle(10**12, 42),
    "shuffle of one": Shuffle(1, 0),
    "shuffle of nothing": Shuffle(0, 0),
    "keyed shuffle of nothing": Shuffle(0, 0, method="keyed"),
    "repeat": Repeat(7, 3),
    "repeat without end": Repeat(7),
    "repeat of an endless one": Repeat(None, 3),
    "endless repeat of an endless one": Repeat(None),
    "repeat no times": Repeat(7, 0),
    "repeat of nothing": Repeat(0, 3),
    "subset": Subset(50, np.array([7, 3, 3, 49, 0])),
    "ascending subset": Subset(50, np.array([0, 3, 3, 7, 49])),
    "subset of nothing": Subset(0, np.array([], np.int64)),
    "subset of an endless one": Subset(None, np.array([2**40, 5])),
    "shard without end": Shard(None, 1, 3),
    **{
        f"shard {index} of {count} over {below} from {base}, {remainder}": Shard(below, index, count, remainder, base)
        for below, count, base, remainder in product((0, 2, 10), (1, 4), (0, 2), REMAINDERS)
        for index in (0, count - 1)
        if base <= below
    },
}


@pytest.mark.parametrize("name", ORDERS)
class TestEveryOrder(OrderTests):
    @pytest.fixture
    def order(self, name: str) -> Order:
        return ORDERS[name]


def all_of(order: Order, epoch: int = 0) -> list[int]:
    assert order.length is not None
    positions: list[int] = order(At(np.arange(order.length), epoch)).positions.tolist()
    return positions


def test_a_slice_gives_what_a_list_gives() -> None:
    records = list(range(20))
    for cut in (slice(3, 11), slice(None, None, -1), slice(15, 2, -4), slice(4, 20, 5), slice(8, 8)):
        chosen = range(*cut.indices(20))
        assert all_of(Slice(20, chosen.start, chosen.step, len(chosen))) == records[cut]


def test_a_slice_says_what_was_asked() -> None:
    assert Slice(20, 0, 1, 7).text() == "take(7)"
    assert Slice(20, 13, 1, 7).text() == "skip(13)"
    assert Slice(None, 13, 1, None).text() == "skip(13)"
    assert Slice(20, 3, 1, 5).text() == "[3:8]"
    assert Slice(20, 19, -1, 20).text() == "[19::-1]"


@pytest.mark.parametrize("arguments", [(20, 0, 0, 5), (20, 15, 1, 6), (20, 2, -1, 4), (20, 0, 1, None), (20, -1, 1, 2)])
def test_a_slice_that_does_not_fit_is_refused(arguments: tuple[int, int, int, int | None]) -> None:
    with pytest.raises(ArgumentError, match="slice"):
        Slice(*arguments)


def test_every_round_of_a_repeat_is_an_epoch_of_its_own() -> None:
    shuffle, repeat = Shuffle(10, 0), Repeat(10, 3)
    rounds = shuffle(repeat(At(np.arange(30), 2))).positions.reshape(3, 10)
    expected = [shuffle(At(np.arange(10), epoch)).positions for epoch in (6, 7, 8)]
    np.testing.assert_array_equal(rounds, expected)


@given(below=st.integers(1, 9), times=st.lists(st.integers(1, 4), min_size=1, max_size=4), epoch=st.integers(0, 10**6))
def test_nested_repeats_give_each_epoch_below_exactly_once(below: int, times: list[int], epoch: int) -> None:
    at, length = At(np.array([], np.int64), epoch), below
    orders: list[Repeat] = []
    for number in times:
        orders.append(Repeat(length, number))
        length *= number
    at = At(np.arange(length), epoch)
    for order in reversed(orders):
        at = order(at)
    total = length // below
    pairs = list(zip(np.broadcast_to(at.epochs, length).tolist(), at.positions.tolist(), strict=True))
    assert pairs == list(product(range(epoch * total, (epoch + 1) * total), range(below)))


def test_an_endless_repeat_stays_apart_from_its_next_epoch() -> None:
    order = Repeat(3)
    assert order.length is None
    assert order(At(np.array([0, 4, 3 * 10**9]), 0)).epochs.tolist() == [0, 1, 10**9]  # type: ignore[union-attr]
    assert order(At(np.array([0, 4]), 5)).epochs.tolist() == [5 * 2**32, 5 * 2**32 + 1]  # type: ignore[union-attr]
    assert order.find(1, 5 * 2**32 + 7, 5) == 22
    assert order.find(1, 5 * 2**32 + 7, 4) is None


def test_a_batch_within_one_round_keeps_one_epoch_for_all() -> None:
    assert Repeat(100, 5)(At(np.arange(200, 300), 1)).epochs == 7


def test_epochs_beyond_64_bits_are_refused_before_they_begin_again() -> None:
    with pytest.raises(OrderError, match="epoch 2147483648"):
        Repeat(3)(At(np.arange(2), 2**31))
    with pytest.raises(OrderError, match="passes the last"):
        Repeat(3, 2)(At(np.arange(2), np.array([0, 2**62])))


def test_repeats_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(OrderError, match="nothing to repeat"):
        Repeat(0)
    with pytest.raises(ArgumentError, match="times"):
        Repeat(3, -1)


def test_seed_42_epoch_1_is_not_seed_43_epoch_0() -> None:
    for method in ("explicit", "keyed"):
        assert all_of(Shuffle(100, 42, method=method), 1) != all_of(Shuffle(100, 43, method=method), 0)


@pytest.mark.parametrize("method", ["explicit", "keyed"])
def test_epochs_of_a_shuffle_differ_and_of_a_fixed_one_do_not(method: Literal["explicit", "keyed"]) -> None:
    orders = {tuple(all_of(Shuffle(50, seed, method=method), epoch)) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100
    fixed = Shuffle(50, 3, reshuffle=False, method=method)
    assert all_of(fixed, 9) == all_of(fixed, 0) == all_of(Shuffle(50, 3, method=method), 0)


def test_a_shuffle_says_which_method_it_chose() -> None:
    assert Shuffle(10, 0).text() == "shuffle(seed=0, method='explicit')"
    assert Shuffle(2**20, 0).method == "explicit"
    assert Shuffle(2**20 + 1, 7, False).text() == "shuffle(seed=7, reshuffle=False, method='keyed')"
    assert Shuffle(10, 0) == Shuffle(10, 0, method="explicit") != Shuffle(10, 0, method="keyed")


def test_a_numpy_integer_is_a_seed_like_any_other() -> None:
    order = Shuffle(10, np.int64(7))  # type: ignore[arg-type]
    assert order == Shuffle(10, 7)
    assert order.text() == Shuffle(10, 7).text()


def test_a_shuffle_works_up_to_the_last_epoch() -> None:
    for method in ("explicit", "keyed"):
        for epoch in (2**62, 2**63 - 1):
            order = Shuffle(20, 0, method=method)
            assert sorted(all_of(order, epoch)) == list(range(20))
            assert order(At(np.arange(20), np.full(20, epoch))).positions.tolist() == all_of(order, epoch)
            assert order(At(np.arange(20), np.int64(epoch))).positions.tolist() == all_of(order, epoch)  # type: ignore[arg-type]


def test_shuffles_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(OrderError, match="endless"):
        Shuffle(None, 0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="method"):
        Shuffle(10, 0, method="approximate")  # type: ignore[arg-type]
    with pytest.raises(KindError, match="seed"):
        Shuffle(10, None)  # type: ignore[arg-type]


def test_a_subset_of_millions_is_found_by_bisection_and_hashed_once() -> None:
    subset = Subset(10**9, np.arange(0, 10**9, 1000))
    assert subset.find(999_999_000, 0, 0) == 999_999
    assert subset.find(999_999_001, 0, 0) is None
    assert subset.digest is subset.digest
    assert subset == Subset(10**9, np.arange(0, 10**9, 1000)) != Subset(10**9, np.arange(1, 10**9, 1000))


def test_a_subset_keeps_its_choice_when_the_array_given_changes() -> None:
    chosen = np.array([1, 2, 3])
    subset = Subset(10, chosen)
    chosen[0] = 9
    assert all_of(subset) == [1, 2, 3]
    fixed = np.arange(5)
    fixed.flags.writeable = False
    assert Subset(10, fixed).indices is fixed


@pytest.mark.parametrize("indices", [[-1], [10], [0.5], [[1, 2]], [True, False]])
def test_a_subset_that_does_not_fit_is_refused(indices: list[object]) -> None:
    with pytest.raises(ArgumentError, match="indices"):
        Subset(10, np.array(indices))


def serve(below: int, count: int, remainder: Literal["uneven", "drop", "pad"], base: int = 0) -> list[list[int]]:
    return [all_of(Shard(below, index, count, remainder, base)) for index in range(count)]


sizes = st.integers(0, 60)
counts = st.integers(1, 9)


@given(below=sizes, count=counts, data=st.data())
def test_uneven_shards_share_out_every_position_exactly_once(below: int, count: int, data: st.DataObject) -> None:
    base = data.draw(st.integers(0, below))
    shares = serve(below, count, "uneven", base)
    assert sorted(chain(*shares)) == list(range(base, below))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(below=sizes, count=counts, data=st.data())
def test_dropping_shards_are_even_and_lose_fewer_than_one_each(below: int, count: int, data: st.DataObject) -> None:
    base = data.draw(st.integers(0, below))
    shares = serve(below, count, "drop", base)
    assert len(set(map(len, shares))) == 1
    served = sorted(chain(*shares))
    assert served == list(range(base, base + len(served)))
    assert 0 <= below - base - len(served) < count


@given(below=sizes, count=counts, data=st.data())
def test_padding_shards_are_even_and_mark_what_they_repeat(below: int, count: int, data: st.DataObject) -> None:
    base = data.draw(st.integers(0, below))
    shards = [Shard(below, index, count, "pad", base) for index in range(count)]
    assert len({shard.length for shard in shards}) == 1
    fresh: list[int] = []
    repeated = 0
    for shard in shards:
        marks = shard.padded(At(np.arange(shard.length or 0)))
        positions = np.array(all_of(shard), np.int64)
        assert ((positions >= 0) & (positions < below)).all()
        fresh += positions[~marks].tolist()
        repeated += int(marks.sum())
    assert sorted(fresh) == list(range(base, below))
    assert repeated < count


@given(
    below=sizes,
    runs=st.lists(st.tuples(counts, st.integers(1, 5), st.integers(0, 5)), min_size=1, max_size=4),
    remainder=st.sampled_from(REMAINDERS),
)
def test_a_run_cut_anywhere_goes_on_with_any_number_of_readers(
    below: int, runs: list[tuple[int, int, int]], remainder: Literal["uneven", "drop", "pad"]
) -> None:
    served: Counter[int] = Counter()
    base = 0
    for count, batch, steps in runs:
        for index in range(count):
            share = all_of(Shard(below, index, count, "uneven", base))
            served.update(share[: batch * steps])
        base = min(base + count * batch * steps, below)
    last = runs[0][0]
    shards = [Shard(below, index, last, remainder, base) for index in range(last)]
    for shard in shards:
        at = At(np.arange(shard.length or 0))
        served.update(shard(at).positions[~shard.padded(at)].tolist())
    missing = below - sum(served.values())
    assert set(served.values()) <= {1}
    assert missing == ((below - base) % last if remainder == "drop" else 0)
    assert all(position < below - missing for position in served)


@pytest.mark.parametrize("arguments", [(10, 3, 3), (10, -1, 3), (10, 0, 0), (10, 0, 1, "some"), (10, 0, 1, "drop", 11)])
def test_shards_that_cannot_be_meant_are_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ArgumentError, match=r"shard|remainder"):
        Shard(*arguments)


def test_a_shard_says_what_was_asked() -> None:
    assert Shard(10, 1, 3).text() == "shard(1, 3)"
    assert Shard(10, 1, 3, "pad", 4).text() == "shard(1, 3, remainder='pad', base=4)"
