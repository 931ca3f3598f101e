"""Blocks hold all records once, in order, and never more bytes than are few in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Batch, Dataset
from headrace.core.records import Columns, Rows
from headrace.nodes.blocks import blocks, rows_that_fit


@given(length=st.integers(0, 10_000))
def test_blocks_hold_every_record_once_in_order(length: int) -> None:
    read = [records.rows() for _, records in blocks(Dataset(range(10_000))._node, length)]
    assert [row for rows in read for row in rows] == list(range(length))
    assert all(read)


class Large:
    """Records of 4 MB, of which it counts how many are asked for together."""

    def __init__(self) -> None:
        self.most = 0

    def __len__(self) -> int:
        return 40

    def read(self, indices: Any) -> dict[str, Any]:
        self.most = max(self.most, len(indices))
        return {"image": np.broadcast_to(np.uint8(0), (len(indices), 1 << 22)), "label": indices}


LOOKS: dict[str, Callable[[Dataset], Any]] = {
    "filter": lambda ds: len(ds.filter(lambda record: record["label"] > 3)),
    "sort_by a column": lambda ds: ds.sort_by("label").indices(0),
    "sort_by a function": lambda ds: ds.sort_by(lambda record: -record["label"]).indices(0),
    "group_by": lambda ds: ds.group_by("label"),
    "iteration": lambda ds: sum(record["label"] for record in ds),
    "iteration over a map": lambda ds: sum(record["label"] for record in ds.map(dict)),
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_pass_over_large_records_holds_few_of_them_at_once(name: str) -> None:
    source = Large()
    LOOKS[name](Dataset(source))
    assert source.most <= 8


def test_looking_at_one_column_reads_that_one_where_the_source_has_its_columns_at_hand() -> None:
    image = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (100_000, 1 << 30), (0, 0))  # 100 TB, if copied
    ds = Dataset(image=image, label=np.arange(100_000) % 3)
    assert len(ds.group_by("label")) == 3
    assert ds.sort_by("label").indices(0).tolist() == [0]
    train, _ = ds.split(train=0.5, val=0.5, by="label", seed=0)
    assert 0 < len(train) < 100_000


@pytest.mark.parametrize(
    "record",
    [
        np.zeros(1 << 20),
        {"x": np.zeros(1 << 20)},
        (1, np.zeros(1 << 20)),
        [np.zeros(1 << 10)] * (1 << 10),
        Batch({"x": np.zeros((2, 1 << 19))}),
        bytes(1 << 23),
    ],
)
def test_the_size_of_records_of_any_kind_is_seen(record: Any) -> None:
    assert rows_that_fit(Rows([record]), 4096, 1 << 25) in (3, 4)
    assert rows_that_fit(Rows([record]), 3, 1 << 25) == 3
    assert rows_that_fit(Rows([record]), 4096, 5) == 1


def test_small_records_and_none_are_read_by_the_most() -> None:
    assert rows_that_fit(Rows([]), 4096) == 4096
    assert rows_that_fit(Columns(Batch({"x": np.zeros(5)})), 4096) == 4096
    assert rows_that_fit(Columns(Batch({"x": np.zeros((5, 1 << 20))})), 4096, 1 << 25) == 4
