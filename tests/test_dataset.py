"""The random-access layer as its user sees it: a pure function of (epoch, position), whatever the chain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import Batch
from headrace.core.address import At
from headrace.core.records import to_columns
from headrace.nodes.node import Context
from tests.strategies import Chain, chains

EPOCHS = 3


# The laws of a chain, against a model in plain lists


@settings(max_examples=400)
@given(chain=chains())
def test_a_chain_gives_in_every_epoch_what_its_model_in_lists_gives(chain: Chain) -> None:
    ds, model = chain.dataset, chain.model
    records = [model.at(epoch) for epoch in range(EPOCHS)]
    assert len(ds) == len(records[0])
    assert bool(ds) == bool(records[0])
    assert list(ds) == ds.list() == records[0]
    assert list(ds.stream(epochs=EPOCHS)) == [record for epoch in records for record in epoch]
    assert list(reversed(ds)) == records[0][::-1]
    for position, record in enumerate(records[0]):
        assert ds[position] == ds[position - len(ds)] == ds[np.int32(position)] == record
    for outside in (len(ds), -len(ds) - 1):
        with pytest.raises(IndexError, match=rf"record {outside} of a dataset of {len(ds)}"):
            ds[outside]
    if records[0]:
        assert ds.first() == records[0][0]
        columns = ds.collect()
        assert {name: columns[name].tolist() for name in columns} == {
            name: [record[name] for record in records[0]] for name in ("id", "x")
        }


@settings(max_examples=200)
@given(chain=chains(), data=st.data())
def test_addresses_can_be_read_in_any_order_many_epochs_at_once(chain: Chain, data: st.DataObject) -> None:
    records = [chain.model.at(epoch) for epoch in range(EPOCHS)]
    if not records[0]:
        return
    places = st.tuples(st.integers(0, EPOCHS - 1), st.integers(0, len(records[0]) - 1))
    asked = data.draw(st.lists(places, min_size=1, max_size=12))
    epochs, positions = (np.array(side, np.int64) for side in zip(*asked, strict=True))
    read = chain.dataset._node.read(At(positions, epochs), Context())
    expected = [records[epoch][position] for epoch, position in asked]
    assert to_columns(read).rows() == expected
    assert chain.dataset._node.ids(At(positions, epochs)).tolist() == [record["id"] for record in expected]


@settings(max_examples=300)
@given(chain=chains())
def test_indices_are_what_a_column_of_ids_shows_and_step_of_is_their_inverse(chain: Chain) -> None:
    ds = chain.dataset
    assert ds._node.universe == chain.model.universe
    for epoch in range(EPOCHS):
        ids = [record["id"] for record in chain.model.at(epoch)]
        assert [ds.indices(position, epoch).tolist() for position in range(len(ds))] == [[number] for number in ids]
        for record in range(chain.model.universe):
            assert ds.step_of(record, epoch) == (ids.index(record) if record in ids else None)


@settings(max_examples=200)
@given(chain=chains(), size=st.integers(1, 7), drop=st.booleans())
def test_batches_are_the_records_of_an_epoch_cut_and_know_what_they_hold(chain: Chain, size: int, drop: bool) -> None:
    batches = chain.dataset.batch(size, drop_remainder=drop)
    stream = iter(batches.stream(epochs=EPOCHS))
    for epoch in range(EPOCHS):
        records = chain.model.at(epoch)
        cut = [records[start : start + size] for start in range(0, len(records), size)]
        cut = [rows for rows in cut if len(rows) == size or not drop]
        assert len(batches) == len(cut)
        for step, rows in enumerate(cut):
            batch = next(stream)
            assert isinstance(batch, Batch)
            assert batch.rows() == rows
            assert batches.indices(step, epoch).tolist() == [row["id"] for row in rows]
            if epoch == 0:
                assert batches[step] == batches[step - len(cut)] == batch
        for record in range(chain.model.universe):
            steps = [step for step, rows in enumerate(cut) if record in [row["id"] for row in rows]]
            assert batches.step_of(record, epoch) == min(steps, default=None)
    assert next(stream, None) is None


@settings(max_examples=100)
@given(chain=chains(), seed=st.integers(0, 3), rest=st.integers(0, 2))
def test_a_filter_after_a_shuffle_is_the_shuffle_of_what_a_filter_keeps(chain: Chain, seed: int, rest: int) -> None:
    if chain.model.place() != len(chain.model.ops) or chain.model.count("noise"):
        return

    def keep(record: dict[str, int]) -> bool:
        return record["x"] % 3 != rest

    after = chain.dataset.shuffle(seed).filter(keep)
    before = chain.dataset.filter(keep).shuffle(seed)
    kept = [record for record in chain.model.at(0) if keep(record)]
    assert len(after) == len(before) == len(kept)
    assert after.stream(epochs=EPOCHS).list() == before.stream(epochs=EPOCHS).list()
    assert sorted(map(str, after)) == sorted(map(str, kept))
    assert [after[position] for position in range(len(after))] == after.list()


@settings(max_examples=100)
@given(chain=chains())
def test_repr_reads_nothing_and_never_fails(chain: Chain) -> None:
    assert repr(chain.dataset).startswith("Dataset(")
    assert "->" in repr(chain.dataset) or len(chain.steps) == 1
