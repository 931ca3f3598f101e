"""Objects are pickled where that is allowed, and unpickled by nobody else."""

from __future__ import annotations

import os
import pickle
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.errors import SchemaError, StoreError
from headrace.core.kinds import objects
from headrace.core.records import Rows, wrap
from headrace.stores.layout import Layout
from headrace.stores.mapped import Table, open_columns
from headrace.stores.parts import Writer


def written(root: Path, *blocks: list[Any], allow_pickle: bool = True) -> tuple[Path, Layout, int]:
    """Write one part; return its folder, its layout and its length."""
    root.mkdir(parents=True, exist_ok=True)
    with Writer(root, allow_pickle=allow_pickle) as writer:
        for block in blocks:
            writer.append(Rows(block))
        (part,) = writer.finish()
        return root / part.digest, Layout.from_json(writer.layout.to_json()), part.length


def read(folder: Path, layout: Layout, length: int) -> Table:
    return open_columns(folder, layout, length, allow_pickle=True)


def values(table: Table) -> Any:
    return table.take(np.arange(table.length))["value"].tolist()


MIXED = st.lists(
    st.none() | st.integers() | st.text() | st.binary() | st.lists(st.floats(allow_nan=False)) | st.dates(), min_size=1
)


@settings(max_examples=25)
@given(st.lists(MIXED, min_size=1, max_size=3))
def test_any_objects_come_back_equal(tmp_path_factory: pytest.TempPathFactory, blocks: list[list[Any]]) -> None:
    root = tmp_path_factory.mktemp("stage")
    first, *rest = blocks
    found = values(read(*written(root, [None, 2**80, *first], *rest)))
    assert found == [None, 2**80, *(value for block in blocks for value in block)]
    assert list(map(type, found[2:])) == [type(value) for block in blocks for value in block]


def test_objects_lie_in_any_record(tmp_path: Path) -> None:
    rows = [({"a": Fraction(1, number), "b": "text"}, timedelta(number), b"b") for number in (1, 2, 3)]
    table = read(*written(tmp_path, rows))
    assert table.whole() is None
    taken = table.take(np.array([2, 0]))
    assert taken["0"]["a"].tolist() == [Fraction(1, 3), Fraction(1)]
    assert taken["1"].tolist() == [timedelta(3), timedelta(1)]
    assert str(written(tmp_path / "again", rows)[1]) == "{0: {a: object, b: string}, 1: object, 2: object}"


def test_rows_that_are_arrays_of_objects_keep_their_shape(tmp_path: Path) -> None:
    with Writer(tmp_path, allow_pickle=True) as writer:
        writer.append(wrap(Batch({"x": objects([None, 1, {2}, (3,)]).reshape(2, 2)})))
        (part,) = writer.finish()
    taken = open_columns(tmp_path / part.digest, writer.layout, 2, allow_pickle=True).take(np.array([1, 1, 0]))["x"]
    assert taken.tolist() == [[{2}, (3,)], [{2}, (3,)], [None, 1]]


@pytest.mark.torch
def test_a_tensor_is_pickled_without_the_one_it_is_cut_from(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    whole = torch.arange(1_000_000)
    folder, layout, length = written(tmp_path, [whole[:2], whole[:3]])
    assert sum(file.stat().st_size for file in folder.iterdir()) < 10_000
    assert [value.tolist() for value in values(read(folder, layout, length))] == [[0, 1], [0, 1, 2]]


def test_objects_are_refused_unless_they_may_be_pickled(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"record 1: column 'value': objects of type NoneType .*allow_pickle=True"):
        written(tmp_path, ["a", None], allow_pickle=False)
    with pytest.raises(SchemaError, match="record 2: column 'value': a function cannot be pickled"):
        written(tmp_path / "lambda", [None, 1, lambda: None])


class Trap:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_nothing_is_unpickled_by_who_does_not_allow_it(tmp_path: Path) -> None:
    folder, layout, length = written(tmp_path / "stage", [{"a": {"b": Trap(tmp_path / "sprung")}, "c": 1}])
    with pytest.raises(StoreError, match=r"column 'a' holds pickled objects.*allow_pickle=True"):
        open_columns(folder, layout, length)
    assert not (tmp_path / "sprung").exists()
    read(folder, layout, length).take(np.array([0]))
    assert (tmp_path / "sprung").exists()


def test_an_object_whose_class_is_gone_is_a_clear_error(tmp_path: Path) -> None:
    folder, layout, length = written(tmp_path, [None, timedelta(1)])
    file = folder / "value.values.npy"
    assert b"timedelta" in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(b"timedelta", b"timedelto"))
    with pytest.raises(StoreError, match="cannot be made again: AttributeError") as caught:
        read(folder, layout, length).take(np.array([1]))
    assert not isinstance(caught.value, pickle.UnpicklingError)
