"""A Batch: made, asked, cut, joined, changed into new ones, compared, shown and sent."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.equality import same_values
from headrace.core.errors import ColumnError, HeadraceError, KindError, SchemaError
from headrace.core.ragged import Ragged
from tests.core.some_columns import any_batch, batches, some_rows

XY = Batch({"x": [10, 20, 30], "y": [1.0, 2.0, 3.0]})


@given(any_batch())
def test_rows_are_dicts_in_the_order_of_the_columns(batch: Batch) -> None:
    rows = batch.rows()
    assert len(rows) == len(batch)
    assert all(list(row) == list(batch) for row in rows)
    assert same_values([batch[at] for at in range(len(batch))], rows)


@given(any_batch())
def test_a_batch_stacked_from_rows_comes_back_from_its_rows(batch: Batch) -> None:
    stacked = Batch.from_rows(batch.rows())
    assert Batch.from_rows(stacked.rows()) == stacked


@given(any_batch(), st.data())
def test_take_and_lists_and_masks_give_the_rows_asked_for(batch: Batch, data: st.DataObject) -> None:
    indices = data.draw(some_rows(-len(batch), len(batch)))
    rows = batch.rows()
    assert same_values(batch.take(indices).rows(), [rows[at] for at in indices])
    assert batch[indices] == batch.take(np.array(indices, np.int32)) == batch[np.array(indices, np.int64)]
    mask = data.draw(st.lists(st.booleans(), min_size=len(batch), max_size=len(batch)))
    assert same_values(batch[np.array(mask, bool)].rows(), [row for row, kept in zip(rows, mask, strict=True) if kept])


@given(any_batch(), st.slices(5))
def test_a_slice_has_the_rows_of_a_sliced_list(batch: Batch, cut: slice) -> None:
    assert same_values(batch[cut].rows(), batch.rows()[cut])
    assert len(batch[cut]) == len(range(len(batch))[cut])


@given(any_batch(), st.lists(st.integers(0, 5), max_size=2).map(sorted))
def test_the_parts_of_a_batch_make_the_batch(batch: Batch, cuts: list[int]) -> None:
    bounds = [0, *cuts, 5]
    parts = [batch[start:stop] for start, stop in pairwise(bounds)]
    assert Batch.concat(parts) == batch


@given(any_batch())
def test_a_batch_equals_its_copies_and_what_was_sent(batch: Batch) -> None:
    assert batch == copy.deepcopy(batch) == pickle.loads(pickle.dumps(batch)) == Batch(batch.to_dict(), len(batch))
    assert not batch != copy.copy(batch)


@given(st.integers(1, 4).flatmap(batches))
def test_batches_of_different_rows_or_columns_differ(batch: Batch) -> None:
    assert batch != batch[1:]
    assert batch != batch.with_columns(other=np.arange(len(batch)))


def test_equality_counts_dtypes_and_order_and_takes_nan_for_equal() -> None:
    assert Batch({"x": [1.0, np.nan]}) == Batch({"x": [1.0, np.nan]})
    assert Batch({"x": [1]}) != Batch({"x": [1.0]})
    assert Batch({"x": [1], "y": [2]}) != Batch({"y": [2], "x": [1]})
    assert Batch({"x": [1]}) != {"x": [1]}
    assert (np.arange(3) == XY) is False


def test_it_is_like_a_mapping_of_names_and_a_sequence_of_rows() -> None:
    def names(**columns: Any) -> list[str]:
        return list(columns)

    assert len(XY) == 3
    assert list(XY) == list(XY.keys()) == names(**XY) == ["x", "y"]
    assert {**XY}["x"] is XY["x"] is dict(XY.items())["x"] is next(iter(XY.values()))
    assert "x" in XY
    assert "z" not in XY
    assert XY
    assert not XY[:0]


def test_one_row_is_a_dict_of_pythons_own_values() -> None:
    assert XY[1] == XY[-2] == XY[np.int8(1)] == XY[np.array(1)] == {"x": 20, "y": 2.0}
    assert type(XY[1]["x"]) is int


def test_columns_and_slices_are_views_and_what_is_taken_a_copy() -> None:
    array = np.arange(4)
    batch = Batch({"x": array, "vector": np.zeros((4, 2))})
    assert batch["x"] is array
    assert np.shares_memory(batch[1:3]["x"], array)
    assert np.shares_memory(batch[::-1]["x"], array)
    assert np.shares_memory(batch[2]["vector"], batch["vector"])
    for copied in (batch[[0, 1]], batch.take([0]), batch[batch["x"] > 1], Batch.concat([batch, batch])):
        assert not np.shares_memory(copied["x"], array)
    for shared in (batch.select("x"), batch.drop("vector"), batch[["x"]], batch.with_columns(z=array)):
        assert shared["x"] is array


@pytest.mark.parametrize(
    ("key", "error", "match"),
    [
        ("z", ColumnError, "no column 'z'; there are 'x', 'y'"),
        (3, IndexError, "row 3 is out of range: there are 3 rows"),
        (-4, IndexError, "row -4 is out of range"),
        ([0, 3], IndexError, "row 3 is out of range"),
        ([-4], IndexError, "row -4 is out of range"),
        ([True, False], IndexError, "a mask needs one value per row: it has 2, there are 3 rows"),
        ([0.5], KindError, "whole numbers or booleans"),
        ([[0]], KindError, "one-dimensional"),
        (["x", "z"], ColumnError, "no column 'z'"),
        (["x", 0], KindError, "whole numbers"),
        (["x", "x"], SchemaError, "asked for twice"),
        (("x", "y"), KindError, r"as a list: batch\[\['x', 'y'\]\]"),
        (True, KindError, "whole number"),
        (1.0, KindError, "whole number"),
        (None, KindError, "whole number"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(key: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        XY[key]


def test_an_empty_list_asks_for_no_rows() -> None:
    assert len(XY[[]]) == 0
    assert list(XY[[]]) == ["x", "y"]


def test_columns_are_made_of_arrays_lists_raggeds_and_mappings() -> None:
    batch = Batch({"a": [1, 2], "b": ["x", "y"], "c": Ragged.from_rows([[1], []]), "d": {"e": (1.5, 2.5)}})
    assert batch[0] == {"a": 1, "b": "x", "c": np.array([1]), "d": {"e": 1.5}}
    assert isinstance(batch["d"], Batch)


@pytest.mark.parametrize(
    ("columns", "error", "match"),
    [
        ({"x": [1, 2], "y": [1]}, SchemaError, "columns need equal lengths: 'x' has 2, 'y' has 1"),
        ({"x": {"a": [1], "b": []}}, SchemaError, "column 'x': columns need equal lengths: 'a' has 1, 'b' has 0"),
        ({1: [1]}, KindError, "columns are named by text, not by 1"),
        ({"": [1]}, SchemaError, "an empty one"),
        ({"x": 5}, KindError, "column 'x': a column needs"),
        ({"x": np.array(5)}, KindError, "column 'x': a column needs one value per row, got a single value"),
        ({"x": "text"}, KindError, "column 'x': .*got a str"),
        ([1, 2], KindError, "made of a mapping of names to columns, got list"),
    ],
)
def test_what_is_no_batch_is_refused_by_name(columns: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Batch(columns)


def test_a_batch_can_have_no_columns_or_no_rows() -> None:
    assert len(Batch()) == len(Batch({})) == len(Batch({"x": []})) == 0
    nothing = Batch(length=3)
    assert len(nothing) == 3
    assert nothing.rows() == [{}, {}, {}]
    assert nothing[1] == {}
    assert len(nothing[[0, 2]]) == len(nothing[1:]) == 2
    assert len(Batch.concat([nothing, nothing])) == 6
    assert Batch.from_rows([{}, {}]) == Batch(length=2)
    with pytest.raises(SchemaError, match="a length of 3 is asked for, but the columns have 1 rows"):
        Batch({"x": [1]}, length=3)


def test_from_rows_refuses_what_is_no_mapping() -> None:
    with pytest.raises(KindError, match="row 1 is a tuple"):
        Batch.from_rows([{"a": 1}, (1,)])  # type: ignore[list-item]
    assert Batch.from_rows([]) == Batch()


@pytest.mark.parametrize(("key", "method"), [("__setitem__", "with_columns"), ("__delitem__", "drop")])
def test_changing_columns_in_place_points_to_the_method(key: str, method: str) -> None:
    with pytest.raises(TypeError, match=f"make a new one: batch.{method}"):
        getattr(XY, key)(*(["x", [1, 2, 3]] if key == "__setitem__" else ["x"]))
    with pytest.raises(TypeError, match="unhashable"):
        hash(XY)


def test_columns_are_selected_dropped_and_renamed() -> None:
    assert list(XY.select("y", "x")) == ["y", "x"]
    assert list(XY.drop("x")) == ["y"]
    assert list(XY.rename({"x": "y", "y": "x"})) == ["y", "x"]
    assert XY.rename({"x": "z"})["z"] is XY["x"]
    assert len(XY.drop("x", "y")) == len(XY.select()) == 3


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda: XY.select("z"), ColumnError, "no column 'z'"),
        (lambda: XY.select(["x"]), KindError, "one by one"),  # type: ignore[arg-type]
        (lambda: XY.drop("xx"), ColumnError, "Did you mean 'x'"),
        (lambda: XY.rename({"z": "a"}), ColumnError, "no column 'z'"),
        (lambda: XY.rename({"x": "y"}), SchemaError, "two columns would be named 'y'"),
        (lambda: XY.rename({"x": ""}), SchemaError, "empty"),
        (lambda: XY.with_columns(z=[1]), SchemaError, "column 'z' has 1 rows, the batch has 3"),
        (lambda: XY.with_columns({"": [1, 2, 3]}), SchemaError, "empty"),
        (lambda: XY.merge(XY), SchemaError, "both batches have 'x', 'y'; rename or drop"),
        (lambda: XY.merge(Batch({"z": [1]})), SchemaError, "cannot merge 1 rows with 3"),
        (lambda: XY.map(lambda column: column[:1]), SchemaError, "column 'x' has 1 rows, the batch has 3"),
    ],
)
def test_changes_that_cannot_be_meant_are_refused(
    change: Callable[[], Batch], error: type[HeadraceError], match: str
) -> None:
    with pytest.raises(error, match=match):
        change()


def test_columns_are_added_replaced_and_merged() -> None:
    more = XY.with_columns({"x": [0, 0, 0]}, z=["a", "b", "c"])
    assert list(more) == ["x", "y", "z"]
    assert more["x"].tolist() == [0, 0, 0]
    assert list(XY) == ["x", "y"]
    assert XY.merge(Batch({"z": [7, 8, 9]}))[0] == {"x": 10, "y": 1.0, "z": 7}
    assert len(Batch().with_columns(x=[1, 2])) == 2


def test_map_applies_a_function_to_each_column() -> None:
    assert XY.map(lambda column: column.astype(np.float32))["x"].dtype == np.float32


@pytest.mark.parametrize(
    ("added", "rows"),
    [
        ({"x": 40, "y": 4.0}, [{"x": 40, "y": 4.0}]),
        ([{"x": 40, "y": 4}, {"y": 5, "x": 50}], [{"x": 40, "y": 4.0}, {"x": 50, "y": 5.0}]),
        (Batch({"x": [40], "y": [4.0]}), [{"x": 40, "y": 4.0}]),
        ([], []),
    ],
)
def test_append_gives_a_new_batch_with_the_rows_added(added: Any, rows: list[Mapping[str, Any]]) -> None:
    longer = XY.append(added)
    assert longer.rows() == [*XY.rows(), *rows]
    assert longer["x"].dtype == np.int64
    assert longer["y"].dtype == np.float64
    assert len(XY) == 3


def test_append_begins_from_nothing() -> None:
    assert Batch().append({"x": 1}) == Batch({"x": [1]})
    assert Batch().append([{"x": 1}, {"x": 2}]) == Batch({"x": [1, 2]})


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"x": "a", "y": 1.0}, "column 'x': expected int64, got str 'a'"),
        ({"x": None, "y": 1.0}, "column 'x': expected int64, got NoneType None"),
        ({"x": [1, 2], "y": 1.0}, r"column 'x': expected int64, got int64\[2\]"),
        ({"x": {"a": 1}, "y": 1.0}, "column 'x': expected int64, got {a: int64}"),
        ({"x": 1}, "a row to add has columns 'x'; there are columns 'x', 'y'"),
    ],
)
def test_append_refuses_a_row_that_does_not_fit_naming_the_column(row: Any, match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        XY.append(row)


def test_concat_promotes_numbers_and_names_the_column_that_cannot_be_joined() -> None:
    joined = Batch.concat([Batch({"x": np.array([1], np.int8)}), Batch({"x": [0.5]})])
    assert joined["x"].dtype == np.float64
    with pytest.raises(SchemaError, match=r"column 'x': .*single values"):
        Batch.concat([XY, Batch({"x": [[1]], "y": [1.0]})])


@pytest.mark.parametrize("make", [np.zeros, lambda n: Ragged(np.zeros(n), np.arange(n + 1))])
def test_pickling_a_slice_carries_the_slice_only(make: Callable[[int], Any]) -> None:
    batch = Batch({"x": make(100_000), "nested": {"y": make(100_000)}})
    assert len(pickle.dumps(batch[10:20])) < 2_000


def test_a_table_shows_names_types_and_rows_from_both_ends() -> None:
    batch = Batch({"image": np.zeros((1797, 8, 8), np.uint8), "label": np.arange(1797), "name": ["x"] * 1797})
    lines = repr(batch).splitlines()
    assert lines[0] == "Batch: 1,797 rows"
    assert lines[1].split() == ["image", "label", "name"]
    assert lines[2].split() == ["uint8[8,", "8]", "int64", "string"]
    assert lines[3].split()[0] == "0"
    assert lines[8] == "..."
    assert lines[-1].split() == ["1796", "[[0,", "0,", "0,", "0,", "...],", "...]", "1796", "'x'"]
    assert len(lines) == 14


def test_a_table_cuts_what_is_long_and_names_what_is_left_out() -> None:
    batch = Batch({f"column_{at}": ["a\nb" * 1000] for at in range(30)})
    lines = repr(batch).splitlines()
    assert max(map(len, lines)) <= 120
    assert lines[0] == "Batch: 1 row"
    assert lines[-1].startswith("and 27 more columns: column_3, column_4")
    assert len(lines) == 5


@given(any_batch(most=15))
def test_every_batch_can_be_shown(batch: Batch) -> None:
    assert repr(batch).startswith("Batch: ")
    assert batch._repr_html_().startswith("<table>")


def test_html_escapes_names_and_values() -> None:
    html = Batch({"<b>": ["<script>alert(1)</script>"], "a&b": [1]})._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    assert "a&amp;b" in html
