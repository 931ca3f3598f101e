"""Keras datasets, which are asked for batches by number."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from tests.loaders.trip import check_trip

pytestmark = pytest.mark.frameworks

X = np.arange(10 * 4, dtype=np.float32).reshape(10, 2, 2)
Y = np.arange(10, dtype=np.int64) % 3
STARTS = range(0, 10, 4)


@pytest.fixture(scope="module")
def keras() -> Any:
    with warnings.catch_warnings():  # what its own modules, and those of its backend, give while they load
        warnings.simplefilter("ignore")
        return pytest.importorskip("keras")


def dataset(keras: Any, batch: Callable[[slice], Any], count: int | None = 3) -> Any:
    class Numbered(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=2, use_multiprocessing=False)

        @property
        def num_batches(self) -> int | None:
            return count

        def __getitem__(self, number: int) -> Any:
            return batch(slice(4 * number, 4 * number + 4))

    return Numbered()


def pairs(rows: slice) -> Any:
    return X[rows], Y[rows]


def nested(rows: slice) -> Any:
    """Return what a model of several inputs takes: a list of them, a dict of outputs, and weights."""
    return [X[rows], Y[rows]], {"a": Y[rows], "b": (X[rows], X[rows])}, np.ones(len(Y[rows]), np.float16)


ROWS: dict[str, tuple[Callable[[slice], Any], Callable[[int], Any], str]] = {
    "pairs": (pairs, lambda at: (X[at], int(Y[at])), "(float32[2, 2], int64)"),
    "one input": (lambda rows: (X[rows],), lambda at: (X[at],), "(float32[2, 2],)"),
    "an array": (lambda rows: X[rows], lambda at: X[at], "float32[2, 2]"),
    "a dict": (
        lambda rows: {"x": X[rows], "n": list(range(len(Y[rows])))},
        lambda at: {"x": X[at], "n": at % 4},
        "{x: float32[2, 2], n: int64}",
    ),
    "nested": (
        nested,
        lambda at: ((X[at], int(Y[at])), {"a": int(Y[at]), "b": (X[at], X[at])}, np.float16(1)),
        "((float32[2, 2], int64), {a: int64, b: (float32[2, 2], float32[2, 2])}, float16)",
    ),
}


@pytest.mark.parametrize(("batch", "row", "schema"), ROWS.values(), ids=ROWS)
def test_the_rows_of_batches_are_the_records(
    keras: Any, tmp_path: Path, batch: Callable[[slice], Any], row: Callable[[int], Any], schema: str
) -> None:
    check_trip(tmp_path, lambda: dataset(keras, batch), [row(at) for at in range(10)], schema)


def test_batches_are_records_where_they_are_asked_for(keras: Any, tmp_path: Path) -> None:
    records = [pairs(slice(start, start + 4)) for start in STARTS]
    ds = check_trip(tmp_path, lambda: dataset(keras, pairs), records, "(float32[?, 2, 2], int64[?])", batches=True)
    assert [len(labels) for _, labels in ds] == [4, 4, 2]


def test_the_old_kind_that_has_a_length_is_taken_too(keras: Any, tmp_path: Path) -> None:
    class Old(keras.utils.Sequence):  # type: ignore[misc]
        def __len__(self) -> int:
            return 3

        def __getitem__(self, number: int) -> Any:
            return pairs(slice(4 * number, 4 * number + 4))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that super().__init__() was not called
        assert len(hr.Store(tmp_path / "s").submit(Old(), "data", "1")) == 10


def test_tensors_of_the_backend_become_arrays(keras: Any, tmp_path: Path) -> None:
    def batch(rows: slice) -> Any:
        return keras.ops.convert_to_tensor(X[rows]), keras.ops.convert_to_tensor(Y[rows])

    ds = hr.Store(tmp_path / "s").submit(dataset(keras, batch), "data", "1")
    assert str(ds.schema) in ("(float32[2, 2], int64)", "(torch.float32[2, 2], torch.int64)")
    assert int(ds[7][1]) == int(Y[7])


def test_what_cannot_be_kept_is_named(keras: Any, tmp_path: Path) -> None:
    store = hr.Store(tmp_path / "s")
    with pytest.raises(hr.EndlessError, match="num_batches is None"):
        store.submit(dataset(keras, pairs, None), "data", "1")
    with pytest.raises(hr.KindError, match=r"batch 0 of Numbered .* column '2': there is None.*batches=True"):
        store.submit(dataset(keras, lambda rows: (X[rows], Y[rows], None)), "data", "1")
    with pytest.raises(hr.KindError, match=r"batch 2 of Numbered .* '0' has 2, '1' has 3"):
        store.submit(dataset(keras, lambda rows: (X[rows], Y[:3] if rows.start == 8 else Y[rows])), "data", "1")
