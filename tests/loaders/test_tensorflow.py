"""tf.data, beside what TensorFlow gives by itself."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.core.batch import Batch
from headrace.loaders.find import records_of
from tests.loaders.trip import check_all, check_trip

pytestmark = pytest.mark.frameworks

Pair = namedtuple("Pair", "left right")  # as users write it


@pytest.fixture(scope="module")
def tf() -> Any:
    with warnings.catch_warnings():  # what its own modules give while they load
        warnings.simplefilter("ignore")
        return pytest.importorskip("tensorflow")


def slices(tf: Any, data: Any) -> Any:
    return tf.data.Dataset.from_tensor_slices(data)


def numbered(tf: Any, function: Callable[[Any], Any], count: int = 7) -> Any:
    return tf.data.Dataset.range(count).map(function)


KEPT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "images": (
        lambda tf: numbered(tf, lambda i: (tf.cast(tf.fill((8, 8, 3), i), tf.uint8), i)),
        "(uint8[8, 8, 3], int64)",
    ),
    "large images": (
        lambda tf: numbered(tf, lambda i: {"x": tf.cast(tf.fill((200, 200, 3), i), tf.uint8), "y": i}),
        "{x: uint8[200, 200, 3], y: int64}",
    ),
    "large batches": (
        lambda tf: numbered(tf, lambda i: (tf.fill((64, 64), i), i), 21).batch(7),
        "(int64[7, 64, 64], int64[7])",
    ),
    "large batches, the last one short": (
        lambda tf: numbered(tf, lambda i: (tf.fill((64, 64), i), i), 23).batch(7),
        "(int64[?, 64, 64], int64[?])",
    ),
    "a single value": (lambda tf: slices(tf, np.arange(7, dtype=np.int16)), "int16"),
    "dtypes": (
        lambda tf: slices(
            tf,
            {name: tf.cast(np.arange(7) % 2, name) for name in ("bool", "float16", "uint64", "float64", "complex64")},
        ),
        "{bool: bool, float16: float16, uint64: uint64, float64: float64, complex64: complex64}",
    ),
    "nesting": (
        lambda tf: slices(
            tf, ((np.arange(7), (np.ones((7, 2)), {"deep": (np.arange(7), [b"x"] * 7)})), {"of one": (np.arange(7),)})
        ),
        "((int64, (float64[2], {deep: (int64, object)})), {of one: (int64,)})",
    ),
    "mappings": (
        lambda tf: slices(tf, {"z": np.arange(7), "a": {"y": np.arange(7), "b": np.arange(7.0)}}),
        "{z: int64, a: {y: int64, b: float64}}",
    ),
    "strings": (
        lambda tf: slices(tf, {"one": list("abcdefg"), "two": [["a", "ü"]] * 7}),
        "{one: object, two: object[2]}",
    ),
    "ragged": (lambda tf: slices(tf, tf.ragged.constant([[1, 2], [], [3], [], [4, 5, 6], [7], [8]])), "int32[?]"),
    "sequences": (
        lambda tf: numbered(tf, lambda i: {"text": tf.range(i), "rows": tf.zeros((i, 2), tf.float16)}, 300),
        "{text: int64[?], rows: float16[?, 2]}",
    ),
    "shapes that nobody told": (
        lambda tf: numbered(tf, lambda i: (tf.ensure_shape(tf.fill((4, 5, 3), i), (None, None, 3)), tf.range(i))),
        "(int64[4, 5, 3], int64[?])",
    ),
    "heights that differ": (
        lambda tf: numbered(tf, lambda i: tf.ensure_shape(tf.fill((i + 1, 5, 3), i), (None, None, 3))),
        "int64[?, 5, 3]",
    ),
    "an unknown number of axes": (
        lambda tf: tf.data.Dataset.from_generator(
            lambda: (((np.full(3, i), i), b"x" * i) for i in range(7)),
            output_signature=(
                (tf.TensorSpec(None, tf.float32), tf.TensorSpec(None, tf.int32)),
                tf.TensorSpec((), tf.string),
            ),
        ),
        "((float32[3], int32), object)",
    ),
    "batches": (
        lambda tf: slices(tf, (np.ones((7, 2)), list("abcdefg"))).batch(3, True).repeat(2),
        "(float64[3, 2], object[3])",
    ),
    "batches of which the last one is shorter": (lambda tf: numbered(tf, lambda i: i, 20).batch(3), "int64[?]"),
}


@pytest.mark.parametrize(("make", "schema"), KEPT.values(), ids=KEPT)
def test_elements_come_back_as_they_were(tf: Any, tmp_path: Path, make: Callable[[Any], Any], schema: str) -> None:
    check_trip(tmp_path, lambda: make(tf), list(make(tf).as_numpy_iterator()), schema)


def test_named_tuples_become_tuples(tf: Any, tmp_path: Path) -> None:
    data = slices(tf, Pair(np.arange(3), Pair(np.arange(3), {"x": np.arange(3)})))
    ds = hr.Store(tmp_path / "s").submit(data, "data", "1")
    check_all(ds, [(number, (number, {"x": number})) for number in range(3)])


def test_many_elements_are_taken_at_once(tf: Any) -> None:
    found = records_of(numbered(tf, lambda i: (tf.zeros((64, 64, 3), tf.uint8), i), 5000))
    assert found.rows == 5000
    assert [len(block) for block in found.items()] == [1364, 1364, 1364, 908]
    assert records_of(numbered(tf, lambda i: i).filter(lambda i: i > 2)).rows is None


def test_large_elements_are_views_of_what_the_pipeline_made(tf: Any) -> None:
    given = numbered(tf, lambda i: tf.fill((64, 64), i), 12).batch(4)
    blocks = list(records_of(given).items())
    assert [len(block) for block in blocks] == [1, 1, 1]
    assert all(not block.batch["value"].flags.owndata for block in blocks)


def test_no_elements_keep_their_columns(tf: Any, tmp_path: Path) -> None:
    ds = hr.Store(tmp_path / "s").submit(slices(tf, {"x": np.zeros((0, 2)), "s": np.array([], "S1")}), "data", "1")
    assert len(ds) == 0
    assert str(ds.schema) == "{x: float64[2], s: string}"


REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "no end": (lambda tf: slices(tf, [1]).repeat(), hr.EndlessError, r"take\(n\)"),
    "a sparse tensor": (
        lambda tf: slices(tf, {"a": {"b": tf.sparse.from_dense([[1, 0], [0, 2]])}}),
        hr.KindError,
        r"element 'a\.b': .*tf\.sparse\.to_dense",
    ),
    "a window": (lambda tf: slices(tf, [1, 2]).window(2), hr.KindError, "dataset within the dataset"),
    "an optional": (
        lambda tf: tf.data.Dataset.from_tensors(tf.experimental.Optional.from_value(1)),
        hr.KindError,
        "an optional cannot be kept",
    ),
    "bfloat16": (
        lambda tf: slices(tf, {"x": tf.cast([1.0, 2.0], tf.bfloat16)}),
        hr.KindError,
        r"element 'x': NumPy has no bfloat16; .*tf\.float32",
    ),
    "nothing": (lambda tf: slices(tf, (np.arange(2), ())), hr.KindError, "element '1': there is nothing in it"),
    "lists of lists": (
        lambda tf: slices(tf, {"x": tf.ragged.constant([[[1, 2], [3]], [[4]]])}),
        hr.SchemaError,
        r"column 'x': objects of type list .*allow_pickle=True",
    ),
    "two axes that differ": (
        lambda tf: numbered(tf, lambda i: tf.zeros((i + 1, i + 2))),
        hr.SchemaError,
        "objects of type ndarray",
    ),
}


@pytest.mark.parametrize(("make", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_kept_is_named(
    tf: Any, tmp_path: Path, make: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    store = hr.Store(tmp_path / "s")
    with pytest.raises(error, match=message):
        store.submit(make(tf), "data", "1")
    assert store.ids() == []


def test_what_is_no_column_is_kept_where_it_may_be_pickled(tf: Any, tmp_path: Path) -> None:
    store = hr.Store(tmp_path / "s", allow_pickle=True)
    images = store.submit(numbered(tf, lambda i: tf.zeros((i + 1, i + 2))), "images", "1")
    assert [image.shape for image in images] == [(number + 1, number + 2) for number in range(7)]
    lists = store.submit(slices(tf, tf.ragged.constant([[[1, 2], [3]], [[4]], []])), "lists", "1")
    assert list(lists) == [[[1, 2], [3]], [[4]], []]
    with pytest.raises(hr.StoreError, match="allow_pickle=True"):
        list(hr.Store(tmp_path / "s").fetch("lists"))


def test_an_error_in_the_pipeline_is_its_own(tf: Any, tmp_path: Path) -> None:
    broken = numbered(tf, lambda i: tf.debugging.check_numerics(1.0 / tf.cast(5 - i, tf.float32), "one over nothing"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="one over nothing"):
        hr.Store(tmp_path / "s").submit(broken, "data", "1")


def test_a_batch_of_a_store_feeds_a_pipeline_again(tf: Any, tmp_path: Path) -> None:
    ds = hr.Store(tmp_path / "s").submit(slices(tf, {"x": np.arange(6.0)}), "data", "1")
    batch = ds.batch(4)[0]
    assert isinstance(batch, Batch)
    assert list(slices(tf, batch.to_dict()).as_numpy_iterator()) == [{"x": float(number)} for number in range(4)]
