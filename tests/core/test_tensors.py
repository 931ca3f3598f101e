"""torch tensors as columns, to torch and back."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from headrace.core import columns
from headrace.core.batch import Batch
from headrace.core.builder import BatchBuilder
from headrace.core.errors import KindError, SchemaError
from headrace.core.ragged import Ragged
from headrace.core.schema import Schema

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def test_arrays_travel_to_torch_and_back_without_a_copy() -> None:
    batch = Batch({"image": np.zeros((3, 2, 2), np.uint8), "n": {"label": np.arange(3)}, "id": ["a", "b", "c"]})
    tensors = batch.to_torch()
    assert tensors["image"].dtype == torch.uint8
    tensors["n"]["label"][0] = 7
    assert batch["n"]["label"][0] == 7
    assert tensors["id"] is batch["id"]
    back = Batch.from_torch(tensors)
    assert back == batch
    assert np.shares_memory(back["image"], batch["image"])


def test_what_torch_cannot_share_is_copied_without_a_warning() -> None:
    readonly = np.arange(3)
    readonly.flags.writeable = False
    record = np.zeros(3, "i4,f8")["f1"]
    batch = Batch({"a": readonly, "b": np.arange(3)[::-1], "c": np.arange(3, dtype=">i4"), "d": record})
    tensors = batch.to_torch()
    assert [tensors[name].tolist() for name in "abcd"] == [[0, 1, 2], [2, 1, 0], [0, 1, 2], [0, 0, 0]]
    tensors["a"][0] = 5
    assert readonly[0] == 0


@pytest.mark.parametrize(
    ("column", "match"),
    [
        (np.zeros(1, np.longdouble), "column 'x': torch has no"),
        (np.zeros(1, "datetime64[s]"), r"column 'x': torch has no datetime64\[s\]; convert it first"),
        (Ragged.from_rows([[1]]), "column 'x': torch has no ragged rows; pad them first"),
        ({"y": Ragged.from_rows([[1]])}, "column 'x': column 'y'"),
    ],
)
def test_what_torch_has_no_dtype_for_is_refused_by_name(column: Any, match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        Batch({"x": column}).to_torch()


def test_a_device_is_where_the_tensors_lie() -> None:
    tensors = Batch({"x": [1.0]}).to_torch(device="meta")
    assert tensors["x"].device.type == "meta"
    assert Batch({"x": torch.zeros(2)}).to_torch(device="meta")["x"].device.type == "meta"


def test_from_torch_takes_a_mapping_and_lets_go_of_gradients() -> None:
    batch = Batch.from_torch({"x": torch.ones(2, requires_grad=True), "y": [1, 2], "n": {"z": torch.zeros(2)}})
    assert batch == Batch({"x": np.ones(2, np.float32), "y": [1, 2], "n": {"z": np.zeros(2, np.float32)}})
    with pytest.raises(SchemaError, match=r"column 'x': NumPy has no torch.bfloat16"):
        Batch.from_torch({"x": torch.zeros(2, dtype=torch.bfloat16)})


def test_tensors_are_columns_of_their_own_kind() -> None:
    batch = Batch({"x": torch.arange(6).reshape(3, 2), "y": [1, 2, 3]})
    assert repr(Schema.of(batch)) == "{x: torch.int64[2], y: int64}"
    assert batch[[2, 0]]["x"].tolist() == [[4, 5], [0, 1]]
    assert batch[::-1]["x"].tolist() == [[4, 5], [2, 3], [0, 1]]
    assert batch[1:]["x"].data_ptr() == batch["x"][1:].data_ptr()
    assert Batch.concat([batch[:1], batch[1:]]) == batch
    assert Batch.from_rows(batch.rows()) == batch
    assert batch[0]["x"].tolist() == [0, 1]
    assert columns.size_in_bytes(batch["x"]) == 48
    assert "[0, 1]" in repr(batch)
    assert batch != Batch({"x": torch.arange(6.0).reshape(3, 2), "y": [1, 2, 3]})
    assert Batch({"x": torch.tensor([float("nan")])}) == Batch({"x": torch.tensor([float("nan")])})
    with pytest.raises(KindError, match="single tensor"):
        Batch({"x": torch.tensor(5)})


def test_tensors_that_differ_are_objects_and_cannot_be_joined() -> None:
    assert columns.stack([torch.zeros(2), torch.zeros(3)]).dtype == object
    with pytest.raises(SchemaError, match="differ in shape"):
        columns.concat([torch.zeros(1, 2), torch.zeros(1, 3)])
    with pytest.raises(SchemaError, match="dense and tensor columns cannot be joined"):
        columns.concat([torch.zeros(1), np.zeros(1)])


def test_pickling_a_slice_carries_the_slice_only() -> None:
    batch = Batch({"x": torch.zeros(100_000), "n": {"y": torch.zeros(100_000)}})
    assert len(pickle.dumps(batch[:10])) < 3_000
    assert pickle.loads(pickle.dumps(batch[:10])) == batch[:10]


def test_a_builder_collects_tensors() -> None:
    builder = BatchBuilder()
    row = torch.zeros(2)
    for value in range(3):
        row[:] = value
        builder.append({"x": row})
    assert builder.build()["x"].tolist() == [[0, 0], [1, 1], [2, 2]]
    with pytest.raises(SchemaError, match=r"column 'x': expected torch.float32\[2\], got torch.float32\[3\]"):
        builder.append({"x": torch.zeros(3)})


def test_tensors_go_to_pandas_and_arrow_as_arrays() -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    batch = Batch({"x": torch.arange(3)})
    assert batch.to_pandas()["x"].tolist() == [0, 1, 2]
    assert Batch.from_arrow(batch.to_arrow()) == Batch({"x": [0, 1, 2]})
