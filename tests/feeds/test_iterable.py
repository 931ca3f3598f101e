"""Streams in a DataLoader of torch, whose workers share them out; and what of torch flows, as a stream."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Dataset, Stream
from headrace.core.errors import KindError, ReplayWarning
from headrace.core.flow import Flow
from headrace.feeds.iterable import Every, share_of
from headrace.stages.iterate import Iterate
from headrace.stages.window import WindowShuffle
from headrace.testing.stages import StageTests

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

N = 23


def dataset() -> Dataset:
    return Dataset(x=np.arange(2.0 * N).reshape(N, 2), y=np.arange(N), name=[f"r{n}" for n in range(N)]).shuffle(seed=2)


def filtered() -> Stream:
    """A stream that cannot leave items out without making them."""
    return dataset().stream(epochs=2).filter(lambda record: record["y"] % 5).window_shuffle(6, seed=0).batch(4)


STREAMS = {
    "batches": lambda: dataset().batch(4).stream(epochs=2),
    "records": lambda: dataset().stream(),
    "filtered": filtered,
    "tensors": lambda: dataset().batch(4).stream().torch(),
    "a generator": lambda: Stream(lambda: ({"y": np.full(2, number)} for number in range(7))),
    "fewer than workers": lambda: dataset().take(2).batch(2).stream(),
    "nothing": lambda: dataset().take(0).batch(2).stream(),
}


def numbers(batches: Any) -> list[Any]:
    return [np.asarray(batch["y"]).tolist() for batch in batches]


def load(data: Any, workers: int, start: str = "fork", **settings: Any) -> list[Any]:
    settings = {"batch_size": None, **settings}
    context = start if workers else None
    return list(torch.utils.data.DataLoader(data, num_workers=workers, multiprocessing_context=context, **settings))


@pytest.mark.parametrize("give", STREAMS.values(), ids=STREAMS)
def test_any_number_of_workers_gives_each_item_once_in_one_processes_order(give: Any) -> None:
    expected = numbers(give())
    for workers in 0, 1, 2:
        assert numbers(load(give().to_torch(), workers)) == expected, workers


def test_workers_that_inherit_nothing_give_the_same() -> None:
    factor = 3
    stream = dataset().batch(4).stream().map(lambda batch: {"y": batch["y"] * factor})
    assert numbers(load(stream.to_torch(), 2, "forkserver")) == numbers(stream)


def test_it_is_an_iterable_dataset_of_torch_with_dicts_of_tensors() -> None:
    data = dataset().batch(4).stream().to_torch()
    assert isinstance(data, torch.utils.data.IterableDataset)
    assert len(data) == 6
    batch = next(iter(data))
    assert type(batch) is dict
    assert isinstance(batch["x"], torch.Tensor)
    assert batch["name"].tolist() == [f"r{number}" for number in batch["y"].tolist()]
    unknown = filtered().to_torch()
    with pytest.raises(TypeError, match="not known"):
        len(unknown)
    assert unknown


def test_a_dataloader_that_makes_the_batches_gives_each_record_once() -> None:
    for workers in 0, 2:
        got = load(dataset().stream().to_torch(), workers, batch_size=4)
        assert sorted(number for batch in got for number in batch["y"].tolist()) == list(range(N))
        assert got[0]["x"].dtype == torch.float64
    assert numbers(load(dataset().stream().to_torch(), 0, batch_size=4)) == numbers(dataset().batch(4).stream())


def test_set_epoch_reaches_workers_that_run_already() -> None:
    data = dataset().batch(4).stream().to_torch()
    loader = torch.utils.data.DataLoader(
        data, batch_size=None, num_workers=2, persistent_workers=True, multiprocessing_context="fork"
    )
    expected = numbers(dataset().batch(4).stream(epochs=3))
    for epoch in 0, 2, 1:
        data.set_epoch(epoch)
        assert numbers(loader) == expected[6 * epoch :][:6]


def test_its_iterator_has_a_state_that_goes_on_exactly() -> None:
    for give in dataset().batch(4).stream, filtered:
        data = give().to_torch()
        iterator = iter(data)
        list(islice(iterator, 3))
        state = json.loads(json.dumps(iterator.state_dict()))
        resumed = iter(pickle.loads(pickle.dumps(data)))
        resumed.load_state_dict(state)
        assert numbers(resumed) == numbers(iterator) == numbers(give())[3:]


def test_nothing_is_sent_to_a_device_from_a_worker() -> None:
    batch = next(iter(dataset().batch(4).stream().torch(device="meta").to_torch()))
    assert batch["x"].device.type == "cpu"


@given(items=st.integers(0, 30), count=st.integers(1, 6))
def test_shares_are_every_nth_item_and_together_all(items: int, count: int) -> None:
    flow = Iterate.of(list(range(items)))
    shares = [share_of(flow, index, count) for index in range(count)]
    assert [list(share.start()) for share in shares] == [list(range(items))[index::count] for index in range(count)]
    assert [share.length() for share in shares] == [len(range(items)[index::count]) for index in range(count)]


def test_a_dataset_makes_no_items_that_are_another_workers() -> None:
    made: list[int] = []

    def note(batch: Any) -> Any:
        made.extend(batch["y"].tolist())
        return batch

    lane = share_of(dataset().map(lambda record: record).batch(4).map(note).stream()._on(), 1, 3)
    got = [number for batch in lane.start() for number in batch["y"].tolist()]
    assert made == got
    assert got == [number for batch in numbers(dataset().batch(4).stream())[1::3] for number in batch]


class TestEvery(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Every(WindowShuffle.of(Iterate.of(range(20)), 4, seed=0), 1, 3)

    def over(self, upstream: Flow) -> Flow:
        return Every(upstream, 0, 2)


# In the other direction


class Flowing(torch.utils.data.IterableDataset):  # type: ignore[misc]
    def __iter__(self) -> Iterator[Any]:
        return (torch.full((2,), float(number)) for number in range(7))


class Sized(Flowing):
    """One that tells its length, and still cannot be asked for an item by its number."""

    def __len__(self) -> int:
        return 7


@pytest.mark.parametrize("kind", [Flowing, Sized])
def test_an_iterable_dataset_of_torch_is_a_stream_that_is_resumed_by_replay(kind: Any) -> None:
    stream = Stream(kind())
    assert [item[0].item() for item in stream] == list(range(7))
    assert stream.batch(3).list()[2].tolist() == [[6, 6]]
    iterator = iter(stream)
    list(islice(iterator, 4))
    state = json.loads(json.dumps(iterator.state_dict()))
    with pytest.warns(ReplayWarning, match=f"resuming {kind.__name__}.* by replaying 4 items"):
        assert [item[0].item() for item in stream.resume(state)] == [4, 5, 6]


@pytest.mark.parametrize("kind", [Flowing, Sized])
def test_an_iterable_dataset_cannot_be_read_in_any_order_and_the_mend_is_named(kind: Any) -> None:
    with pytest.raises(KindError, match=rf"a {kind.__name__} cannot be read in any order; .*use Stream\(\.\.\.\)"):
        Dataset(kind())


def test_a_dataloader_is_a_stream() -> None:
    loader = torch.utils.data.DataLoader(torch.arange(10), batch_size=4)
    stream = Stream(loader)
    assert [batch.tolist() for batch in stream] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(stream) == 3
    assert stream.unbatch().map(int).list() == list(range(10))
    iterator = iter(stream)
    next(iterator)
    with pytest.warns(ReplayWarning):
        assert [batch.tolist() for batch in stream.resume(iterator.state_dict())] == [[4, 5, 6, 7], [8, 9]]


def test_a_dataloader_is_no_dataset_and_the_mend_is_named() -> None:
    with pytest.raises(KindError, match=r"a DataLoader cannot be read in any order; .*use Stream\(\.\.\.\)"):
        Dataset(torch.utils.data.DataLoader(torch.arange(10)))


def test_a_stream_of_tensors_goes_back_to_torch() -> None:
    assert [item.tolist() for item in load(Stream(Flowing()).to_torch(), 2)] == [[n, n] for n in range(7)]
