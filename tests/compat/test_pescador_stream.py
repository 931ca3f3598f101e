"""A Streamer is a Stream: steps stand on it, states resume it, and it goes into other streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.compat import pescador
from headrace.compat.pescador.crossing import Iterated
from headrace.core.flow import Flow
from headrace.testing.stages import StageTests

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")


def records(n: int, start: int = 0) -> Iterator[dict[str, Any]]:
    for number in range(start, start + n):
        yield {"x": np.full(3, number), "y": number}


def mux(random_state: Any = 3) -> pescador.StochasticMux:
    streams = [pescador.Streamer(records, 6, start=start) for start in (0, 10, 20)]
    return pescador.StochasticMux(streams, 2, rate=3, mode="exhaustive", random_state=random_state)


class TestOfAStreamer(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Iterated(pescador.Streamer(records, 13))


class TestOfAMux(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Iterated(mux())


def test_steps_can_be_written_behind_any_of_them() -> None:
    stream = pescador.Streamer(records, 10)
    assert isinstance(stream, hr.Stream)
    batch = stream.batch(4).first()
    assert batch["x"].shape == (4, 3) and batch["y"].tolist() == [0, 1, 2, 3]
    assert stream.map(lambda item: item["y"]).take(3).list() == [0, 1, 2]
    assert [item["y"] for item in stream.background()] == list(range(10))
    assert hr.Stream(stream).map(lambda item: item["y"]).list() == list(range(10))
    assert sum(len(batch["y"]) for batch in mux().batch(2)) == sum(1 for _ in mux())


def test_what_a_stream_gives_all_at_once() -> None:
    stream = pescador.Streamer([3, 1, 2])
    seen: list[int] = []
    stream.foreach(seen.append)
    assert seen == stream.list() == [3, 1, 2] and stream.first() == 3
    assert stream.collect().tolist() == [3, 1, 2]
    with pytest.raises(IndexError):
        pescador.Streamer([]).first()


def test_a_run_over_a_mux_goes_on_where_it_was() -> None:
    batches = mux().map(lambda item: item["y"]).batch(2)
    whole = [batch.tolist() for batch in batches]
    items = iter(batches)
    first = [next(items).tolist() for _ in range(2)]
    rest = [batch.tolist() for batch in batches.resume(items.state_dict())]
    assert first + rest == whole


def test_a_run_that_draws_from_the_shared_state_is_not_gone_on_with_wrongly() -> None:
    stream = mux(random_state=None).map(lambda item: item["y"])
    np.random.seed(0)
    items = iter(stream)
    _ = [next(items) for _ in range(4)]
    np.random.seed(2)
    with pytest.raises(hr.StateError, match="another item 4"):
        iter(stream.resume(items.state_dict()))


def test_a_state_of_other_settings_is_refused() -> None:
    items = iter(hr.Stream(mux(random_state=3)))
    next(items)
    for other in (mux(random_state=4), mux().streamers[0], pescador.ShuffledMux(mux().streamers, random_state=3)):
        with pytest.raises(hr.StateError, match="another order"):
            hr.Stream(other).resume(items.state_dict())


def test_a_changed_list_is_another_order_and_changed_code_a_warning() -> None:
    state = iter(hr.Stream(pescador.Streamer([1, 2]))).state_dict()
    with pytest.raises(hr.StateError, match="another order"):
        hr.Stream(pescador.Streamer([1, 3])).resume(state)

    def made(extra: int) -> hr.Stream:
        def numbers() -> Iterator[int]:
            yield extra

        return hr.Stream(pescador.Streamer(numbers))

    with pytest.warns(hr.CodeChangedWarning):
        made(2).resume(iter(made(1)).state_dict())
    with pytest.raises(hr.StateError, match="another order"):
        hr.Stream(pescador.Streamer(hr.Stream(range(3)))).resume(
            iter(hr.Stream(pescador.Streamer(hr.Stream(range(4))))).state_dict()
        )


def test_it_says_what_it_is() -> None:
    assert repr(pescador.Streamer(records, 3)) == "Stream(Streamer(records))"
    assert repr(pescador.Streamer([1, 2])) == "Stream(Streamer(list))"
    assert repr(mux().take(2)) == "Stream(StochasticMux(3 streams) -> take(2))"
    assert bool(mux()) and list(mux().streamers[0].streamer(2))


def test_its_errors_name_the_place_where_a_step_stands_on_it() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    items = iter(hr.Stream(pescador.Streamer(fails)))
    assert next(items) == 1
    with pytest.raises(hr.RecordError, match=r"Streamer\(fails\) failed after 1 items: ValueError: no"):
        next(items)
