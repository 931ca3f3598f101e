"""Datasets in a DataLoader of torch: the same records in the same batches, whatever starts its workers."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from headrace import Dataset
from headrace.core.errors import EndlessError, KindError, RecordError
from headrace.core.records import Rows
from headrace.core.source import Indices

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

N = 10


def dataset() -> Dataset:
    columns = {
        "image": np.arange(4 * N, dtype=np.uint8).reshape(N, 2, 2),
        "weight": np.arange(N, dtype=np.float32),
        "label": np.arange(N),
        "name": [f"r{number}" for number in range(N)],
    }
    return Dataset(columns).shuffle(seed=1)


def load(data: Any, **settings: Any) -> list[Any]:
    return list(torch.utils.data.DataLoader(data, **settings))


def test_it_is_a_dataset_of_torch_whose_arrays_are_tensors() -> None:
    data = dataset().to_torch()
    assert isinstance(data, torch.utils.data.Dataset)
    assert len(data) == N
    record = data[3]
    assert torch.equal(record["image"], torch.from_numpy(dataset()[3]["image"]))
    assert record["name"] == dataset()[3]["name"]
    assert data[-1]["label"] == data[np.int64(N - 1)]["label"] == dataset()[-1]["label"]
    assert [one["label"] for one in data.__getitems__([3, 0, 3])] == [dataset()[place]["label"] for place in (3, 0, 3)]
    for outside in N, -N - 1:
        with pytest.raises(IndexError, match=rf"record {outside} of a dataset of {N}"):
            data[outside]
    x, y = Dataset(np.zeros((3, 2)), [1, 2, 3]).to_torch()[1]
    assert (x.shape, y) == ((2,), 2)
    assert Dataset(np.zeros((3, 2))).to_torch()[0].tolist() == [0, 0]


def test_default_batches_have_the_columns_dtypes() -> None:
    (batch,) = load(dataset().to_torch(), batch_size=N)
    assert [batch[name].dtype for name in ("image", "weight", "label")] == [torch.uint8, torch.float32, torch.int64]
    assert batch["name"] == [record["name"] for record in dataset()]
    assert (batch["image"].numpy() == dataset().collect()["image"]).all()


@pytest.mark.parametrize("start", ["fork", "forkserver"])
def test_workers_give_what_one_process_gives(start: str) -> None:
    factor = 2  # in a closure: what travels to a worker is more than a name
    data = dataset().map(lambda record: {**record, "weight": record["weight"] * factor}).to_torch()
    alone = load(data, batch_size=3)
    shared = load(data, batch_size=3, num_workers=2, multiprocessing_context=start)
    assert len(alone) == 4
    for one, other in zip(alone, shared, strict=True):
        assert one["name"] == other["name"]
        for name in "image", "weight", "label":
            assert torch.equal(one[name], other[name])


def test_batches_made_before_are_handed_through_as_dicts_of_tensors() -> None:
    batches = dataset().batch(4)
    got = load(batches.to_torch(), batch_size=None, shuffle=False)
    assert [batch["label"].tolist() for batch in got] == [batch["label"].tolist() for batch in batches]
    assert all(type(batch) is dict for batch in got)


def test_set_epoch_draws_orders_and_random_maps_anew() -> None:
    def noisy(record: Any, rng: np.random.Generator) -> Any:
        return record["label"] + rng.random()

    ds = dataset().map(noisy, seed=0)
    data = ds.to_torch()
    epochs = [list(epoch) for epoch in np.array_split(ds.stream(epochs=3).list(), 3)]
    for epoch in 0, 2, 1, 0:
        data.set_epoch(epoch)
        assert [data[place] for place in range(N)] == epochs[epoch]
    assert epochs[0] != epochs[1]


def test_set_epoch_reaches_workers_that_run_already() -> None:
    data = dataset().select("label").to_torch()
    loader = torch.utils.data.DataLoader(
        data, batch_size=N, num_workers=1, persistent_workers=True, multiprocessing_context="fork"
    )
    stream = dataset().batch(N).stream(epochs=2)
    for epoch, batch in enumerate(stream):
        data.set_epoch(epoch)
        (got,) = list(loader)
        assert got["label"].tolist() == batch["label"].tolist()


class Counted:
    """A source that counts how often it is read."""

    def __init__(self) -> None:
        self.reads: list[int] = []

    def __len__(self) -> int:
        return N

    def read(self, indices: Indices, /) -> Rows:
        self.reads.append(len(indices))
        return Rows(indices.tolist())


def test_a_batch_is_one_read() -> None:
    source = Counted()
    batches = load(Dataset(source).to_torch(), batch_size=4)
    assert batches[0].tolist() == [0, 1, 2, 3]
    assert source.reads == [4, 4, 2]


def test_it_is_pickled_and_copied_with_its_functions() -> None:
    data = dataset().map(lambda record: record["label"] * 10).to_torch()
    data.set_epoch(1)
    for other in pickle.loads(pickle.dumps(data)), copy.deepcopy(data):
        assert isinstance(other, torch.utils.data.Dataset)
        assert [other[place] for place in range(N)] == [data[place] for place in range(N)]


def test_the_records_are_the_callers_own() -> None:
    numbers = np.zeros((3, 2))
    data = Dataset(x=numbers).to_torch()
    data[0]["x"].fill_(7)
    assert not numbers.any()


def test_an_endless_dataset_is_refused() -> None:
    with pytest.raises(EndlessError, match=r"to_torch\(\) needs an end.*take\(n\) first"):
        dataset().repeat().to_torch()


# In the other direction: a dataset of torch as a source


class Pairs(torch.utils.data.Dataset):  # type: ignore[misc]
    """A picture, which is no array, and a label, as torchvision's datasets give them."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < 5:
            raise IndexError(index)
        return Picture(index), index


class Picture:
    def __init__(self, number: int) -> None:
        self.number = number


class Together(Pairs):
    """One that reads many at once."""

    asked: list[list[int]]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        self.asked = [*getattr(self, "asked", []), indices]
        return [(torch.full((2,), float(index)), index) for index in indices]


def test_a_dataset_of_torch_is_a_source() -> None:
    ds = Dataset(Pairs()).shuffle(seed=0)
    assert [picture.number for picture, _ in ds] == [label for _, label in ds]
    assert ds[-1][1] == ds[4][1]
    with pytest.raises(IndexError):
        ds[5]
    pictures, labels = ds.map(lambda record: (np.full(2, record[0].number), record[1])).batch(5)[0]
    assert pictures[:, 0].tolist() == labels.tolist() == [label for _, label in ds]


def test_a_dataset_of_torch_is_asked_for_many_at_once_where_it_can() -> None:
    source = Together()
    x, y = Dataset(source).shuffle(seed=0).batch(5)[0]
    assert x[:, 0].tolist() == y.tolist()
    assert isinstance(x, torch.Tensor)
    assert source.asked == [Dataset(range(5)).shuffle(seed=0).list()]


def test_datasets_of_torch_that_are_made_of_others_are_sources() -> None:
    tensors = torch.utils.data.TensorDataset(torch.arange(6.0).reshape(3, 2), torch.arange(3))
    both = torch.utils.data.ConcatDataset([tensors, torch.utils.data.Subset(tensors, [2, 0])])
    x, y = Dataset(both).batch(5)[0]
    assert y.tolist() == [0, 1, 2, 2, 0]
    assert x[:, 0].tolist() == [0, 2, 4, 4, 0]
    back = Dataset(both).to_torch()
    assert torch.equal(back[3][0], tensors[2][0])


class Unknown(torch.utils.data.Dataset):  # type: ignore[misc]
    """One that torch's own samplers could not go through either: it does not tell its length."""

    def __getitem__(self, index: int) -> int:
        return index


class Broken(Pairs):
    def __getitem__(self, index: int) -> Any:
        if index == 3:
            raise OSError("the file is gone")
        return super().__getitem__(index)


class TooFew(Together):
    def __getitems__(self, indices: list[int]) -> list[Any]:
        return super().__getitems__(indices)[:-1]


def test_a_dataset_of_torch_that_cannot_serve_says_what_it_lacks() -> None:
    with pytest.raises(KindError, match="a Unknown cannot be read in any order; it needs __len__ and __getitem__"):
        Dataset(Unknown())
    with pytest.raises(RecordError, match="Broken failed to give record 3 of 5: OSError: the file is gone"):
        Dataset(Broken()).list()
    with pytest.raises(RecordError, match="__getitems__ was asked for 5 records, returned 4"):
        Dataset(TooFew()).batch(5).list()
