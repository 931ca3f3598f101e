"""Streams of tensors: the kit's laws for what is made at once and for what is sent ahead; copies to devices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pytest

from headrace import Dataset, Stream
from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, KindError, OrderError, RecordError, SchemaError
from headrace.core.flow import Flow
from headrace.feeds.tensors import Tensors
from headrace.feeds.transfer import Direct, Transfer, open_transfer
from headrace.stages.batch import Batched
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.window import WindowShuffle
from headrace.testing.stages import StageTests, check_alike

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@dataclass
class Slow:
    """A device whose copies arrive only when they are waited for: as a GPU's do, at the latest moment allowed.

    What is sent is zero until then, so whoever uses a tensor too early sees it.
    """

    ahead = True
    log: list[str] = field(default_factory=list)
    under_way: list[tuple[Any, Any]] = field(default_factory=list)

    def send(self, tensor: Any) -> Any:
        empty = torch.zeros_like(tensor)
        self.under_way.append((empty, tensor.clone()))  # as a copy from pinned memory: what lies there now
        return empty

    def mark(self) -> int:
        self.log.append("sent")
        return len(self.under_way)

    def receive(self, tensors: list[Any], mark: int) -> None:
        self.log.append("received")
        for empty, content in self.under_way[:mark]:
            empty.copy_(content)


@dataclass(frozen=True, eq=False)
class ToSlow(Tensors):
    """Tensors sent to the slow device."""

    slow: Slow = field(default_factory=Slow)

    def transfer(self) -> Transfer:
        return self.slow


def batches(n: int = 13) -> Flow:
    return Batched.of(WindowShuffle.of(Iterate.of(range(n)), 5, seed=0), 2)


class TestAtOnce(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Tensors(batches())

    def over(self, upstream: Flow) -> Flow:
        return Tensors(upstream)


class TestAhead(StageTests):
    @pytest.fixture(params=[0, 1, 2, 20])
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        return ToSlow(batches(), prefetch=request.param)

    def over(self, upstream: Flow) -> Flow:
        return ToSlow(upstream)


class TestAheadOfAGenerator(StageTests):
    """Its state is a count and a digest of the last item, which must be that of the last one handed out."""

    @pytest.fixture
    def flow(self) -> Flow:
        def arrays() -> Iterator[Any]:
            for number in range(7):
                yield np.full(3, number)

        return ToSlow(Iterate.of(arrays), prefetch=3)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_no_more_items_are_drawn_than_are_to_be_ahead(prefetch: int) -> None:
    drawn: list[int] = []

    def numbers() -> Iterator[Any]:
        for number in range(20):
            drawn.append(number)
            yield np.array([number])

    cursor = ToSlow(Iterate.of(numbers), prefetch=prefetch).start()
    next(cursor)
    assert len(drawn) == min(prefetch + 1, 2)  # the first item does not wait for all others
    for got in range(2, 12):
        next(cursor)
        assert len(drawn) <= got + prefetch
    assert len(drawn) == 11 + prefetch
    cursor.close()


def test_an_item_is_waited_for_only_when_it_is_handed_out() -> None:
    slow = Slow()
    flow = ToSlow(Iterate.of([np.array([number + 1]) for number in range(4)]), prefetch=1, slow=slow)
    assert [int(tensor[0]) for tensor in flow.start()] == [1, 2, 3, 4]
    assert slow.log == ["sent", "sent", "received", "sent", "received", "sent", "received", "received"]


@pytest.mark.parametrize("kind", [Tensors, ToSlow])
def test_an_error_comes_in_its_turn_and_the_rest_after_it(kind: type[Tensors]) -> None:
    def check(number: int) -> Any:
        if number == 2:
            raise ValueError("two is not liked")
        return np.array([number])

    cursor = kind(Map.of(Iterate.of(range(5)), check), prefetch=3).start()
    assert [int(next(cursor)[0]) for _ in range(2)] == [0, 1]
    before = cursor.state()
    with pytest.raises(RecordError, match="item 2: ValueError: two is not liked"):
        next(cursor)
    assert before["upstream"] == {"count": 2}
    assert [int(tensor[0]) for tensor in cursor] == [3, 4]


def test_an_interrupt_comes_at_once_and_the_iterator_goes_on_behind_what_it_gave() -> None:
    tries: list[int] = []

    def check(number: int) -> Any:
        tries.append(number)
        if tries.count(number) == 1 and number == 3:
            raise KeyboardInterrupt
        return np.array([number])

    iterator = iter(Stream._of(ToSlow(Map.of(Iterate.of(range(6)), check), prefetch=2)))
    got = [int(next(iterator)[0])]
    with pytest.raises(KeyboardInterrupt):
        got += [int(tensor[0]) for tensor in iterator]
    got += [int(tensor[0]) for tensor in iterator]
    assert got == list(range(6))


def dataset() -> Dataset:
    return Dataset(x=np.arange(40.0).reshape(20, 2), y=np.arange(20)).shuffle(seed=3)


def test_a_state_saved_with_tensors_loads_without_and_the_other_way_round() -> None:
    plain, tensors = dataset().batch(3).stream(epochs=2), dataset().batch(3).stream(epochs=2).torch()
    slow = Stream._of(ToSlow(plain._on()))
    expected = [batch["y"].tolist() for batch in plain]
    for saved in plain, tensors, slow:
        for cut in 0, 1, 6, 7, 9, 14:
            iterator = iter(saved)
            assert len(list(islice(iterator, cut))) == cut
            state = json.loads(json.dumps(iterator.state_dict()))
            for resumed in plain, tensors, slow:
                rest = [batch["y"].tolist() for batch in resumed.resume(state)]
                assert rest == expected[cut:], (saved, resumed, cut)


def test_tensors_share_the_memory_of_batches_which_is_not_used_again_while_they_live() -> None:
    x = np.arange(400_000.0).reshape(100, 4000)
    kept = [batch["x"] for batch in Dataset(x=x).batch(10).stream(epochs=3).torch()]
    for number, tensor in enumerate(kept):
        np.testing.assert_array_equal(tensor.numpy(), x[number % 10 * 10 :][:10])


def test_batches_of_every_structure_and_records() -> None:
    x, y = next(iter(dataset().select_tuple("x", "y").batch(4).stream().torch()))
    assert (x.shape, y.dtype) == ((4, 2), torch.int64)
    assert Stream(range(4)).batch(2).torch().first().tolist() == [0, 1]
    record = dataset().stream().torch().first()
    assert record["x"].shape == (2,)
    assert type(record["y"]) is int
    assert dataset().batch(4).stream().torch().map(lambda batch: float(batch["x"].sum())).list()


def test_ragged_columns_are_refused_with_the_mend_which_works() -> None:
    ds = Dataset(text=[[1, 2], [3]])
    with pytest.raises(SchemaError, match=r"column 'text': torch has no ragged rows: .*batch\(n, pad=0\)"):
        ds.batch(2).stream().torch().list()
    assert ds.batch(2, pad=0).stream().torch().first()["text"].tolist() == [[1, 2], [3, 0]]


def test_a_device_is_where_the_tensors_arrive() -> None:
    for batch in dataset().batch(4).stream().torch(device="meta"):
        assert batch["x"].device.type == "meta"
        assert batch["x"].shape[1] == 2
    for batch in dataset().batch(4).stream().torch(device="cpu", prefetch=0):
        assert batch["x"].device.type == "cpu"
    assert "stream() -> torch('meta')" in repr(dataset().stream().torch("meta"))
    assert "stream() -> torch()" in repr(dataset().stream().torch())


def test_a_device_is_sent_to_ahead_and_main_memory_is_not() -> None:
    assert Direct(torch.device("meta")).ahead
    assert not Direct(torch.device("cpu")).ahead
    assert not Direct(None).ahead


def test_length_and_end_are_those_of_the_stream() -> None:
    assert len(dataset().batch(3).stream(epochs=2).torch()) == 14
    assert "endless" in repr(dataset().stream(epochs=None).torch())


def test_arguments_that_cannot_be_meant_are_refused_where_they_are_written() -> None:
    stream = dataset().batch(3).stream()
    with pytest.raises(ArgumentError, match=r"device must be one of torch.*got 'cudda'"):
        stream.torch(device="cudda")
    with pytest.raises(ArgumentError, match=r"got 1\.5"):
        stream.torch(device=1.5)
    with pytest.raises(ArgumentError, match="pin_memory must be True, False or 'auto', got 'yes'"):
        stream.torch(pin_memory="yes")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="prefetch must be 0 or more, got -1"):
        stream.torch(prefetch=-1)
    with pytest.raises(KindError, match="prefetch must be a whole number"):
        stream.torch(prefetch=1.5)  # type: ignore[arg-type]
    with pytest.raises(OrderError, match="resume comes last"):
        stream.resume(iter(stream).state_dict()).torch()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("arguments", [{"device": "cuda"}, {"device": "cuda:1"}, {"pin_memory": True}], ids=str)
def test_without_a_gpu_the_iteration_says_so_before_anything_is_opened(arguments: dict[str, Any]) -> None:
    begun: list[int] = []

    def numbers() -> Iterator[int]:
        begun.append(1)
        yield 1

    stream = Stream(numbers).torch(**arguments)
    with pytest.raises(ArgumentError, match="needs CUDA, and torch finds no GPU here"):
        iter(stream)
    assert not begun


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("pin_memory", ["auto", False])
def test_copies_to_a_gpu_arrive_before_they_are_used_however_late_they_are(pin_memory: Any) -> None:
    x = np.arange(64 * 1_000_000, dtype=np.float32).reshape(64, 1_000_000)
    busy = torch.ones(2000, 2000, device="cuda")
    stream = Dataset(x=x).batch(4).stream(epochs=3).torch("cuda", pin_memory=pin_memory, prefetch=3)
    for number, batch in enumerate(stream):
        busy = busy @ busy / 2000  # the consumer's stream lags behind, the copies do not wait for it
        found = batch["x"].sum(dim=1, dtype=torch.float64)
        rows = x[number % 16 * 4 :][:4].sum(axis=1, dtype=np.float64)
        torch.testing.assert_close(found.cpu(), torch.from_numpy(rows))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_pinned_tensors_lie_in_pinned_memory() -> None:
    assert dataset().batch(4).stream().torch(pin_memory=True).first()["x"].is_pinned()


def test_the_way_to_a_device_takes_tensors_of_a_device_along() -> None:
    batch = Batch({"x": torch.zeros(3, device="meta"), "y": [1, 2, 3]})
    way = open_transfer(torch.device("meta"), "auto")
    assert way.send(batch["x"]).device.type == "meta"
    check_alike([Stream([batch]).torch().first()["y"]], [torch.tensor([1, 2, 3])])
