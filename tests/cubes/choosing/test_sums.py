"""Summed-area tables beside sums that are taken one by one; each chunk is read once."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.cubes.choosing import stripes as striping
from headrace.cubes.choosing import sums
from headrace.cubes.choosing.keeper import Held
from headrace.cubes.choosing.stripes import elements, stripes
from headrace.cubes.choosing.sums import counts, totals, valid
from tests.cubes.drawn import InChunks, variable

SHAPES = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)


def drawn(shape: tuple[int, ...], seed: int, dtype: str, gaps: float = 0.3) -> Any:
    rng = np.random.default_rng(seed)
    array = rng.integers(-50, 50, shape).astype(dtype)
    if array.dtype.kind == "f":
        array[rng.random(shape) < gaps] = np.nan
    return array


@settings(max_examples=100)
@given(st.data(), SHAPES, st.integers(0, 9), st.sampled_from(["f4", "f8", "i2", "bool"]), st.booleans())
def test_looked_up_sums_are_the_sums(
    data: st.DataObject, shape: tuple[int, ...], seed: int, dtype: str, chunked: bool
) -> None:
    array, names = drawn(shape, seed, dtype), "abcd"[: len(shape)]
    one = variable("v", names, array, [data.draw(st.integers(1, 4)) for _ in shape] if chunked else None)
    dims = sorted(data.draw(st.sets(st.sampled_from(names), min_size=1)))
    low = np.array([[data.draw(st.integers(0, shape[names.index(dim)])) for dim in dims] for _ in range(4)])
    high = np.array(
        [[data.draw(st.integers(at, shape[names.index(dim)])) for at, dim in zip(row, dims)] for row in low]
    )
    table, summed = counts(one, dims, "", Held()), totals(one, dims, "", Held())
    assert table is not None and summed is not None and summed.plain
    found = table.over(low, high)
    added = summed.table.over(low, high) + summed.guess * found
    for number in range(len(low)):
        where = [slice(None)] * len(shape)
        for place, dim in enumerate(dims):
            where[names.index(dim)] = slice(low[number, place], high[number, place])
        window = array[tuple(where)].astype(float)
        assert found[number] == np.isfinite(window).sum()
        assert added[number] == np.nansum(window)  # exact: whole numbers


@pytest.mark.parametrize("dims", ["t", "ty", "y", "xt"])
@pytest.mark.parametrize("small, large", [(32 << 20, 512 << 20), (1, 512 << 20), (1, 1), (200, 300)])
def test_each_chunk_is_read_once_unless_stripes_are_too_large(
    dims: str, small: int, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(striping, "SMALL", small)
    monkeypatch.setattr(striping, "LARGE", large)
    array = drawn((11, 6, 7), 3, "f4")
    one = InChunks("v", ("t", "y", "x"), array, (4, 4, 3))
    table = counts(one, dims, "", Held())
    assert table is not None
    whole = table.values[tuple(-1 for _ in dims)]
    assert whole == np.isfinite(array).sum()
    assert set(one.asked) == {(t, y, x) for t in range(3) for y in range(2) for x in range(3)}
    assert len(one.asked) == len(set(one.asked)) or large < 512 << 20


def test_stripes_are_as_high_as_chunks_or_several_of_them() -> None:
    one = InChunks("v", ("t", "x"), np.zeros((10, 4)), (3, 4))
    assert [(start, stop) for start, stop, _ in stripes(one, 0, 16 << 20)] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert [(start, stop) for start, stop, _ in stripes(one, 0, 8 << 20)] == [(0, 6), (6, 10)]
    assert [(start, stop) for start, stop, _ in stripes(one, 0, 256 << 20)][:3] == [(0, 2), (2, 3), (3, 5)]


def test_means_far_from_zero_lose_little() -> None:
    rng = np.random.default_rng(0)
    array = rng.normal(1e6, 1e-3, (40, 50))
    summed = totals(variable("v", "yx", array), "yx", "", Held())
    assert summed is not None
    low = rng.integers(0, 30, (20, 2))
    means = summed.table.over(low, low + 10) / 100 + summed.guess
    exact = [np.longdouble(array[y : y + 10, x : x + 10]).mean() for y, x in low]
    assert np.abs(means - exact).max() < 1e-9


@pytest.mark.parametrize("odd", [np.inf, -np.inf, 1.7e308])
def test_what_cannot_be_summed_is_noticed(odd: float) -> None:
    array = np.ones((6, 6))
    array[2, 3:5] = odd
    summed = totals(variable("v", "yx", array), "yx", "", Held())
    assert summed is not None and not summed.plain


def test_small_tables_have_small_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    one = variable("v", "x", np.zeros(4))
    table = counts(one, "x", "", Held())
    assert table is not None and table.values.dtype == np.int32
    monkeypatch.setattr(sums, "WIDE", 4)
    table = counts(one, "x", "", Held())
    assert table is not None and table.values.dtype == np.int64


def test_too_large_a_table_is_not_made() -> None:
    one = variable("v", "x", np.zeros(1000))
    assert counts(one, "x", "", Held(100)) is None and totals(one, "x", "", Held(5000)) is None


def test_a_table_is_made_once() -> None:
    one, held = InChunks("v", ("x",), np.zeros(8), (2,)), Held()
    for _ in range(3):
        counts(one, "x", "cube", held)
    assert len(one.asked) == 4
    counts(one, "x", "other cube", held)
    assert len(one.asked) == 8


@settings(max_examples=60)
@given(st.data(), SHAPES, st.booleans())
def test_single_elements(data: st.DataObject, shape: tuple[int, ...], chunked: bool) -> None:
    array = np.arange(prod(shape)).reshape(shape)
    one = variable("v", "abcd"[: len(shape)], array, [data.draw(st.integers(1, 4)) for _ in shape] if chunked else None)
    rows = data.draw(st.lists(st.tuples(*(st.integers(0, length - 1) for length in shape)), max_size=9))
    places = np.array(rows, np.int64).reshape(-1, len(shape))
    assert elements(one, places).tolist() == [array[row] for row in rows]
    if isinstance(one, InChunks):
        assert len(one.asked) == len(set(one.asked))


def test_an_element_of_a_variable_without_dimensions() -> None:
    assert elements(variable("v", (), np.array(3.5)), np.empty((2, 0), np.int64)).tolist() == [3.5, 3.5]


def test_what_is_there() -> None:
    assert valid(np.array([1.0, np.nan, np.inf])).tolist() == [True, False, True]
    assert valid(np.array(["2001-01-01", "NaT"], "M8[ns]")).tolist() == [True, False]
    assert valid(np.array([1, np.nan * 1j])).tolist() == [True, False]
    assert valid(np.array(["a", None, float("nan")], object)).tolist() == [True, False, False]
    assert valid(np.array([True, False])).all()
