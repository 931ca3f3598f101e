"""Block shuffles of stored versions: their blocks are parts, and from afar each is fetched once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import headrace as hr
from headrace import Dataset
from headrace.stores.fetched.shelf import Fetched
from headrace.stores.reader import Stored
from tests.stores.fetched.far import numbered

PARTS, ROWS = 40, 1000


def test_parts_on_this_machine_are_blocks_and_one_part_is_cut(tmp_path: Path) -> None:
    store = hr.Store(tmp_path)
    data = Dataset(x=np.arange(30_000))
    store.submit(data, "parts", "1", part_bytes=8_000)
    store.submit(data, "one", "1")
    parts, one = (store.fetch(name, "1").block_shuffle(memory="160 kB", seed=0, lanes=4) for name in ("parts", "one"))
    assert 25 < parts.shuffle_report().blocks < 40
    assert one.shuffle_report().blocks == 1
    for ds in (parts, one):
        assert sorted(ds.collect()["x"].tolist()) == list(range(30_000))
    assert store.fetch("parts", "1")._node.sources[0].source.expect is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("readers", [1, 4])
def test_from_afar_each_part_is_fetched_once_by_one_reader(tmp_path: Path, readers: int) -> None:
    backend, manifest = numbered(tmp_path, PARTS, ROWS)
    fetched, seen = 0, []
    for rank in range(readers):
        shelf = Fetched(backend, tmp_path / f"cache {rank}", 2**30)
        ds = Dataset(Stored(shelf, manifest)).block_shuffle(memory="200 kB", seed=0).shard(rank, readers).batch(50)
        report = ds.shuffle_report()
        seen += [x for batch in ds.stream() for x in batch["x"].tolist()]
        assert shelf.stats().fetched <= report.fetching.reader_blocks
        fetched += shelf.stats().fetched
    assert sorted(seen) == list(range(PARTS * ROWS))
    assert PARTS <= fetched <= PARTS + 7
