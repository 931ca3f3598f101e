"""Items as items of tensors: what becomes one, what stays, what is refused."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.errors import SchemaError
from headrace.core.fields import Fields
from headrace.core.ragged import Ragged
from headrace.feeds.convert import to_tensors

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def converted(item: Any, plain: bool = False) -> Any:
    return to_tensors(item, lambda tensor: tensor, plain)


class Pair(NamedTuple):
    left: Any
    right: Any


def test_a_batch_becomes_a_batch_that_shares_its_memory_and_keeps_text_and_objects() -> None:
    x, words = np.arange(6.0).reshape(3, 2), np.array(["a", "b", None], object)
    batch = converted(Batch({"x": x, "words": words, "flag": np.array([True, False, True])}))
    assert type(batch) is Batch
    assert batch["x"].data_ptr() == x.ctypes.data
    assert batch["words"] is words
    assert batch["flag"].dtype == torch.bool
    batch["x"][0, 0] = 7
    assert x[0, 0] == 7


def test_for_frameworks_a_batch_becomes_a_dict_and_tuples_within_it_tuples() -> None:
    nested = Batch({"box": Batch({"left": [1, 2]}), "pair": Fields.over([np.zeros(2), np.ones(2)])})
    made = converted(nested, plain=True)
    assert type(made) is dict
    assert made["box"]["left"].tolist() == [1, 2]
    assert type(made["pair"]) is tuple
    assert made["pair"][1].tolist() == [1, 1]
    kept = converted(nested)
    assert type(kept["box"]) is Batch
    assert isinstance(kept["pair"][1], torch.Tensor)


def test_containers_keep_their_kinds() -> None:
    made = converted((Pair(np.ones(1), "text"), [np.zeros(2), None], OrderedDict(x=np.uint8(3))))
    assert type(made[0]) is Pair
    assert made[0].left.tolist() == [1]
    assert made[0].right == "text"
    assert made[1][0].shape == (2,)
    assert made[1][1] is None
    assert made[2]["x"].dtype == torch.uint8
    assert made[2]["x"].shape == ()


@pytest.mark.parametrize("item", [1, 2.5, True, "text", b"bytes", None, np.str_("x"), np.array(["a"])], ids=repr)
def test_what_is_no_number_of_an_array_stays_as_it_is(item: Any) -> None:
    assert converted(item) is item


def test_arrays_that_cannot_be_shared_are_copied() -> None:
    still = np.arange(3)
    still.flags.writeable = False
    made = converted((still, np.arange(3)[::-1], np.arange(3, dtype=">i4")))
    assert [one.tolist() for one in made] == [[0, 1, 2], [2, 1, 0], [0, 1, 2]]
    made[0][0] = 9
    assert still[0] == 0


REFUSED: dict[str, tuple[Any, str]] = {
    "ragged": (Batch({"text": Ragged.from_rows([[1], [2, 3]])}), r"column 'text': torch has no ragged rows: .*pad=0"),
    "ragged in a tuple": ((np.zeros(1), Ragged.from_rows([[1]])), r"column '1': torch has no ragged rows"),
    "times": (Batch({"when": np.array(["2020-01-01"], "M8[D]")}), r"column 'when': torch has no datetime64"),
    "one time": ({"when": np.datetime64("2020-01-01")}, r"column 'when': torch has no datetime64"),
    "within": ({"a": {"b": [Ragged.from_rows([[1]])]}}, r"column 'a': column 'b': torch has no ragged"),
}


@pytest.mark.parametrize(("item", "says"), REFUSED.values(), ids=REFUSED)
def test_what_torch_has_no_dtype_for_is_refused_with_its_place_and_the_mend(item: Any, says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        converted(item)


@given(
    shape=st.lists(st.integers(0, 4), max_size=3),
    dtype=st.sampled_from(["u1", "i2", "i8", "f2", "f4", "f8", "?", "c8", ">f4"]),
    step=st.sampled_from([1, 2, -1]),
)
def test_values_and_shapes_are_kept(shape: list[int], dtype: str, step: int) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    array = array[::step] if array.ndim else array
    made = converted(array)
    assert made.shape == array.shape
    np.testing.assert_array_equal(made.numpy(), array)
