"""States of muxes: small, plain, and only of what they were saved of."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.core.errors import ReplayWarning, StateError
from headrace.testing.stages import damages
from tests.mux.made import MUXES, as_json, check_every_cut, columns, dataset, doubled, flow_of, generator, slow, some

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")


def saved(stream: hr.Stream, after: int) -> Any:
    with iter(stream) as running:
        some(running, after)
        return as_json(running.state_dict())


def test_an_iterator_goes_back_and_forth() -> None:
    mux = hr.StochasticMux([hr.ShuffledMux([dataset(k, 4), generator(k, 3)], seed=k) for k in range(5)], 3, 6, seed=2)
    items = check_every_cut(mux, 60, step=7)
    states = {cut: saved(mux, cut) for cut in (0, 9, 31, 50)}
    with iter(mux) as running:
        for cut in (31, 9, 50, 0, 9, 0, 31):
            running.load_state_dict(states[cut])
            assert some(running, 60 - cut) == items[cut:]


def streams(length: int = 5, count: int = 3, what: Callable[[Any, int], Any] = dataset) -> list[Any]:
    return [what(name, length) for name in range(count)]


ORIGINAL = hr.StochasticMux(streams(), 2, 3, [1, 2, 3], seed=1)


@pytest.mark.parametrize(
    "other",
    [
        lambda: hr.StochasticMux(streams(6), 2, 3, [1, 2, 3], seed=1),
        lambda: hr.StochasticMux(streams()[::-1], 2, 3, [1, 2, 3], seed=1),
        lambda: hr.StochasticMux(streams(count=4), 2, 3, [1, 2, 3, 4], seed=1),
        lambda: hr.StochasticMux(streams(what=generator), 2, 3, [1, 2, 3], seed=1),
        lambda: hr.StochasticMux(streams(), 3, 3, [1, 2, 3], seed=1),
        lambda: hr.StochasticMux(streams(), 2, 4, [1, 2, 3], seed=1),
        lambda: hr.StochasticMux(streams(), 2, None, [1, 2, 3], seed=1),
        lambda: hr.StochasticMux(streams(), 2, 3, [1, 2, 4], seed=1),
        lambda: hr.StochasticMux(streams(), 2, 3, seed=1),
        lambda: hr.StochasticMux(streams(), 2, 3, [1, 2, 3], seed=2),
        lambda: hr.StochasticMux(streams(), 2, 3, [1, 2, 3], "single_active", seed=1),
        lambda: hr.StochasticMux(streams(), 2, 3, [1, 2, 3], prune_empty_streams=False, seed=1),
        lambda: hr.StochasticMux(streams(), 2, 3, [1, 2, 3], dist="poisson", seed=1),
        lambda: hr.StochasticMux(streams(), 2, 3, [1, 2, 3], weighting="active", seed=1),
        lambda: hr.ShuffledMux(streams(), [1, 2, 3], seed=1),
        lambda: hr.RoundRobinMux([ORIGINAL]),
        lambda: hr.StochasticMux(streams(), 2, 3, hr.Curriculum(lambda step: [1, 2, 3]), seed=1),
    ],
)
def test_a_state_of_another_mux_is_refused(other: Callable[[], hr.Stream]) -> None:
    with pytest.raises(StateError, match="belongs to another"):
        iter(other().resume(saved(ORIGINAL, 9)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: hr.RoundRobinMux(streams(), "cycle"), lambda: hr.RoundRobinMux(streams(), "permuted_cycle")),
        (lambda: hr.RoundRobinMux(streams()), lambda: hr.RoundRobinMux(streams(), "cycle")),
        (lambda: hr.ChainMux(streams()), lambda: hr.ChainMux(streams(), "cycle")),
        (lambda: hr.ChainMux(streams()), lambda: hr.ChainMux(lambda: iter(streams()))),
        (
            lambda: hr.mix([hr.Stream(one) for one in streams()]),
            lambda: hr.mix([hr.Stream(one) for one in streams()], stop="longest"),
        ),
        (lambda: hr.mix(streams()).stream(), lambda: hr.mix([hr.Stream(one) for one in streams()])),
        (
            lambda: hr.StochasticMux(streams(count=40), 2, 3, np.arange(1, 41)),
            lambda: hr.StochasticMux(streams(count=40), 2, 3, np.arange(1, 41) + (np.arange(40) == 30)),
        ),
        (
            lambda: hr.RoundRobinMux([hr.ShuffledMux(streams(), seed=1)]),
            lambda: hr.RoundRobinMux([hr.ShuffledMux(streams(), seed=2)]),
        ),
    ],
)
def test_a_state_of_another_kind_or_mode_is_refused(one: Callable[[], hr.Stream], other: Any) -> None:
    with pytest.raises(StateError, match="belongs to another"):
        iter(other().resume(saved(one(), 4)))


def test_a_function_that_has_changed_is_told_and_the_run_goes_on() -> None:
    state = saved(hr.RoundRobinMux([dataset(0, 4).map(doubled), dataset(1, 4)]), 3)
    with pytest.warns(hr.CodeChangedWarning, match="code has changed"):
        assert len(list(hr.RoundRobinMux([dataset(0, 4).map(lambda one: one), dataset(1, 4)]).resume(state))) == 5
    state = saved(hr.ShuffledMux(streams(), hr.Curriculum(lambda step: [1, 2, 3], every=4)), 3)
    with pytest.warns(hr.CodeChangedWarning, match="weights"):
        iter(hr.ShuffledMux(streams(), hr.Curriculum(lambda step: [1, 2, 4], every=4)).resume(state)).close()


@pytest.mark.parametrize("kind", ["single", "in other turns", "mixed to the end", "chained", "chained lazily"])
@pytest.mark.parametrize("way", ["as it is", "one by one"])
def test_a_damaged_state_of_the_middle_is_refused_by_a_state_error(kind: str, way: str) -> None:
    flow = flow_of(MUXES[kind]([hr.RoundRobinMux([dataset(k, 2), dataset(k, 3)]) for k in range(2)]))
    start = flow.start if way == "as it is" or "lazily" in kind else lambda state=None: slow(flow, state)
    cursor = start()
    some(cursor, 5)
    state = cursor.state()
    cursor.close()
    for damaged in damages(state):
        try:
            running = start(damaged)
        except StateError:
            continue
        try:
            some(running, 12)
        except StateError:
            pass
        finally:
            running.close()


@pytest.mark.parametrize("seats", [lambda seats: seats[:-1], lambda seats: [*seats, seats[0]], lambda seats: []])
def test_seats_that_are_missing_or_doubled_are_refused(seats: Callable[[list[Any]], list[Any]]) -> None:
    state = saved(ORIGINAL, 9)
    state["at"]["seats"] = seats(state["at"]["seats"])
    with pytest.raises(StateError, match="damaged"):
        iter(ORIGINAL.resume(state))


def test_two_seats_of_one_stream_are_refused_where_each_sits_once() -> None:
    mux = hr.StochasticMux(streams(), 2, 3, mode="single_active")
    state = saved(mux, 4)
    first, second = state["at"]["seats"]
    state["at"]["seats"] = [first, [second[0], first[1], *second[2:]]]
    with pytest.raises(StateError, match="no stream has two seats"):
        iter(mux.resume(state))


def test_many_streams_begin_at_once_and_have_a_small_state() -> None:
    many = [hr.Stream(range, number + 1) for number in range(30_000)]
    mux = hr.StochasticMux(many, 100, 64, seed=0)
    began = time.perf_counter()
    with iter(mux) as running:
        next(running)
        took = time.perf_counter() - began
        some(running, 5000)
        text = json.dumps(running.state_dict())
    print(f"{took:.2f} s to the first item, {len(text):,} characters")
    assert len(text) < 20_000  # 100 seats, and a bit for each stream that is out
    assert some(mux.resume(json.loads(text)), 50) == some(mux, 5051)[5001:]


def test_streams_that_have_not_begun_take_no_room_in_a_state() -> None:
    many = [columns(0, 5)] * 3000
    for mux in (hr.ShuffledMux(many), hr.RoundRobinMux(many), hr.mix([hr.Stream(one) for one in many])):
        assert len(json.dumps(saved(mux, 3))) < 2500


def test_of_the_streams_only_those_that_are_active_are_replayed() -> None:
    gone_through: list[int] = []

    def noted(name: int) -> Any:
        gone_through.append(name)
        yield from range(4)

    mux = hr.ChainMux([hr.Stream(noted, name) for name in range(5)])
    state = saved(mux, 10)
    gone_through.clear()
    with pytest.warns(ReplayWarning, match="replaying 2 items"):
        assert list(mux.resume(state)) == [2, 3, 0, 1, 2, 3, 0, 1, 2, 3]
    assert gone_through == [2, 3, 4]


def test_replays_of_many_streams_are_told_in_one_warning() -> None:
    mux = hr.RoundRobinMux([generator(name, 5) for name in range(6)])
    state = saved(mux, 12)
    with pytest.warns(ReplayWarning) as warned:
        iter(mux.resume(state)).close()
    assert len(warned) == 1 and "and 5 more of its active streams" in str(warned[0].message)


def test_data_that_has_changed_under_a_stream_is_refused_and_named() -> None:
    data = [["a", "b", "c"], ["d", "e", "f"]]
    mux = hr.RoundRobinMux([hr.Stream(lambda: iter(data[0])), hr.Stream(lambda: iter(data[1]))])
    state = saved(mux, 3)
    data[0][1] = "x"
    with pytest.raises(StateError, match="gave another item 2") as raised:
        iter(mux.resume(state))
    assert "in stream 0 of RoundRobinMux(2 streams)" in raised.value.__notes__
