"""Batches to and from pandas, Arrow and torch: what comes back, what is shared, what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.columns import objects
from headrace.core.equality import same_values
from headrace.core.errors import KindError, MissingExtraError, SchemaError
from headrace.core.ragged import Ragged
from tests.core import some_columns

ARROW_DTYPES = (
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "float16", "float32", "float64",
    "datetime64[D]", "datetime64[s]", "datetime64[ns]", "timedelta64[ms]",
)  # fmt: skip


def _within_date32(column: Any) -> Any:
    """Return days as 32 bits hold them, and other columns as they are."""
    if column.dtype != "datetime64[D]":
        return column
    days = column.astype(np.int64).astype(np.int32).astype(np.int64).astype("datetime64[D]")
    return np.where(np.isnat(column), column, days)


@st.composite
def arrow_batches(draw: st.DrawFn, depth: int = 1) -> Batch:
    """Return a Batch of whatever Arrow holds exactly."""
    rows = draw(st.integers(0, 4))
    column = st.one_of(
        some_columns.dense(rows, ARROW_DTYPES).map(_within_date32),
        some_columns.ragged(rows, ("int64", "uint8", "bool", "float32", "datetime64[s]")),
        st.lists(st.none() | st.text(max_size=4), min_size=rows, max_size=rows).map(objects),
        st.lists(st.none() | st.binary(max_size=4), min_size=rows, max_size=rows).map(objects),
    )
    named = draw(st.dictionaries(some_columns.NAMES, column, max_size=3))
    if depth:
        named["nested"] = Batch(draw(st.dictionaries(some_columns.NAMES, column, max_size=2)), rows)
    return Batch(named, rows)


@given(arrow_batches())
def test_a_batch_comes_back_from_arrow(batch: Batch) -> None:
    table = batch.to_arrow()
    table.validate(full=True)
    assert table.num_rows == len(batch)
    assert Batch.from_arrow(table) == batch


@given(arrow_batches(), st.integers(0, 4), st.integers(0, 4))
def test_a_sliced_and_a_chunked_table_give_the_same_rows(batch: Batch, start: int, cut: int) -> None:
    table = batch.to_arrow()
    assert Batch.from_arrow(table.slice(start, 2)) == batch[start : start + 2]
    assert Batch.from_arrow(pa.concat_tables([table.slice(0, cut), table.slice(cut)])) == batch


def test_numbers_travel_to_arrow_and_back_without_a_copy() -> None:
    array, images = np.arange(5.0), np.zeros((5, 4, 3), np.uint8)
    text = Ragged(np.arange(5), [0, 1, 1, 3, 4, 5])
    back = Batch.from_arrow(Batch({"x": array, "image": images, "text": text}).to_arrow())
    assert np.shares_memory(back["x"], array)
    assert np.shares_memory(back["image"], images)
    assert np.shares_memory(back["text"].values, text.values)
    assert np.shares_memory(back["text"].offsets, text.offsets)
    assert not back["x"].flags.writeable


def test_the_shape_of_rows_is_arrows_to_see() -> None:
    schema = Batch({"image": np.zeros((2, 4, 3), np.uint8), "text": Ragged.from_rows([[1], []])}).to_arrow().schema
    assert schema.field("image").type == pa.list_(pa.list_(pa.uint8(), 3), 4)
    assert schema.field("text").type == pa.large_list(pa.int64())


def test_arrow_columns_of_other_kinds_come_as_what_is_nearest() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)
    batch = Batch.from_arrow(
        pa.table(
            {
                "list": pa.array([[1, 2], []], pa.list_(pa.int32())),
                "words": pa.array([["a"], []]),
                "category": pa.array(["a", "b"]).dictionary_encode(),
                "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(images),
                "zoned": pa.array([0, 1], pa.timestamp("s", tz="Europe/Berlin")),
                "decimal": pa.array([1, 2], pa.decimal128(5, 2)),
                "nothing": pa.nulls(2),
                "dicts": pa.array([[{"a": 1}], []]),
                "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
                "large": pa.array(["x", None], pa.large_string()),
            }
        )
    )
    assert batch["list"] == Ragged(np.array([1, 2], np.int32), [0, 2, 2])
    assert batch["words"].tolist() == [["a"], []]
    assert batch["category"].tolist() == ["a", "b"]
    assert np.array_equal(batch["tensor"], images)
    assert batch["zoned"].dtype == "datetime64[s]"
    assert [str(value) for value in batch["decimal"]] == ["1.00", "2.00"]
    assert batch["nothing"].tolist() == [None, None]
    assert batch["dicts"].tolist() == [[{"a": 1}], []]
    assert batch["map"].tolist() == [[("k", 1)], []]
    assert batch["large"].tolist() == ["x", None]


def test_missing_values_are_nan_nat_and_none_where_there_is_such_a_sign() -> None:
    table = pa.table({"x": [1.5, None], "t": pa.array([1, None], pa.timestamp("s")), "s": ["a", None]})
    batch = Batch.from_arrow(table)
    assert np.isnan(batch["x"]).tolist() == np.isnat(batch["t"]).tolist() == [False, True]
    assert batch["s"].tolist() == ["a", None]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None]),
        pa.array([True, None]),
        pa.array([[1], None]),
        pa.array([[1, None]]),
        pa.array([{"a": 1}, None]),
        pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
        pa.array([1, None]).dictionary_encode(),
    ],
)
def test_missing_values_without_such_a_sign_are_refused_by_name(column: Any) -> None:
    with pytest.raises(SchemaError, match="column 'x': 1 values are missing"):
        Batch.from_arrow(pa.table({"x": column}))


@pytest.mark.parametrize(
    "column", [np.zeros(1, "complex128"), np.zeros(1, "datetime64[h]"), objects([1, "a"]), np.zeros(1, "i4,f4")]
)
def test_what_arrow_has_no_type_for_is_refused_by_name(column: Any) -> None:
    with pytest.raises(SchemaError, match="column 'nested': column 'x': Arrow has no type"):
        Batch({"nested": {"x": column}}).to_arrow()


def test_days_that_arrow_would_cut_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"column 'x': .*use \.astype\('datetime64\[s\]'\) first"):
        Batch({"x": np.array([2**31], "datetime64[D]")}).to_arrow()


def test_arrow_takes_text_and_numbers_of_any_layout() -> None:
    back = Batch.from_arrow(
        Batch({"u": np.array(["a", "bc"]), "s": np.array([b"a", b"bc"]), "e": np.array([1, 2], ">i4")}).to_arrow()
    )
    assert back["u"].tolist() == ["a", "bc"]
    assert back["s"].tolist() == [b"a", b"bc"]
    assert back["e"].dtype == np.dtype("int32")
    strided = np.arange(12.0).reshape(3, 4)[:, ::2]
    assert Batch.from_arrow(Batch({"x": strided}).to_arrow())["x"].tolist() == strided.tolist()


def test_from_arrow_takes_record_batches_and_what_exports_a_stream() -> None:
    batch = Batch({"x": [1, 2]})

    class Frame:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return batch.to_arrow().__arrow_c_stream__(requested_schema)

    assert Batch.from_arrow(batch.to_arrow().to_batches()[0]) == Batch.from_arrow(Frame()) == batch
    with pytest.raises(KindError, match="got list"):
        Batch.from_arrow([1])
    with pytest.raises(SchemaError, match="two columns of the table are named 'x'"):
        Batch.from_arrow(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"]))


@given(st.integers(0, 4).flatmap(lambda rows: some_columns.batches(rows, depth=0)))
def test_rows_come_back_from_pandas(batch: Batch) -> None:
    frame = batch.to_pandas()
    assert len(frame) == len(batch)
    assert list(frame.columns) == list(batch)
    back = Batch.from_pandas(frame)
    assert list(back) == list(batch)
    plain = [{name: np.asarray(value).tolist() for name, value in row.items()} for row in batch.rows()]
    assert same_values([{n: np.asarray(v).tolist() for n, v in row.items()} for row in back.rows()], plain)


@pytest.mark.parametrize(
    "column",
    [
        np.arange(3, dtype=np.uint8),
        np.array([1.5, np.nan, 2], np.float32),
        np.array([True, False, True]),
        np.array([1, 2, 3], "datetime64[ms]"),
        np.arange(12.0).reshape(3, 2, 2),
        Ragged.from_rows([[1], [2, 3], []]),
        objects(["a", None, "c"]),
    ],
)
def test_columns_come_back_from_pandas_exactly(column: Any) -> None:
    batch = Batch({"x": column})
    assert Batch.from_pandas(batch.to_pandas()) == batch


def test_pandas_shares_numbers() -> None:
    array = np.arange(5.0)
    frame = Batch({"x": array}).to_pandas()
    assert np.shares_memory(frame["x"].to_numpy(), array)
    assert np.shares_memory(Batch.from_pandas(frame)["x"], array)


def test_nested_columns_stand_beside_the_others_in_pandas() -> None:
    frame = Batch({"a": [1], "b": {"c": [2], "d": {"e": ["x"]}}}).to_pandas()
    assert frame.to_dict("records") == [{"a": 1, "b.c": 2, "b.d.e": "x"}]
    with pytest.raises(SchemaError, match=r"two columns of the DataFrame would be named 'a\.b'"):
        Batch({"a": {"b": [1]}, "a.b": [2]}).to_pandas()
    assert len(Batch(length=3).to_pandas()) == 3


def test_pandas_own_types_come_as_numpys() -> None:
    frame = pd.DataFrame(
        {
            "text": pd.Series(["a", None], dtype="string"),
            "str": pd.Series(["a", None], dtype="str"),
            "category": pd.Categorical(["a", "b"]),
            "numbers": pd.Categorical([3, 4]),
            "nullable": pd.Series([1, 2], dtype="Int32"),
            "nullable_float": pd.Series([1.5, None], dtype="Float32"),
            "zoned": pd.Series(pd.to_datetime(["2020-01-01T00:00+01:00", "2020-01-01T00:00+01:00"])),
            "arrow": pd.Series([1, 2], dtype=pd.ArrowDtype(pa.int16())),
        }
    )
    frame.index = pd.Index([5, 6])
    batch = Batch.from_pandas(frame)
    assert batch["text"].tolist() == batch["str"].tolist() == ["a", None]
    assert batch["category"].tolist() == ["a", "b"]
    assert batch["numbers"].dtype == np.int64
    assert batch["nullable"].dtype == np.int32
    assert batch["nullable_float"].dtype == np.float32
    assert np.isnan(batch["nullable_float"]).tolist() == [False, True]
    assert str(batch["zoned"][0]).startswith("2019-12-31T23:00")
    assert batch["arrow"].dtype == np.int16


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (
            lambda: pd.DataFrame({"x": pd.Series([1, None], dtype="Int64")}),
            SchemaError,
            "column 'x': 1 values are missing",
        ),
        (lambda: pd.DataFrame({"x": pd.Series([True, None], dtype="boolean")}), SchemaError, "1 values are missing"),
        (lambda: pd.DataFrame({"x": pd.Categorical([1, None])}), SchemaError, "1 values are missing"),
        (lambda: pd.DataFrame([[1, 2]], columns=["x", "x"]), SchemaError, "two columns of the DataFrame are named 'x'"),
        (lambda: pd.DataFrame([[1, 2]]), KindError, "columns are named by text, not by 0"),
    ],
)
def test_frames_that_are_no_batch_are_refused(make: Callable[[], Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Batch.from_pandas(make())


def test_pandas_has_no_records() -> None:
    with pytest.raises(SchemaError, match="column 'x': pandas cannot hold"):
        Batch({"x": np.zeros(1, "i4,f4")}).to_pandas()


@pytest.mark.parametrize(
    ("package", "extra", "use"),
    [
        ("pandas", "pandas", lambda: Batch().to_pandas()),
        ("pandas", "pandas", lambda: Batch.from_pandas(pd.DataFrame())),
        ("pyarrow", "arrow", lambda: Batch().to_arrow()),
        ("pyarrow", "arrow", lambda: Batch.from_arrow(None)),
        ("torch", "torch", lambda: Batch().to_torch()),
    ],
)
def test_a_missing_package_is_answered_with_its_extra(
    package: str, extra: str, use: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=rf'pip install "headrace\[{extra}\]"'):
        use()


def test_columns_of_other_libraries_are_taken_as_columns() -> None:
    table = pa.table({"words": [[1], [2, 3]], "n": [1, 2]})
    batch = Batch({"a": pd.Series([1, 2], dtype="Int8"), "b": table["words"], "c": table, "d": table.to_pandas()})
    assert batch["a"].dtype == np.int8
    assert batch["b"] == Ragged.from_rows([[1], [2, 3]])
    assert batch["c"] == batch["d"] == Batch({"words": batch["b"], "n": [1, 2]})
    assert Batch({"a": pa.array(["x"]), "b": pa.RecordBatch.from_pydict({"y": [1]})})[0] == {"a": "x", "b": {"y": 1}}
    with pytest.raises(SchemaError, match="1 values are missing"):
        Batch({"a": pd.Series([1, None], dtype="Int8")})
