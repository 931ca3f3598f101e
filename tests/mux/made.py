"""What the tests of muxes are made with: streams of each kind, and a mux of each kind over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

import headrace as hr
from headrace.core.flow import Cursor, State
from headrace.mux.cursor import MuxCursor
from headrace.mux.flow import MuxFlow

Streams: TypeAlias = list[Any]


def counted(name: Any, length: int) -> Iterator[tuple[Any, int]]:
    for number in range(length):
        yield name, number


def drawn(name: Any, length: int, rng: np.random.Generator) -> Iterator[tuple[Any, int]]:
    for _ in range(length):
        yield name, int(rng.integers(1000))


def generator(name: Any, length: int) -> hr.Stream:
    return hr.Stream(counted, name, length)


def dataset(name: Any, length: int) -> hr.Dataset:
    return hr.Dataset([(name, number) for number in range(length)])


def columns(name: int, length: int) -> hr.Dataset:
    return hr.Dataset(stream=np.full(length, name), n=np.arange(length), x=np.arange(2.0 * length).reshape(length, 2))


def jittered(record: Any, rng: np.random.Generator) -> Any:
    return *record, int(rng.integers(1000))


def even(record: Any) -> bool:
    return bool(record[-1] % 2 == 0)


def doubled(record: Any) -> Any:
    return *record[:-1], 2 * record[-1]


MUXES: dict[str, Callable[[Streams], hr.Stream]] = {
    "stochastic": lambda streams: hr.StochasticMux(streams, 2, 3, seed=1),
    "constant": lambda streams: hr.StochasticMux(streams, 3, 2, seed=2, dist="constant"),
    "poisson": lambda streams: hr.StochasticMux(
        streams, 2, 2.5, np.arange(1, len(streams) + 1), seed=3, dist="poisson"
    ),
    "whole": lambda streams: hr.StochasticMux(streams, 2, None, seed=4),
    "single": lambda streams: hr.StochasticMux(
        streams, 2, 3, np.arange(1, len(streams) + 1), mode="single_active", seed=5
    ),
    "exhaustive": lambda streams: hr.StochasticMux(streams, 2, 3, mode="exhaustive", seed=6),
    "exhaustive whole": lambda streams: hr.StochasticMux(streams, 2, None, mode="exhaustive", seed=7),
    "among the active": lambda streams: hr.StochasticMux(
        streams, 2, 4, np.arange(1, len(streams) + 1), weighting="active", seed=8
    ),
    "unpruned": lambda streams: hr.StochasticMux(streams, 2, 3, prune_empty_streams=False, seed=9),
    "shuffled": lambda streams: hr.ShuffledMux(streams, np.arange(1, len(streams) + 1), seed=1),
    "in turns": lambda streams: hr.RoundRobinMux(streams),
    "in turns for ever": lambda streams: hr.RoundRobinMux(streams, "cycle"),
    "in other turns": lambda streams: hr.RoundRobinMux(streams, "permuted_cycle", seed=3),
    "chained": lambda streams: hr.ChainMux(streams),
    "chained for ever": lambda streams: hr.ChainMux(streams, "cycle"),
    "mixed": lambda streams: mixed(streams, np.arange(1, len(streams) + 1)),
    "mixed equally": lambda streams: mixed(streams, None),
    "mixed to the end": lambda streams: mixed(streams, np.arange(1, len(streams) + 1), stop="longest"),
    "chained lazily": lambda streams: hr.ChainMux(lambda: iter(streams)),
    "chained lazily for ever": lambda streams: hr.ChainMux(lambda: iter(streams), "cycle"),
}


def mixed(streams: Streams, weights: Any, **given: Any) -> hr.Stream:
    """Mix streams: Datasets are made streams of, since else a Dataset would be made of them."""
    return hr.mix([hr.Stream(stream) for stream in streams], weights, **given)


def flow_of(stream: hr.Stream) -> Any:
    return stream._flow


def slow(flow: MuxFlow, state: State | None = None, epoch: int = 0) -> Cursor:
    """Start a mux whose streams are gone through one by one, whatever they are."""
    if not epoch:
        flow._begin(state is None)
    return MuxCursor(flow, epoch, state)


def slowly(mux: hr.Stream) -> hr.Stream:
    """Have all muxes below this one, and itself, go through their streams one by one from now on."""
    flow = flow_of(mux)
    for inner in flow.upstreams:
        if isinstance(inner, MuxFlow):
            slowly(hr.Stream(inner))
    flow.__dict__["ground"] = None
    return mux


def some(items: Any, many: int) -> list[Any]:
    return list(islice(items, many))


def as_json(state: State) -> State:
    """Return a state as another process reads it."""
    read: State = json.loads(json.dumps(state, allow_nan=False))
    return read


def plain(item: Any) -> Any:
    """Return an item such that == tells whether two are the same."""
    if isinstance(item, np.ndarray | np.generic):
        return item.dtype.str, item.tolist()
    if isinstance(item, tuple | list):
        return type(item)(plain(part) for part in item)
    if isinstance(item, hr.Batch | dict):
        return {name: plain(value) for name, value in item.items()}
    return item


def check_every_cut(stream: hr.Stream, many: int, step: int = 1) -> list[Any]:
    """Check that a run which is resumed at any place gives the rest of the unbroken one; return what that gives."""
    items, states = [], []
    with iter(stream) as running:
        states.append(as_json(running.state_dict()))
        for item in islice(running, many):
            items.append(plain(item))
            states.append(as_json(running.state_dict()))
    for cut in range(0, len(states), step):
        with iter(stream.resume(states[cut])) as resumed:
            rest = [plain(item) for item in islice(resumed, len(items) - cut)]
        assert rest == items[cut:], f"resumed after {cut} items"
    return items


def is_fast(mux: hr.Stream) -> bool:
    return getattr(flow_of(mux), "ground", None) is not None
