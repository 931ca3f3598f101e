"""Muxes do what all flows must do, whatever their streams are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.core.flow import Flow
from headrace.testing.stages import StageTests
from tests.mux.made import MUXES, columns, counted, dataset, doubled, drawn, even, flow_of, generator, jittered

LENGTHS = (4, 0, 7, 2)

STREAMS: dict[str, Callable[[], list[Any]]] = {
    "datasets": lambda: [dataset(name, length) for name, length in enumerate(LENGTHS)],
    "generators": lambda: [generator(name, length) for name, length in enumerate(LENGTHS)],
    "lists and seeded generators": lambda: [
        [("list", 1), ("list", 2), ("list", 3)],
        hr.Stream(drawn, "drawn", 5, seed=1),
        hr.Stream(drawn, "again", 3, seed=1).map(jittered, seed=2),
        [],
    ],
    "datasets of all kinds": lambda: [
        dataset(0, 5).shuffle(1).stream(epochs=3),
        dataset(1, 6).filter(even).map(jittered, seed=3),
        dataset(2, 3).shuffle(2).stream(epochs=2),
        dataset(3, 4).map(doubled).skip(1),
    ],
    "mapped streams": lambda: [
        dataset(0, 5).stream().map(jittered, seed=4),
        generator(1, 4).map(doubled).filter(even).window_shuffle(2, seed=1),
        dataset(2, 6).batch(2).stream().unbatch(),
        hr.zip(generator(3, 2), generator(4, 3)),
    ],
}


OTHERS = list(STREAMS)[1:]
PAIRS = [
    pair
    for number, kind in enumerate(MUXES)
    for pair in ((kind, "datasets"), (kind, OTHERS[number % 4]), (kind, OTHERS[(number + 1) % 4]))
]


class TestMuxes(StageTests):
    limit = 24

    @pytest.fixture(params=PAIRS, ids=" over ".join)
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        kind, streams = request.param
        given = STREAMS[streams]()
        if kind == "mixed to the end":  # where no stream may be empty
            given = [one for one in given if len(list(hr.Stream(one)))]
        if kind in ("mixed", "mixed equally"):  # which end before the first draw that one cannot serve
            given = [one for one in given if len(list(hr.Stream(one))) > 1]
        flow: Flow = flow_of(MUXES[kind](given))
        return flow

    def over(self, upstream: Flow) -> Flow:
        flow: Flow = flow_of(hr.RoundRobinMux([upstream, [1, 2, 3]]))
        return flow


def leaves(rows: int) -> list[Any]:
    return [dataset((rows, 0), rows), generator((rows, 1), 3), hr.Stream(drawn, (rows, 2), 4, seed=rows)]


NESTED: dict[str, Callable[[], hr.Stream]] = {
    "a tree of datasets": lambda: hr.StochasticMux(
        [
            hr.ShuffledMux([hr.RoundRobinMux([dataset((k, i, j), 2 + j) for j in range(2)]) for i in range(2)], seed=k)
            for k in range(3)
        ]
        + [dataset("beside", 3)],
        n_active=2,
        rate=4,
        seed=3,
    ),
    "a tree of all kinds": lambda: hr.RoundRobinMux(
        [
            hr.StochasticMux([hr.ChainMux(leaves(2)), *leaves(5)], 2, 3, seed=1, weights=[3, 1, 1, 1]),
            hr.ShuffledMux([hr.mix(leaves(3), [1, 2, 1]), hr.StochasticMux(leaves(4), 2, None)], seed=2).take(9),
            hr.ChainMux(lambda: iter([hr.RoundRobinMux(leaves(1)), generator("last", 2)])),
        ],
        mode="permuted_cycle",
    ),
    "with steps between": lambda: hr.StochasticMux(
        [
            hr.ShuffledMux(leaves(k + 1), seed=k).map(jittered, seed=k).window_shuffle(3, seed=1).take(11)
            for k in range(4)
        ],
        n_active=3,
        rate=5,
        mode="single_active",
        seed=5,
    ),
    "repeated": lambda: hr.StochasticMux(leaves(3), 2, 3, mode="exhaustive", seed=1).repeat(3),
    "repeated within": lambda: hr.RoundRobinMux(
        [hr.StochasticMux(leaves(k), 2, 3, mode="exhaustive", seed=k).repeat(2) for k in (1, 2)]
    ),
    "in a chain, side by side": lambda: hr.chain(
        hr.RoundRobinMux(leaves(2)),
        hr.ShuffledMux(leaves(2)).take(4),
        hr.zip(hr.ShuffledMux(leaves(3), seed=1), hr.ShuffledMux(leaves(3), seed=2)).take(7),
    ),
    "batches of columns": lambda: hr.ShuffledMux(
        [hr.StochasticMux([columns(10 * k + i, 2 + i) for i in range(4)], 2, 3, seed=k) for k in range(3)], [1, 2, 3]
    ).batch(5),
    "gathered again": lambda: (
        hr.StochasticMux([columns(k, 6) for k in range(4)], 2, 3, seed=7)
        .batch(4)
        .unbatch()
        .window_shuffle(6, seed=1)
        .batch(3)
        .rebatch(4)
    ),
}


class TestNested(StageTests):
    limit = 30

    @pytest.fixture(params=NESTED)
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        flow: Flow = flow_of(NESTED[request.param]())
        return flow


class TestWithPoliciesAndCurricula(StageTests):
    limit = 30

    @pytest.fixture(params=["skip", "retry", "replaced", "curriculum", "curriculum of quotas"])
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        streams = [generator(0, 5), hr.Stream(failing, 3), dataset(2, 6)]
        made: dict[str, Callable[[], hr.Stream]] = {
            "skip": lambda: hr.RoundRobinMux(streams, on_error="skip"),
            "retry": lambda: hr.StochasticMux(streams, 2, 3, on_error=hr.Retry(1, wait=0, then="skip")),
            "replaced": lambda: hr.ShuffledMux(streams, on_error=lambda error, stream: ("instead of", stream)),
            "curriculum": lambda: hr.StochasticMux(leaves(9), 2, 3, weights=hr.Curriculum(harder, every=5)),
            "curriculum of quotas": lambda: hr.mix(leaves(50), weights=hr.Curriculum(harder, every=5), stop="longest"),
        }
        flow: Flow = flow_of(made[request.param]())
        return flow


def failing(length: int) -> Any:
    yield from counted("failing", length)
    raise OSError("the line is down")


def harder(step: int) -> list[float]:
    return [1, 1, 0] if step < 5 else [0, 1, 1 + step]


def test_arrays_are_the_callers_own() -> None:
    mux = hr.ShuffledMux([columns(k, 5) for k in range(3)], seed=0).batch(4)
    with iter(mux) as running:
        first = next(running)
        kept = first["x"].copy()
        first["x"][:] = -1
        assert not (next(running)["x"] == -1).any()
    np.testing.assert_equal(mux.first()["x"], kept)
