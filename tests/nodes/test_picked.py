"""Columns chosen, dropped and renamed, of records of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace import ArgumentError, Batch, ColumnError, Dataset, SchemaError

X, Y = np.arange(4), np.arange(4) * 10.0

MAPPINGS: dict[str, Callable[[], Dataset]] = {
    "columns": lambda: Dataset(x=X, y=Y),
    "rows": lambda: Dataset([{"x": int(x), "y": float(y)} for x, y in zip(X, Y)]),
    "shuffled columns": lambda: Dataset(x=X, y=Y).shuffle(0).sort_by("x"),
    "mapped": lambda: Dataset(x=X, y=Y).map(dict),
}
TUPLES: dict[str, Callable[[], Dataset]] = {
    "columns": lambda: Dataset(X, Y),
    "rows": lambda: Dataset([(int(x), float(y)) for x, y in zip(X, Y)]),
    "zipped columns": lambda: hr.zip(Dataset(X), Dataset(Y)),
    "mapped": lambda: Dataset(X, Y).map(tuple),
}


@pytest.mark.parametrize("kind", MAPPINGS)
def test_of_mappings_columns_are_chosen_by_name(kind: str) -> None:
    ds = MAPPINGS[kind]()
    assert ds.select("y", "x")[1] == {"y": 10.0, "x": 1}
    assert list(ds.select("y", "x")[1]) == ["y", "x"]
    assert ds.select(["y"])[1] == {"y": 10.0}  # type: ignore[arg-type]  # a list is taken, too
    assert ds.drop("x")[1] == {"y": 10.0}
    assert ds.rename({"x": "a"}, y="b")[1] == {"a": 1, "b": 10.0}
    assert ds.rename(x="y", y="x")[1] == {"y": 1, "x": 10.0}
    assert ds.select_tuple("y", "x")[1] == (10.0, 1)


@pytest.mark.parametrize("kind", TUPLES)
def test_of_tuples_fields_are_chosen_by_number_and_numbered_anew(kind: str) -> None:
    ds = TUPLES[kind]()
    assert ds.select(1)[2] == (20.0,)
    assert ds.select("1", "0")[2] == (20.0, 2)
    assert ds.drop(0)[2] == (20.0,)
    assert ds.select(1).select(0)[2] == (20.0,)
    assert ds.select_tuple(1, 0).select_tuple(0)[2] == (20.0,)
    with pytest.raises(SchemaError, match=r"rename\(0=a\): the fields of tuples have numbers"):
        ds.rename({"0": "a"})[0]


@pytest.mark.parametrize("values", [X, X.tolist()], ids=["array", "list"])
def test_values_have_no_columns_to_drop_or_rename(values: Any) -> None:
    ds = Dataset(values)
    assert ds.select("value")[1] == 1
    assert ds.select_tuple("value")[1] == (1,)
    with pytest.raises(SchemaError, match="single values"):
        ds.drop("value")[0]
    with pytest.raises(SchemaError, match="single values"):
        ds.rename(value="x")[0]


@pytest.mark.parametrize("kind", MAPPINGS)
def test_a_wrong_name_is_answered_with_the_near_one(kind: str) -> None:
    ds = Dataset(image=X, label=Y) if kind == "columns" else MAPPINGS[kind]().rename(x="image", y="label")
    steps: list[Callable[[], Any]] = [
        lambda: ds.select("imgae")[0],
        lambda: ds.drop("imgae")[0],
        lambda: ds.rename(imgae="x")[0],
        lambda: ds.select_tuple("imgae")[0],
    ]
    for step in steps:
        with pytest.raises(ColumnError, match=r"no column 'imgae'; .* 'image', 'label'\. Did you mean 'image'\?"):
            step()


def test_a_wrong_name_is_answered_before_anything_is_read_where_the_columns_are_known() -> None:
    with pytest.raises(ColumnError, match="'image'"):
        Dataset(image=X).select("imgae")
    with pytest.raises(ColumnError):
        Dataset(X, Y).select(2)


def test_one_column_can_fill_several_fields_of_a_tuple() -> None:
    assert Dataset(x=X).select_tuple("x", "x")[3] == (3, 3)
    assert Dataset([{"x": 1}]).select_tuple("x", "x")[0] == (1, 1)
    with pytest.raises(ArgumentError, match="named twice"):
        Dataset(x=X).select("x", "x")


def test_renaming_onto_another_column_is_refused() -> None:
    with pytest.raises(SchemaError, match="two columns 'y'"):
        Dataset(x=X, y=Y).rename(x="y")
    with pytest.raises(SchemaError, match="two columns 'y'"):
        Dataset([{"x": 1, "y": 2}]).rename(x="y")[0]


@pytest.mark.parametrize("names", [{"x": ""}, {"x": 3}, {0: "x"}])
def test_names_that_are_no_text_are_refused(names: Any) -> None:
    with pytest.raises(ArgumentError, match="names must be strings"):
        Dataset(x=X).rename(names)


def test_naming_nothing_is_refused() -> None:
    ds = Dataset(x=X)
    steps: list[Callable[[], Dataset]] = [ds.select, ds.drop, ds.rename, ds.select_tuple]
    for step in steps:
        with pytest.raises(ArgumentError, match="needs"):
            step()


def test_dropping_all_columns_leaves_records_without_any() -> None:
    empty = Dataset(x=X).drop("x")
    assert empty[0] == {}
    assert len(empty.batch(3)[0]) == 3


def test_batches_are_chosen_from_like_records() -> None:
    batches = Dataset(x=X, y=Y).batch(3)
    assert batches.select("y")[1] == Batch({"y": Y[3:]})
    assert batches.drop("y")[1] == Batch({"x": X[3:]})
    assert batches.rename(x="a")[0] == Batch({"a": X[:3], "y": Y[:3]})
    first, second = batches.select_tuple("y", "x")[1]
    assert (first.tolist(), second.tolist()) == ([30.0], [3])
    (only,) = Dataset(X, Y).batch(3).select(1)[1]
    assert only.tolist() == [30.0]


def test_the_schema_follows_the_choice() -> None:
    assert repr(Dataset(x=X, y=Y).select("y").schema) == "{y: float64}"
    assert repr(Dataset(x=X, y=Y).select_tuple("y", "x").schema) == "(float64, int64)"
    assert repr(Dataset(X, Y).drop(0).schema) == "(float64,)"
    assert repr(Dataset(x=X, y=Y).rename(x="a").schema) == "{a: int64, y: float64}"


class Counted:
    """A source that tells which columns were asked of it: all of them, each time."""

    def __init__(self) -> None:
        self.reads = 0

    def __len__(self) -> int:
        return 3

    def read(self, indices: Any) -> dict[str, Any]:
        self.reads += 1
        return {"x": indices * 2, "y": indices * 3}


def test_a_source_that_does_not_tell_its_columns_is_chosen_from_after_the_read() -> None:
    source = Counted()
    ds = Dataset(source).select("y")
    assert source.reads == 0
    assert ds.list() == [{"y": 0}, {"y": 3}, {"y": 6}]
    with pytest.raises(ColumnError, match="no column 'z'; there are 'x', 'y'"):
        Dataset(source).select("z").list()
