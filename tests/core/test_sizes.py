"""How much memory values take, and how many records a batch holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace import Batch, Ragged
from headrace.core.sizes import nbytes_of, records_in


@pytest.mark.parametrize(
    ("value", "nbytes"),
    [
        (np.zeros((3, 4)), 96),
        (np.zeros((0, 4)), 0),
        ({"a": np.zeros(2), "b": (np.zeros(3, np.uint8), [np.zeros(1)])}, 16 + 3 + 8),
        (Batch({"a": np.zeros(2), "b": {"c": np.zeros((2, 5), np.uint8)}}), 26),
        (Ragged.from_rows([np.zeros(3), np.zeros(1)]), 4 * 8 + 3 * 8),
        ([np.zeros(10)] * 100, 8000),
        ((), 0),
        ([], 0),
        ({}, 0),
    ],
)
def test_arrays_count_exactly(value: Any, nbytes: int) -> None:
    assert nbytes_of(value) == nbytes


@pytest.mark.parametrize("value", [3, None, 2.5, "x", b"x", object(), np.float32(1), {1, 2}, np.array(["a"], object)])
def test_other_things_count_something(value: Any) -> None:
    assert 0 < nbytes_of(value) < 1000


def test_a_long_list_is_estimated_from_some_and_text_by_its_length() -> None:
    assert nbytes_of(["x" * 1000] * 500) == pytest.approx(500 * 1064, rel=0.01)
    assert nbytes_of(b"x" * 10_000) > 10_000


@pytest.mark.parametrize(
    ("value", "records"),
    [
        (np.zeros((5, 2)), 5),
        (np.array(3.0), 1),
        ((np.zeros(4), np.zeros(4)), 4),
        ({"a": np.zeros(6), "b": np.zeros(6)}, 6),
        (Batch({"a": np.zeros(3)}), 3),
        ([1, 2, 3], 3),
        ("text", 1),
        (b"text", 1),
        (7, 1),
        (None, 1),
        ((), 0),
        ({}, 0),
    ],
)
def test_records_of_a_batch_are_its_rows(value: Any, records: int) -> None:
    assert records_in(value) == records
