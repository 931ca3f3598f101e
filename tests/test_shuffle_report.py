"""What an order fetches and how random it is, told before anything is read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace import ArgumentError, Dataset, EndlessError
from headrace.core.source import Indices


class Unread:
    """Blocks that must not be read."""

    structure = "value"

    def __init__(self, blocks: int, length: int, each: int) -> None:
        self.count, self.length, self.each = blocks, length, each

    def __len__(self) -> int:
        return self.count * self.length

    def read(self, indices: Indices, /) -> Any:
        raise AssertionError("a report reads nothing")

    def blocks(self) -> tuple[Indices, Indices]:
        return np.arange(self.count) * self.length, np.full(self.count, self.length * self.each)


def fetched(ds: Dataset, source: Unread, rank: int, readers: int) -> set[int]:
    share = ds.shard(rank, readers).batch(1000)
    return {int(block) for step in range(len(share)) for block in share.indices(step) // source.length}


@pytest.mark.parametrize(("readers", "lanes"), [(1, 8), (4, 8), (8, 8), (2, 4), (3, 4), (1, 1)])
def test_what_a_block_shuffle_fetches_is_what_its_readers_read(readers: int, lanes: int) -> None:
    source = Unread(103, 100, 10)
    ds = Dataset(source).block_shuffle(memory="40 kB", seed=0, lanes=lanes)
    report = ds.shuffle_report(readers)
    read = [fetched(ds, source, rank, readers) for rank in range(readers)]
    assert report.fetching.reader_blocks >= max(map(len, read)) >= report.fetching.reader_blocks - lanes
    assert (report.blocks, report.nbytes, report.largest) == (103, 103_000, 1000)
    assert report.fetching.held_bytes <= 40_000 // (readers if lanes % readers == 0 else 1)
    own = 1 if lanes % readers == 0 else readers
    assert own <= report.fetching.amplification <= own * (1 + lanes / 103)
    assert ("cannot be shared" in str(report)) == (lanes % readers > 0)


def test_measures_are_0_of_storage_order_and_1_of_a_true_shuffle() -> None:
    source = Unread(100, 1000, 10)
    ds = Dataset(source)
    stored, shuffled = ds.shuffle_report().quality, ds.shuffle(0).shuffle_report().quality
    assert stored == pytest.approx((0, 0, 0), abs=0.01)
    assert shuffled == pytest.approx((1, 1, 1), abs=0.05)
    assert ds[::-1].shuffle_report().quality.displacement == pytest.approx(1.5, abs=0.01)
    spreads = []
    for memory in ("160 kB", "320 kB", "900 kB", "2 GB"):
        quality = ds.block_shuffle(memory=memory, seed=0).shuffle_report().quality
        assert quality.displacement == pytest.approx(1, abs=0.2)
        spreads.append(quality.spread or 0)
    assert spreads == sorted(spreads)
    assert 0.2 < spreads[0] < 0.4 < 0.95 < spreads[-1]


def test_a_true_shuffle_through_a_small_cache_fetches_again_and_again() -> None:
    source = Unread(100, 1000, 10)
    ds = Dataset(source)
    small = ds.shuffle(0).batch(16).shuffle_report(memory="100 kB")
    assert small.fetching.amplification == pytest.approx(small.shuffled.amplification, rel=0.15)
    assert small.fetching.amplification > 700  # of 1,000 records of a block, nine in ten are not there
    assert "again and again" in str(small)
    assert small.fetching.held_bytes == 100_000
    large = ds.shuffle(0).shuffle_report(memory="1 MB")
    assert large.fetching.amplification == large.shuffled.amplification == 1
    assert ds.shuffle_report(memory="50 kB").fetching.fetches == 100
    assert ds.shuffle_report(4, memory="50 kB").fetching.fetches == 400  # every reader goes through all


def test_long_epochs_are_told_from_their_beginning() -> None:
    source = Unread(1000, 100_000, 1000)
    for ds, fetches in ((Dataset(source), 1000), (Dataset(source).block_shuffle(memory="20 GB", seed=0), 1000)):
        assert ds.shuffle_report().fetching.fetches == pytest.approx(fetches, rel=0.01)
    shuffled = Dataset(source).shuffle(0).shuffle_report(memory="10 GB")
    assert shuffled.fetching.amplification == pytest.approx(shuffled.shuffled.amplification, rel=0.05)


def test_of_chains_and_of_little() -> None:
    ds = Dataset(Unread(20, 50, 10)).map(lambda x: x).take(500).block_shuffle(memory="8 kB", seed=0)
    report = ds.map(lambda x: x).shard(0, 2).batch(7).shuffle_report()
    assert (report.records, report.blocks, report.readers, report.batch) == (500, 10, 2, 7)
    beside = hr.zip(Dataset(range(1000)), Dataset(Unread(20, 50, 10_000)))
    assert beside.shuffle_report().blocks == 20
    joined = hr.concat([Dataset(Unread(2, 50, 1)), Dataset(Unread(3, 50, 1))])
    assert joined.shuffle(0).shuffle_report().blocks == 5
    for few in (Dataset(a=[]), Dataset(np.zeros(1)), Dataset(np.zeros(3)).block_shuffle(seed=0)):
        assert few.shuffle_report(count=5).records == len(few)
    assert "-" in str(Dataset(np.zeros(1)).shuffle_report())
    with pytest.raises(EndlessError, match="needs an end"):
        Dataset(range(3)).repeat().shuffle_report()
    with pytest.raises(ArgumentError, match=r"ask before batch\(\)"):
        Dataset(range(3)).batch(2).shuffle(0).shuffle_report()


def test_a_report_can_be_shown_and_kept() -> None:
    report = Dataset(Unread(50, 10, 10)).block_shuffle(memory="4 kB", seed=0).shuffle_report()
    assert repr(report) == str(report)
    assert str(report).startswith("block_shuffle(memory='4 kB', seed=0): one reader with 4 kB, batches of 32\n")
    assert report._repr_html_().count("<tr>") == 10
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["fetching"]["fetches"] == report.fetching.fetches
    assert plain["quality"]["spread"] == report.quality.spread
