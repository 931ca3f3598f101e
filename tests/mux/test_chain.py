"""Streams one after the other, also where they come one by one and there is no end of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

import headrace as hr
from headrace.core.errors import OrderError, StateError
from tests.mux.made import as_json, check_every_cut, dataset, drawn, generator, some

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")


def parts(many: int) -> Iterator[Any]:
    for number in range(many):
        yield dataset(number, number % 4) if number % 2 else hr.Stream(drawn, number, 3, seed=number)


def test_streams_come_when_they_are_needed() -> None:
    made: list[int] = []

    def streams() -> Iterator[Any]:
        for number in count():
            made.append(number)
            yield [(number, 0), (number, 1)]

    mux = hr.ChainMux(streams)
    with iter(mux) as running:
        assert made == []
        assert some(running, 5) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
        assert made == [0, 1, 2]
        state = as_json(running.state_dict())
    assert some(mux.resume(state), 3) == [(2, 1), (3, 0), (3, 1)]


def test_a_lazy_chain_is_the_chain_of_a_list() -> None:
    expected = hr.ChainMux([dataset(k, k) for k in range(5)]).list()
    assert hr.ChainMux(lambda: (dataset(k, k) for k in range(5))).list() == expected
    assert hr.ChainMux(hr.Stream([0, 1, 2, 3, 4]).map(lambda k: dataset(k, k))).list() == expected
    assert hr.ChainMux(hr.Stream(lambda: (dataset(k, k) for k in range(5)))).list() == expected
    assert hr.ChainMux(dataset("x", 5).map(lambda record: dataset(record[1], record[1])).stream()).list() == expected


@pytest.mark.parametrize("mode", ["exhaustive", "cycle"])
def test_every_cut_of_a_lazy_chain_gives_the_rest(mode: Any) -> None:
    check_every_cut(hr.ChainMux(lambda: parts(6), mode), 40)
    check_every_cut(hr.ChainMux(hr.Stream(range(6)).map(lambda k: generator(k, k)), mode), 40)
    held = list(parts(6))
    for _ in range(2):  # going through streams changes nothing about what they are
        check_every_cut(hr.ChainMux(lambda: iter(held), mode), 40)


def test_a_round_and_a_stream_have_epochs_of_their_own() -> None:
    stream = hr.Stream(drawn, "x", 3, seed=0)
    for mux in (
        hr.ChainMux([stream, stream], "cycle"),
        hr.ChainMux(lambda: iter([stream, stream]), "cycle"),
    ):
        items = some(mux, 30)
        assert len(set(items)) > 25
        assert some(mux, 30) == items
        assert some(mux.repeat(), 30) == items


def test_chains_of_chains() -> None:
    def inner(k: int) -> hr.Stream:
        return hr.ChainMux(lambda: ([(k, i, n) for n in range(2)] for i in range(k)))

    mux = hr.ChainMux(lambda: (inner(k) for k in range(1, 4)))
    expected = [(k, i, n) for k in range(1, 4) for i in range(k) for n in range(2)]
    assert [tuple(item) for item in check_every_cut(mux, 30)] == expected


def test_only_one_stream_is_open() -> None:
    alive: list[int] = []

    def noted(number: int) -> Iterator[int]:
        alive.append(number)
        try:
            yield from range(3)
        finally:
            alive.remove(number)

    mux = hr.ChainMux(lambda: (hr.Stream(noted, number) for number in count()))
    with iter(mux) as running:
        for _ in range(20):
            next(running)
            assert len(alive) == 1
    assert alive == []


def test_an_outer_stream_that_has_become_shorter_is_refused() -> None:
    streams = [[1, 2], [3, 4], [5, 6]]
    mux = hr.ChainMux(lambda: iter(streams))
    with iter(mux) as running:
        some(running, 5)
        state = running.state_dict()
    del streams[1:]
    with pytest.raises(StateError):
        iter(mux.resume(state))


@pytest.mark.timeout(60)
def test_an_endless_row_of_empty_streams_is_refused() -> None:
    mux = hr.ChainMux(lambda: ([] for _ in count()))
    with pytest.raises(OrderError, match="streams in a row"):
        some(mux, 1)


def test_a_lazy_chain_counts_its_streams_as_they_come() -> None:
    mux = hr.ChainMux(lambda: ([0] * length for length in (2, 0, 3)))
    with iter(mux) as running:
        some(running, 3)
        assert mux.stats().records.tolist() == [2, 0, 1]
        some(running, 9)
    stats = mux.stats()
    assert stats.records.tolist() == [2, 0, 3] and stats.endings.tolist() == [1, 1, 1]
    assert stats.longest.tolist() == [2, 0, 3] and stats.step == 5
