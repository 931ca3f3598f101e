"""Copies that may be written to, and the signs by which reuse is noticed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace import Batch
from headrace.core.owning import all_owned, holds_objects, own_objects, owned, share


class Picture:
    """Something whose copy only its maker could make."""


def test_writing_anywhere_into_a_copy_leaves_the_original() -> None:
    record: dict[str, Any] = {"image": np.zeros(2), "tags": ["a", ["b"]], "pair": (np.zeros(1), {"deep": [1]}), "n": 3}
    copy = owned(record)
    copy["image"] += 1
    copy["tags"][1].append("c")
    copy["pair"][0][:] = 5
    copy["pair"][1]["deep"].clear()
    copy["new"] = 1
    assert record["image"].tolist() == [0, 0]
    assert record["tags"] == ["a", ["b"]]
    assert record["pair"][0].tolist() == [0]
    assert record["pair"][1] == {"deep": [1]}
    assert list(record) == ["image", "tags", "pair", "n"]


def test_a_tensor_is_copied() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(2)
    owned({"x": tensor})["x"].add_(1)
    assert tensor.tolist() == [0, 0]


def test_objects_of_other_classes_are_shared() -> None:
    picture = Picture()
    assert owned(picture) is picture
    assert owned([picture])[0] is picture
    assert owned({"x": picture})["x"] is picture


def test_plain_values_are_handed_on() -> None:
    assert all_owned(["a", None, 1.5]) == ["a", None, 1.5]
    assert all_owned([]) == []
    assert owned((1, "a")) == (1, "a")


def test_columns_of_text_are_not_copied_and_those_of_arrays_are() -> None:
    texts = np.array(["a", "b"], object)
    assert own_objects(texts) is texts
    image = np.zeros((2, 2))
    column = np.empty(2, object)
    column[0], column[1] = image, "text"
    own_objects(column)[0][:] = 1
    assert not image.any()
    assert own_objects(column.reshape(2, 1)).shape == (2, 1)
    assert own_objects(np.empty((0, 3), object)).shape == (0, 3)


def test_columns_of_objects_are_told_apart() -> None:
    assert holds_objects(np.array([None]))
    assert holds_objects(Batch({"x": {"y": np.array([None])}}))
    assert holds_objects(np.zeros(1, [("a", object)]))
    assert not holds_objects(Batch({"x": [1]}))
    assert not holds_objects(np.zeros(2))


def test_what_is_held_twice_is_noticed_if_it_can_be_written_to() -> None:
    array, other = np.zeros(2), np.zeros(2)
    assert share([array, other, array])
    assert share([{"x": array}, {"x": array}])
    assert share([(1, array), (2, array)])
    same: dict[str, int] = {}
    assert share([same, same])
    assert not share([array, other])
    assert not share(["a", "a", 1, 1, None, None])
    assert not share([(1, "a"), (1, "a")])
    assert not share([Picture()])
    assert not share([])
