"""Batches, tuples and the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.compat.pescador import DataError, PescadorError, Streamer, buffer_stream, cache, keras_tuples, tuples

ITEMS = [{"x": np.array([n, n]), "y": n} for n in range(7)]


@given(count=st.integers(0, 12), size=st.integers(1, 5), partial=st.booleans())
def test_batches_hold_all_items_in_order(count: int, size: int, partial: bool) -> None:
    batches = list(buffer_stream([{"x": n} for n in range(count)], size, partial=partial))
    whole = count if partial else count - count % size
    assert [int(x) for batch in batches for x in batch["x"]] == list(range(whole))
    assert all(len(batch["x"]) == size for batch in batches[: count // size])


def test_batches_stand_on_a_new_axis_or_on_one_that_is_there() -> None:
    first = next(buffer_stream(ITEMS, 3))
    assert first["x"].shape == (3, 2) and first["y"].tolist() == [0, 1, 2]
    joined = next(buffer_stream([{"x": item["x"]} for item in ITEMS], 3, axis=0))
    assert joined["x"].tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("partial", [False, True])
def test_items_that_make_no_batch_are_named(axis: int | None, partial: bool) -> None:
    size = 4 if partial else 2
    with pytest.raises(DataError, match="must be mappings"):
        list(buffer_stream([1, 2], size, partial=partial, axis=axis))
    with pytest.raises(DataError, match="column 'x' of 2 items"):
        list(buffer_stream([{"x": np.zeros((2, 2))}, {"x": np.zeros(3)}], size, partial=partial, axis=axis))
    with pytest.raises(KeyError, match="y"):
        list(buffer_stream([{"y": 1}, {"x": 1}], size, partial=partial, axis=axis))


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_an_item_at_least(size: int) -> None:
    with pytest.raises(PescadorError, match="buffer_size"):
        next(buffer_stream(ITEMS, size))


def test_tuples_of_columns() -> None:
    assert list(tuples([{"x": 1, "y": 2}], "y", "x", "y")) == [(2, 1, 2)]
    with pytest.raises(PescadorError, match="needs the names"):
        next(tuples([{"x": 1}]))
    with pytest.raises(DataError, match="got 5"):
        next(tuples([5], "x"))
    with pytest.raises(KeyError, match="y"):
        next(tuples([{"x": 1}], "y"))


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        ("x", None, (1, None)),
        (None, "y", (None, 2)),
        (["x"], "y", ([1], 2)),
        (("x", "y"), [], ([1, 2], None)),
        (iter(["x", "y"]), "x", ([1, 2], 1)),
    ],
)
def test_keras_tuples(inputs: Any, outputs: Any, expected: tuple[Any, Any]) -> None:
    assert list(keras_tuples([{"x": 1, "y": 2}] * 2, inputs, outputs)) == [expected] * 2


def test_keras_tuples_of_nothing_are_refused() -> None:
    with pytest.raises(PescadorError, match="keras_tuples"):
        next(keras_tuples(ITEMS))
    with pytest.raises(DataError, match="got 5"):
        next(keras_tuples([5], "x"))


@given(count=st.integers(0, 30), n_cache=st.integers(1, 8), prob=st.floats(0.05, 1), seed=st.integers(0, 100))
def test_a_cache_begins_in_order_and_gives_all_that_come(count: int, n_cache: int, prob: float, seed: int) -> None:
    given_out = list(cache(range(count), n_cache, prob, random_state=seed))
    assert given_out[:n_cache] == list(range(min(count, n_cache)))
    assert set(given_out) == set(range(count))
    first_seen = list(dict.fromkeys(given_out))
    assert first_seen == sorted(first_seen)
    if prob == 1:
        assert given_out == list(range(count))


def test_how_often_a_cache_asks_for_a_new_item_over_many_seeds() -> None:
    lengths = [len(list(cache(range(100), 4, 0.25, random_state=seed))) - 4 for seed in range(200)]
    assert abs(np.mean(lengths) - 97 / 0.25 + 1) < 5 * np.sqrt(97 * 0.75 / 0.25**2 / 200)


@pytest.mark.parametrize(("n_cache", "prob"), [(0, 0.5), (-1, 0.5), (2, 0), (2, 1.5), (2, float("nan"))])
def test_a_cache_that_cannot_be_meant_is_refused(n_cache: int, prob: float) -> None:
    with pytest.raises(PescadorError):
        next(cache("abc", n_cache, prob))


@pytest.mark.parametrize(
    "again",
    [
        Streamer(buffer_stream, Streamer(ITEMS), 4),
        Streamer(tuples, Streamer(ITEMS), "y"),
        Streamer(keras_tuples, Streamer(ITEMS), "y"),
        Streamer(cache, Streamer(ITEMS), 4, random_state=0),
    ],
)
def test_a_map_can_be_wrapped_in_a_streamer_again(again: Streamer) -> None:
    assert str(list(again)) == str(list(again)) != "[]"
