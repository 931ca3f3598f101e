"""Steps that are measured give what they would have given, and what is measured is where the time went."""

from __future__ import annotations

import gc
import time
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import Dataset, RecordError, Stream, Threads
from headrace.core.iteration import StreamIterator
from headrace.core.probe import Probe
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.parallel import Doing
from headrace.testing.stages import as_json
from tests.stages import chains

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")


@given(spec=chains.chains(), measured=st.sets(st.integers(0, 39)), epoch=st.sampled_from([0, 2]))
@settings(max_examples=100)
def test_measured_steps_of_any_chain_give_the_same_items_and_states(
    spec: chains.Spec, measured: set[int], epoch: int
) -> None:
    plain, probed, probe = chains.build(spec).start(epoch=epoch), chains.build(spec).start(epoch=epoch), Probe()
    for number in range(chains.LIMIT):
        expected = next(plain, None)
        try:
            found = probe.step(probed) if number in measured else next(probed)
        except StopIteration:
            found = None
        assert repr(found) == repr(expected)
        assert as_json(probed) == as_json(plain)
        if expected is None:
            break
        probe.count(1)
    plain.close()
    probed.close()
    meter = probe.meter()
    assert meter.delivered <= chains.LIMIT
    assert all(gauge.busy >= 0 for gauge in meter.gauges.values())


@given(spec=chains.chains(), cut=st.integers(0, 30))
@settings(max_examples=40)
def test_an_iterator_whose_steps_are_all_measured_goes_on_the_same(spec: chains.Spec, cut: int) -> None:
    expected = [repr(item) for item in islice(chains.build(spec).start(), chains.LIMIT)]
    iterator = StreamIterator(chains.build(spec))
    found = []
    for _ in range(chains.LIMIT):
        iterator._due = 1  # else few are
        item = next(iterator, None)
        if item is None:
            break
        found.append(repr(item))
        if len(found) == cut:
            iterator.load_state_dict(iterator.state_dict())
    iterator.close()
    assert found == expected


@pytest.mark.parametrize("workers", [0, Threads(2)])
def test_measured_steps_of_datasets_and_workers_give_the_same(workers: Any) -> None:
    stream = Dataset(range(60)).shuffle(0).batch(3).stream(2, workers=workers).map(sum, workers=workers)
    iterator = iter(stream)
    found = []
    for _ in range(40):
        iterator._due = 1
        found.append(next(iterator))
    assert next(iterator, None) is None
    assert found == stream.list()
    assert not hasattr(iterator.cursor, "seconds")


def test_the_time_is_told_by_stage() -> None:
    def slow(number: int) -> int:
        time.sleep(0.004)
        return number

    def slower(number: int) -> int:
        time.sleep(0.012)
        return number

    iterator = iter(Stream(range(30)).map(slow).filter(lambda n: True).map(slower))
    for _ in range(30):
        iterator._due = 1
        next(iterator)
    iterator.close()
    meter = iterator.probe.meter()
    assert list(meter.gauges)[-1] == "map(slower)"
    busy = {words: gauge.busy for words, gauge in meter.gauges.items()}
    assert busy["map(slow)"] >= 30 * 0.004 and busy["map(slower)"] >= 30 * 0.012  # a busy machine adds to both
    assert meter.gauges["map(slow)"].items == 30
    assert meter.delivered == 30
    assert sum(busy.values()) <= meter.seconds * 1.05


def test_one_step_in_many_is_measured_and_told_as_all() -> None:
    iterator = iter(Stream(range(3000)).map(lambda n: n))
    for _ in iterator:
        pass
    iterator.close()
    meter = iterator.probe.meter()
    assert meter.delivered == 3000
    gauge = meter.gauges["map(lambda)"]
    assert gauge.items == pytest.approx(3000, rel=0.1)
    assert 0 < gauge.busy < meter.seconds * 3


def test_an_error_in_a_measured_step_leaves_no_clock_behind() -> None:
    cursor = Map.of(Map.of(Iterate.of(range(4)), lambda n: 1 // (n - 1)), lambda n: n).start()
    probe = Probe()
    assert probe.step(cursor) == -1
    with pytest.raises(RecordError, match="item 1"):
        probe.step(cursor)
    assert probe.step(cursor) == 1
    below: Any = cursor
    while below is not None:
        assert type(below).__name__ != "_Clock"
        below = getattr(below, "_upstream", None)
    cursor.close()


def test_closing_after_measured_steps_closes_what_lies_below() -> None:
    closed: list[bool] = []

    def numbers() -> Any:
        try:
            yield from range(100)
        finally:
            closed.append(True)

    iterator = iter(Stream(numbers).map(lambda n: n).repeat(3))
    for _ in range(130):
        iterator._due = 1
        next(iterator)
    assert closed == [True]
    del iterator
    gc.collect()
    assert closed == [True, True]


def test_a_map_by_workers_is_one_stage() -> None:
    flow = Map.of(Iterate.of(range(50)), chains.stir, doing=Doing(Threads(1)))
    iterator = StreamIterator(flow)
    for _ in range(50):
        iterator._due = 1
        next(iterator)
    assert "parallel" in iterator.probe.meter().gauges
    assert flow.ledger is not None and flow.ledger.meter.gauges["map(stir)"].items == 50
    iterator.close()
