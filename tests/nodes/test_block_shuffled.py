"""Block shuffles over chains: which positions lie together, what readers share, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace import ArgumentError, Dataset, OrderError
from headrace.core.address import At
from headrace.core.source import Indices
from headrace.nodes.storage import runs_of


class Parts:
    """Numbers that lie in parts."""

    structure = "value"

    def __init__(self, lengths: list[int], each: int = 100) -> None:
        self.lengths, self.each = lengths, each
        self.starts = np.cumsum([0, *lengths])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def read(self, indices: Indices, /) -> dict[str, Any]:
        return {"value": indices.copy()}

    def blocks(self) -> tuple[Indices, Indices]:
        return self.starts[:-1], np.array(self.lengths) * self.each

    def expect(self, blocks: Sequence[int]) -> None:
        """Parts are fetched whole."""

    def part_of(self, records: Any) -> set[int]:
        return set((self.starts.searchsorted(records, "right") - 1).tolist())


def parts(count: int, length: int = 10) -> Dataset:
    return Dataset(Parts([length] * count))


@given(lengths=st.lists(st.integers(0, 9), max_size=8), data=st.data())
def test_runs_of_a_chain_are_what_its_records_say(lengths: list[int], data: st.DataObject) -> None:
    """Between two borders all records are of one part, and at a border they change."""
    source = Parts(lengths)
    ds = Dataset(source)
    steps: dict[str, Callable[[Dataset], Dataset]] = {
        "take": lambda ds: ds.take(data.draw(st.integers(0, 40))),
        "skip": lambda ds: ds.skip(data.draw(st.integers(0, 9))),
        "slice": lambda ds: ds[:: data.draw(st.integers(1, 4))],
        "backwards": lambda ds: ds[::-1],
        "filter": lambda ds: ds.filter(lambda x: x % 3 != 1),
        "map": lambda ds: ds.map(lambda x: x),
        "chosen": lambda ds: ds[np.arange(len(ds)) % 4 != 2],
        "split": lambda ds: ds.split(a=0.5, b=0.5, seed=0).a,
    }
    backwards = False
    for step in data.draw(st.lists(st.sampled_from(list(steps)), max_size=4)):
        if backwards and step in ("backwards", "split", "filter"):
            continue
        backwards |= step == "backwards"
        ds = steps[step](ds)
    runs = runs_of(ds._node)
    positions = np.arange(len(ds))
    parts = source.starts.searchsorted(ds._node.ids(At(positions)), "right")
    assert runs.length == len(ds)
    assert runs.starts.tolist() == [p for p in positions.tolist() if p == 0 or parts[p] != parts[p - 1]]
    assert runs.nbytes.tolist() == [lengths[parts[start] - 1] * 100 for start in runs.starts.tolist()]


def test_runs_of_several_sources() -> None:
    a, b = Dataset(Parts([4, 6])), Dataset(Parts([5, 5, 5], each=1))
    joined = runs_of(hr.concat([a, b.skip(5)])._node)
    assert joined.starts.tolist() == [0, 4, 10, 15]
    assert joined.nbytes.tolist() == [400, 600, 5, 5]
    beside = runs_of(hr.zip(b, a)._node)  # the blocks of whose bytes there are more
    assert beside.starts.tolist() == [0, 4]
    assert beside.nbytes.tolist() == [406, 609] or beside.total >= 1010
    twice = runs_of(a.repeat(2)._node)
    assert twice.starts.tolist() == [0, 4, 10, 14]
    batches = runs_of(a.batch(3)._node)  # of records 0-2, 3-5, 6-8, 9
    assert batches.starts.tolist() == [0, 2]
    assert batches.nbytes.tolist() == [1000, 600]
    assert runs_of(Dataset(Parts([1] * 7)).batch(4)._node).nbytes.tolist() == [400, 300]


def test_arrays_have_blocks_of_a_size_that_suits() -> None:
    assert len(runs_of(Dataset(np.zeros((4096, 1000)))._node)) == 512
    assert runs_of(Dataset(np.zeros((4096, 100_000), np.uint8))._node, 1 << 20).largest <= 1 << 20
    assert runs_of(Dataset(range(100))._node).lengths.tolist() == [1] * 100
    assert len(runs_of(Dataset(a=[], b=[])._node)) == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda ds: ds.shuffle(0), r"shuffle\(seed=0\) puts them .*leave out one of the two"),
        (lambda ds: ds.shuffle(0, reshuffle=False).take(7), r"shuffle\(seed=0, reshuffle=False\) puts them"),
        (lambda ds: ds.block_shuffle(), r"block_shuffle\(memory='2 GB', seed=0\) puts them"),
        (lambda ds: ds.shard(0, 2), r"shard\(0, 2\) .*write block_shuffle\(\) before shard"),
        (lambda ds: ds[[5, 1]], r"\[2 chosen\] .*sort the records that are chosen"),
        (lambda ds: ds.sort_by(lambda x: -x), r"sort_by.*sort the records"),
        (lambda ds: hr.mix([ds, ds]), "mix of 2 .*each dataset before mixing"),
        (lambda ds: ds.repeat(), r"endless .*before repeat\(\)"),
    ],
)
def test_other_orders_are_refused_where_it_is_written(make: Callable[[Dataset], Dataset], words: str) -> None:
    with pytest.raises(OrderError, match=words):
        make(parts(4)).block_shuffle()


def test_what_cannot_be_held_or_be_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"largest of 100 blocks has 1 kB: give it memory='16.1 kB', or lanes=2"):
        parts(100).block_shuffle(memory=5000)
    for wrong in ({"memory": "much"}, {"memory": 0}, {"lanes": 0}, {"seed": -1}):
        with pytest.raises(ArgumentError):
            parts(4).block_shuffle(**wrong)

    class Wrong(Parts):
        def blocks(self) -> Any:
            return [1, 2]

    with pytest.raises(ArgumentError, match=r"Wrong: blocks\(\) must return two arrays"):
        Dataset(Wrong([5])).block_shuffle()


@pytest.mark.parametrize("readers", [1, 2, 4, 8])
@pytest.mark.parametrize("remainder", ["uneven", "drop", "pad"])
def test_ranks_read_parts_of_their_own(readers: int, remainder: Any) -> None:
    source = Parts([7, 10, 13] * 20)
    ds = Dataset(source).block_shuffle(memory="40 kB", seed=3)
    for epoch in (0, 1):
        read = []
        for rank in range(readers):
            share = ds.shard(rank, readers, remainder).batch(8)
            records = np.concatenate([share.indices(step, epoch) for step in range(len(share))])
            read.append(source.part_of(records))
        wrapped = readers if remainder == "pad" else 0  # a padded position begins again in lane 0
        assert sum(map(len, read)) <= 60 + 7 + wrapped
        if readers == 8:
            assert max(map(len, read)) < 12


def test_a_block_is_read_once_for_each_lane_and_no_more_are_held_than_fit() -> None:
    source = Parts([10] * 200)
    ds = Dataset(source).block_shuffle(memory="64 kB", seed=1, lanes=4)  # 64 parts; 8 to a window
    ids = ds._node.ids(At(np.arange(len(ds)), 2))
    which = source.starts.searchsorted(ids, "right") - 1
    first = {part: int(np.flatnonzero(which == part)[0]) for part in range(200)}
    last = {part: int(np.flatnonzero(which == part)[-1]) for part in range(200)}
    spans = sorted(last[part] - first[part] for part in range(200))
    assert spans[190] <= 4 * 80  # a window of each lane; but for those that a border cuts
    held = [sum(first[part] <= place <= last[part] for part in range(200)) for place in range(0, len(ds), 7)]
    assert max(held) <= 4 * 8 + 3


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(1, 9), min_size=3, max_size=30), data=st.data())
def test_any_number_of_readers_resumes(lengths: list[int], data: st.DataObject) -> None:
    ds = Dataset(Parts(lengths)).block_shuffle(memory="30 kB", seed=0, lanes=4)
    before, after = data.draw(st.sampled_from([1, 2, 4])), data.draw(st.sampled_from([1, 2, 3, 4]))
    cut = data.draw(st.integers(0, len(ds) // (3 * before)))
    seen, state = [], None
    for rank in range(before):
        run = iter(ds.shard(rank, before).batch(3).stream(epochs=2))
        seen += [x for batch in islice(run, cut) for x in batch.tolist()]
        state = json.loads(json.dumps(run.state_dict()))
    assert state is not None
    for rank in range(after):
        stream = ds.shard(rank, after).batch(5).stream(epochs=2).resume(state)
        seen += [x for batch in stream for x in batch.tolist()]
    assert sorted(seen) == sorted([*range(len(ds))] * 2)


def test_parts_at_hand_are_cut_where_they_are_too_large_and_else_the_order_is_the_same() -> None:
    class AtHand(Parts):
        expect = None  # type: ignore[assignment]

    source = AtHand([10_000, 5, 20])
    ds = Dataset(source).block_shuffle(memory="80 kB", seed=0)
    assert sorted(ds) == list(range(10_025))
    with pytest.raises(ArgumentError, match="largest of 3 blocks has 1 MB"):
        Dataset(Parts([10_000, 5, 20])).block_shuffle(memory="80 kB", seed=0)
    assert ds.shuffle_report().fetching.fetches >= 3
    far, near = (Dataset(kind([10] * 30)).block_shuffle(memory="40 kB", seed=0) for kind in (Parts, AtHand))
    assert list(far) == list(near)
    assert far._node.order()[-1] == near._node.order()[-1]


def test_steps_that_are_about_records_go_below_it() -> None:
    ds = parts(30).block_shuffle(memory="40 kB", seed=0)
    kept = ds.filter(lambda x: x % 2 == 0)
    assert sorted(kept) == list(range(0, 300, 2))
    assert kept._node.order()[-1].startswith("block_shuffle(seed=0, memory=40000, lanes=8) of 30 blocks")
    train, rest = ds.split(train=0.8, rest=0.2, seed=0)
    assert sorted([*train, *rest]) == list(range(300))
    assert list(train) != list(ds.repeat(2).skip(300).take(240))
    assert [*ds.repeat(2)][300:] != [*ds]
    fixed = parts(30).block_shuffle(seed=0, reshuffle=False)
    assert [*fixed.repeat(2)] == [*fixed, *fixed]
    assert all(ds.indices(ds.step_of(record, epoch=2) or 0, 2) == [record] for record in range(0, 300, 17))
    assert "another order in each epoch" in str(ds.explain())
    assert "seed 0" in str(ds.explain())


def test_workers_give_the_same() -> None:
    ds = parts(40).block_shuffle(memory="40 kB", seed=0).batch(7)
    alone = [batch.tolist() for batch in ds.stream(epochs=2)]
    assert [batch.tolist() for batch in ds.stream(epochs=2, workers=2)] == alone
