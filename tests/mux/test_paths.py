"""Records drawn ahead by arithmetic are those of streams gone through one by one, and so are places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.core.errors import OrderError
from headrace.mux import planned
from tests.mux.made import as_json, columns, dataset, even, flow_of, is_fast, jittered, plain, slow, slowly, some

MANY = 30

LEAVES = st.sampled_from(["plain", "shuffled", "several epochs", "random map", "filtered", "endless", "part"])


def leaf(kind: str, name: int, length: int) -> Any:
    ds = dataset(name, length)
    made: dict[str, Callable[[], Any]] = {
        "plain": lambda: ds,
        "shuffled": lambda: ds.shuffle(name),
        "several epochs": lambda: ds.shuffle(name).stream(epochs=3),
        "random map": lambda: ds.map(jittered, seed=name),
        "filtered": lambda: dataset(name, 2 * length).filter(even),
        "endless": lambda: dataset(name, length + 1).shuffle(name).stream(epochs=None),
        "part": lambda: dataset(name, length + 2).skip(1).take(length),
    }
    return made[kind]()


@st.composite
def muxes(pick: st.DrawFn, depth: int = 2) -> hr.Stream:
    count = pick(st.integers(1, 5))
    streams: list[Any] = []
    for number in range(count):
        if depth and pick(st.integers(0, 3)) == 0:
            streams.append(pick(muxes(depth=depth - 1)))
        else:
            streams.append(leaf(pick(LEAVES), 10 * depth + number, pick(st.integers(0, 6))))
    weights: Any = pick(st.one_of(st.none(), st.lists(st.integers(0, 4), min_size=count, max_size=count).filter(any)))
    seed = pick(st.integers(0, 3))
    if weights is not None and pick(st.integers(0, 4)) == 0:
        weights = hr.Curriculum(Turned(weights), every=pick(st.integers(1, 9)))
    kind = pick(st.sampled_from(["stochastic", "stochastic", "shuffled", "turns", "chain", "mix"]))
    if kind == "stochastic":
        mode: Any = pick(st.sampled_from(["with_replacement", "single_active", "exhaustive"]))
        return hr.StochasticMux(
            streams,
            pick(st.integers(1, 4 if mode == "with_replacement" else count)),
            pick(st.sampled_from([None, 1, 2, 3.5, 20])),
            weights,
            mode,
            prune_empty_streams=pick(st.booleans()),
            dist=pick(st.sampled_from(["binomial", "poisson", "constant"])),
            seed=seed,
            weighting=pick(st.sampled_from(["records", "active"])),
        )
    if kind == "shuffled":
        return hr.ShuffledMux(streams, weights, seed)
    if kind == "turns":
        return hr.RoundRobinMux(streams, pick(st.sampled_from(["exhaustive", "cycle", "permuted_cycle"])), seed)
    if kind == "chain":
        return hr.ChainMux(streams, pick(st.sampled_from(["exhaustive", "cycle"])))
    return hr.mix(list(map(hr.Stream, streams)), weights, pick(st.sampled_from(["first", "longest"])))


class Turned:
    """Weights that go around."""

    def __init__(self, weights: list[int]) -> None:
        self.weights = weights

    def __call__(self, step: int) -> list[int]:
        turn = step % len(self.weights)
        return self.weights[turn:] + self.weights[:turn]


def gone_through(cursor: Any, many: int = MANY) -> tuple[list[Any], list[Any], str]:
    """Return the items of a cursor, the states before each and at the end, and which error ended it."""
    items, states = [], [as_json(cursor.state())]
    try:
        for _ in range(many):
            item = next(cursor, None)
            if item is None:
                break
            items.append(item)
            states.append(as_json(cursor.state()))
    except OrderError as error:
        return items, states, str(error)
    finally:
        cursor.close()
    return items, states, ""


@settings(max_examples=200)
@given(muxes(), st.integers(0, 2), st.data())
def test_both_ways_give_the_same_items_and_the_same_places(mux: hr.Stream, epoch: int, data: st.DataObject) -> None:
    flow = flow_of(mux)
    if not is_fast(mux):  # one of the streams may need more than a look at its positions
        return
    items, states, error = gone_through(flow.start(epoch=epoch))
    slow_flow = flow_of(slowly(hr.Stream(flow)))
    slow_items, slow_states, slow_error = gone_through(slow(slow_flow, epoch=epoch))
    assert items == slow_items
    if items:  # else one may have ended before it was known whether all are empty
        assert bool(error) == bool(slow_error), (error, slow_error)
    assert states == slow_states
    slow_flow.__dict__.pop("ground")
    cut = data.draw(st.integers(0, len(items)))
    for start in (flow.start, lambda *given: slow(slow_flow, *given)):
        rest, _, _ = gone_through(start(states[cut], epoch), MANY - cut)
        assert rest == items[cut:]


@settings(max_examples=80)
@given(muxes(), st.lists(st.integers(1, 17), min_size=1, max_size=12), st.integers(0, 3))
def test_batches_hold_the_items_whatever_their_sizes(mux: hr.Stream, sizes: list[int], alone: int) -> None:
    flow = flow_of(mux)
    if not is_fast(mux):
        return
    items, states, error = gone_through(flow.start(), sum(sizes) + alone * len(sizes))
    if error:
        return
    cursor = flow.start()
    found: list[Any] = []
    for size in sizes:
        found += list(cursor.take_columns(size).rows())
        found += some(cursor, alone)
        if len(found) < len(items):  # whoever has looked for more knows that there is none
            assert as_json(cursor.state()) == states[len(found)]
    assert found == items
    cursor.close()


@pytest.mark.parametrize(("short", "rows", "batches"), [(0.0, 1, 1), (9.0, 256, 16), (9.0, 7, 2), (9.0, 5000, 400)])
def test_how_much_is_read_together_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, short: float, rows: int, batches: int
) -> None:
    def made() -> hr.Stream:
        inner = [hr.StochasticMux([columns(10 * k + i, 3 + i) for i in range(5)], 2, 4, seed=k) for k in range(3)]
        return hr.StochasticMux([*inner, columns(99, 8)], 2, 9, weights=[3, 2, 1, 1], seed=1)

    expected = [plain(row) for row in some(slow(flow_of(slowly(made()))), 600)]
    monkeypatch.setattr(planned, "_SHORT", short)
    monkeypatch.setattr(planned, "_MOST_ROWS", rows)
    monkeypatch.setattr(planned, "_MOST", batches)
    mux = made()
    assert is_fast(mux)
    assert [plain(row) for row in some(mux, 600)] == expected
    batched = some(mux.batch(13), 46)
    assert [plain(row) for batch in batched for row in batch.rows()] == expected[: 46 * 13]


def test_batches_are_those_of_items_also_where_dtypes_differ() -> None:
    streams = [
        hr.Dataset(x=np.arange(5, dtype=np.int32)),
        hr.Dataset(x=np.arange(5, dtype=np.float64)),
        hr.Dataset(x=np.arange(5, dtype=np.int64)),
    ]
    mux = hr.RoundRobinMux(streams)
    assert is_fast(mux)
    for one, other in zip(mux, slow(flow_of(mux)), strict=True):
        assert plain(one) == plain(other)
    for size in (1, 2, 3, 5):
        batches = mux.batch(size).list()
        of_items = slowly(hr.RoundRobinMux(streams)).batch(size).list()
        assert [batch["x"].tolist() for batch in batches] == [batch["x"].tolist() for batch in of_items]


def test_slices_of_one_dataset_are_read_together() -> None:
    ds = hr.Dataset(n=np.arange(60), x=np.arange(120.0).reshape(60, 2))
    streams = [ds.skip(6 * k).take(6) for k in range(9)] + [ds[54:60:2]]
    mux = hr.StochasticMux(streams, 4, 3, seed=2)
    assert flow_of(mux).ground.shared is not None
    expected = [plain(row) for row in some(slow(flow_of(slowly(hr.StochasticMux(streams, 4, 3, seed=2)))), 200)]
    assert [plain(row) for row in some(mux, 200)] == expected
    assert [plain(row) for batch in some(mux.batch(20), 10) for row in batch.rows()] == expected


def test_files_that_are_mapped_are_read_as_arrays_are(tmp_path: Any) -> None:
    for name in range(4):
        np.save(tmp_path / f"{name}.npy", np.arange(20.0).reshape(10, 2) + 100 * name)
    streams = [hr.Dataset(x=np.load(tmp_path / f"{name}.npy", mmap_mode="r")) for name in range(4)]
    mux = hr.ShuffledMux(streams, seed=1)
    expected = [plain(row) for row in some(slow(flow_of(mux)), 90)]
    assert [plain(row) for row in some(mux, 90)] == expected
    with iter(mux.batch(9)) as running:
        some(running, 3)
        state = as_json(running.state_dict())
    rest = [plain(row) for batch in some(mux.batch(9).resume(state), 7) for row in batch.rows()]
    assert rest == expected[27:]


def test_mixed_streams_and_muxes_are_numbered_rightly() -> None:
    inner = hr.RoundRobinMux([dataset("a", 2), dataset("b", 2)])
    mux = hr.ChainMux([inner, dataset("c", 2), hr.ChainMux([dataset("d", 1), dataset("e", 1)]), dataset("f", 1)])
    assert is_fast(mux)
    assert [name for name, _ in mux] == list("ababccdef")
