"""What a user may hand over, and what is refused, with the mend."""

from __future__ import annotations

from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from headrace import ArgumentError, Batch, Dataset, HeadraceError, KindError, Ragged, SchemaError

X, Y = np.arange(6).reshape(3, 2), [0, 1, 0]


class Frame:
    """A source by its two methods."""

    def __len__(self) -> int:
        return 3

    def read(self, indices: Any) -> dict[str, Any]:
        return {"x": X[indices], "y": np.array(Y)[indices]}


MAPPINGS: dict[str, Callable[[], Dataset]] = {
    "by name": lambda: Dataset(x=X, y=Y),
    "a dict": lambda: Dataset({"x": X, "y": Y}),
    "an ordered dict": lambda: Dataset(OrderedDict(x=X, y=Y)),
    "any mapping": lambda: Dataset(MappingProxyType({"x": X, "y": Y})),
    "a Batch": lambda: Dataset(Batch({"x": X, "y": Y})),
    "a list of dicts": lambda: Dataset([{"x": x, "y": y} for x, y in zip(X, Y)]),
    "a list of mappings": lambda: Dataset([MappingProxyType({"x": x, "y": y}) for x, y in zip(X, Y)]),
    "a structured array": lambda: Dataset(
        np.array([((0, 1), 0), ((2, 3), 1), ((4, 5), 0)], [("x", "i8", 2), ("y", "i8")])
    ),
    "a source": lambda: Dataset(Frame()),
    "a dataset": lambda: Dataset(Dataset(x=X, y=Y)),
    "nested lists": lambda: Dataset(x=X.tolist(), y=Y),
    "other kinds of columns": lambda: Dataset(x=list(X), y=array("q", Y)),
}
TUPLES: dict[str, Callable[[], Dataset]] = {
    "by position": lambda: Dataset(X, Y),
    "a list of tuples": lambda: Dataset(list(zip(X, Y))),
    "lists": lambda: Dataset(X.tolist(), tuple(Y)),
}
VALUES: dict[str, Callable[[], Dataset]] = {
    "a range": lambda: Dataset(range(3)),
    "an array": lambda: Dataset(np.arange(3)),
    "a list": lambda: Dataset([0, 1, 2]),
    "a tuple": lambda: Dataset((0, 1, 2)),
    "a deque": lambda: Dataset(deque([0, 1, 2])),
    "an array of the standard library": lambda: Dataset(array("q", [0, 1, 2])),
    "a Batch's column": lambda: Dataset(Batch({"x": [0, 1, 2]})["x"]),
}


@pytest.mark.parametrize("kind", MAPPINGS)
def test_mappings_are_made_of(kind: str) -> None:
    ds = MAPPINGS[kind]()
    assert len(ds) == 3
    assert list(ds[1]) == ["x", "y"]
    assert (ds[1]["x"].tolist() if hasattr(ds[1]["x"], "tolist") else ds[1]["x"]) == [2, 3]
    assert ds[-1]["y"] == 0
    batch = ds.batch(2)[0]
    assert batch == Batch({"x": X[:2], "y": np.array([0, 1])})
    assert repr(ds)


@pytest.mark.parametrize("kind", TUPLES)
def test_tuples_are_made_of(kind: str) -> None:
    ds = TUPLES[kind]()
    x, y = ds[1]
    assert (np.asarray(x).tolist(), y) == ([2, 3], 1)
    for first, second in ds.batch(2):
        assert first.dtype == second.dtype == np.int64
    assert ds.batch(3)[0][0].tolist() == X.tolist()


@pytest.mark.parametrize("kind", VALUES)
def test_values_are_made_of(kind: str) -> None:
    ds = VALUES[kind]()
    assert ds.list() == [0, 1, 2]
    assert ds.batch(3)[0].tolist() == [0, 1, 2]


def test_a_frame_of_pandas_gives_its_columns_without_its_index() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1.5, 2.5], "name": ["a", "b"]}, index=[7, 8])
    assert Dataset(frame).list() == [{"x": 1.5, "name": "a"}, {"x": 2.5, "name": "b"}]

    class Special(pandas.DataFrame):  # type: ignore[misc, name-defined]
        """As GeoDataFrame is one."""

    assert Dataset(Special(frame)).list() == Dataset(frame).list()
    assert Dataset(frame["x"]).list() == [1.5, 2.5]
    assert Dataset(x=frame["x"], name=frame["name"]).list() == Dataset(frame).list()
    with pytest.raises(KindError, match="not by 0"):
        Dataset(pandas.DataFrame(np.zeros((2, 2))))


def test_a_table_of_arrow_gives_its_columns() -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"x": [1, 2], "name": ["a", "b"], "text": [[1], [2, 3]]})
    assert len(Dataset(table)) == 2
    assert Dataset(table).select("x", "name")[1] == {"x": 2, "name": "b"}
    assert Dataset(table)[1]["text"].tolist() == [2, 3]
    assert Dataset(table.to_batches()[0])[0]["name"] == "a"


@pytest.mark.torch
def test_tensors_are_columns_and_rows_are_tensors_of_their_own() -> None:
    torch = pytest.importorskip("torch")
    x = torch.arange(6).reshape(3, 2)
    ds = Dataset(x=x, y=Y).shuffle(0)
    batch = ds.batch(3)[0]
    assert isinstance(batch["x"], torch.Tensor)
    assert sorted(batch["x"][:, 0].tolist()) == [0, 2, 4]
    batch["x"].zero_()
    ds[0]["x"].zero_()
    assert x.sum() == 15
    assert Dataset(x)[1].tolist() == [2, 3]
    assert ds.batch(2, pad=0)[0]["x"].shape == (2, 2)

    class Torchlike(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> tuple[Any, int]:
            return x[index], index

    first, second = Dataset(Torchlike()).batch(2)[0]
    assert first.tolist() == [[0, 1], [2, 3]]
    assert second.tolist() == [0, 1]


def test_nested_columns_stay_nested() -> None:
    ds = Dataset({"box": {"left": [1, 2], "size": np.zeros((2, 3))}, "label": [0, 1]})
    assert ds[1]["box"]["left"] == 2
    assert ds.batch(2)[0]["box"]["size"].shape == (2, 3)
    assert repr(ds.schema) == "{box: {left: int64, size: float64[3]}, label: int64}"


def test_ragged_columns_stay_ragged() -> None:
    ds = Dataset(text=Ragged.from_rows([[1, 2], [3]]))
    assert ds[0]["text"].tolist() == [1, 2]
    assert Dataset(Ragged.from_rows([[1, 2], [3]]))[1].tolist() == [3]
    assert Dataset(text=[[1, 2], [3]]).batch(2)[0]["text"].lengths.tolist() == [2, 1]


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((0, 3)),
        [],
        (),
        range(0),
        Ragged.from_rows([]),
        Batch({"x": []}),
        {"x": []},
        np.zeros(0, [("a", int)]),
    ],
    ids=lambda data: type(data).__name__,
)
def test_a_length_of_0_is_fine(data: Any) -> None:
    ds = Dataset(data)
    assert (len(ds), bool(ds), ds.list(), list(ds)) == (0, False, [], [])
    assert len(ds.shuffle(0).batch(3)) == 0
    assert list(ds.shuffle(0).map(str).filter(bool).batch(3).stream(epochs=3)) == []
    assert [len(part) for part in ds.split(a=0.5, b=0.5, seed=0)] == [0, 0]
    steps: list[Callable[[], Any]] = [lambda: ds[0], lambda: ds[-1], ds.first]
    for step in steps:
        with pytest.raises(IndexError):
            step()
    repr(ds)


def _generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("text", r"a str cannot be read as records; a list of one string is written \[text\]"),
        (b"bytes", "a bytes cannot"),
        (bytearray(b"bytes"), "a bytearray cannot"),
        ({1, 2}, r"a set cannot be read as records; it has no order: give sorted\(...\)"),
        (frozenset([1]), "a frozenset"),
        (_generator(), r"a generator cannot be read in any order; it flows in one order: use Stream\(...\)"),
        (iter([1]), "use Stream"),
        (map(str, [1]), "use Stream"),
        (zip([1], [2]), "use Stream"),
        (Plain := type("Plain", (), {}), "the class Plain cannot be read as records; give an object of it"),
        (Plain(), "a Plain cannot be read in any order; it needs __len__ and __getitem__"),
        (3, "a int cannot be read in any order"),
        (None, "a NoneType cannot"),
        (np.float64(3), "cannot be read"),
        (np.array(3), "no dimensions"),
        (print, "cannot be read"),
        (np.ma.array([1, 2], mask=[False, True]), "masked"),
        (np.ma.array(np.zeros(2, [("a", int)])), "masked"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_read_in_any_order_is_refused_with_the_mend(data: Any, words: str) -> None:
    with pytest.raises(KindError, match=words):
        Dataset(data)


@pytest.mark.parametrize("column", ["text", b"b", {1}, iter([1]), 3, None, np.float32(1), np.array(1), _generator()])
def test_what_cannot_be_a_column_is_refused_by_its_name(column: Any) -> None:
    with pytest.raises(KindError, match="'x'"):
        Dataset(x=column)
    with pytest.raises(KindError, match=r"'x'"):
        Dataset({"outer": {"x": column}})
    with pytest.raises(HeadraceError, match=r"argument 1|'1'"):
        Dataset([1], column)


def test_a_masked_column_is_refused_by_name_and_filled_ones_are_taken() -> None:
    masked: Any = np.ma.array([1, 2], mask=[False, True])
    makes: list[Callable[[], Dataset]] = [
        lambda: Dataset(x=masked),
        lambda: Dataset({"inner": {"x": masked}}),
        lambda: Dataset([1, 2], masked),
    ]
    for make in makes:
        with pytest.raises(KindError, match="mask"):
            make()
    assert Dataset(x=masked.filled(0))[1] == {"x": 0}


def test_no_data_at_all_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"no data: Dataset\(\) needs columns"):
        Dataset()
    with pytest.raises(ArgumentError, match="no data"):
        Dataset({})


def test_columns_by_name_and_by_position_are_not_mixed() -> None:
    with pytest.raises(ArgumentError, match="by name or by position, not both: got 1 by position and label by name"):
        Dataset([1], label=[1])


def test_unequal_columns_are_refused_with_each_length() -> None:
    with pytest.raises(SchemaError, match=r"'image' has 3.*'label' has 2"):
        Dataset(image=np.zeros(3), label=[0, 1])
    with pytest.raises(SchemaError, match=r"'0' has 3.*'1' has 2"):
        Dataset(np.zeros(3), [0, 1])
    with pytest.raises(SchemaError, match=r"'a' has 1.*'b' has 2"):
        Dataset(outer={"a": [1], "b": [1, 2]})


@pytest.mark.parametrize("names", [{0: [1]}, {None: [1]}, {("a", "b"): [1]}, {b"a": [1]}])
def test_names_that_are_no_text_are_refused(names: Any) -> None:
    with pytest.raises(KindError, match="named by text"):
        Dataset(names)


def test_a_stream_is_told_from_a_dataset() -> None:
    with pytest.raises(KindError, match="flows in one order"):
        Dataset(Dataset([1]).stream())
