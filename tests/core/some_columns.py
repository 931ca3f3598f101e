"""Columns and Batches of every kind, drawn by Hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from headrace.core.batch import Batch
from headrace.core.columns import objects
from headrace.core.ragged import Ragged

DTYPES = ["int64", "float64", "bool", "uint8", "int32", "float32", "complex128", "datetime64[s]", "uint64", "S3"]
NAMES = st.sampled_from(["a", "b", "image", "label", "a.b", "naïve name"])


@st.composite
def dense(draw: st.DrawFn, rows: int, dtypes: tuple[str, ...] = tuple(DTYPES), most_axes: int = 2) -> Any:
    """Return an array of ``rows`` rows."""
    item = draw(st.lists(st.integers(0, 3), max_size=most_axes))
    return draw(npst.arrays(draw(st.sampled_from(dtypes)), (rows, *item)))


@st.composite
def ragged(draw: st.DrawFn, rows: int, dtypes: tuple[str, ...] = ("int64", "float32", "uint8", "bool")) -> Ragged:
    """Return ``rows`` rows of up to 5 values, at times a slice of a longer column."""
    before, behind = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    lengths = draw(st.lists(st.integers(0, 5), min_size=rows + before + behind, max_size=rows + before + behind))
    item = draw(st.sampled_from([(), (2,), (0,)]))
    values = draw(npst.arrays(draw(st.sampled_from(dtypes)), (sum(lengths), *item)))
    return Ragged(values, np.cumsum([0, *lengths]))[before : before + rows]


def strings(rows: int) -> st.SearchStrategy[Any]:
    """Return an object column of text."""
    return st.lists(st.text(max_size=5), min_size=rows, max_size=rows).map(objects)


def mixed(rows: int) -> st.SearchStrategy[Any]:
    """Return an object column of anything."""
    value = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3), st.just({"k": [1, 2]}))
    return st.lists(value, min_size=rows, max_size=rows).map(objects)


def columns(rows: int, depth: int = 1) -> st.SearchStrategy[Any]:
    """Return a column of any kind but a tensor."""
    flat = st.one_of(dense(rows), ragged(rows), strings(rows), mixed(rows))
    return st.one_of(flat, batches(rows, depth - 1)) if depth else flat


def batches(rows: int, depth: int = 1) -> st.SearchStrategy[Batch]:
    """Return a Batch of ``rows`` rows and up to 3 columns of any kind."""
    return st.dictionaries(NAMES, columns(rows, depth), max_size=3).map(lambda named: Batch(named, rows))


def any_batch(least: int = 0, most: int = 5) -> st.SearchStrategy[Batch]:
    """Return a Batch of any length in between."""
    return st.integers(least, most).flatmap(batches)


def some_rows(start: int, stop: int) -> st.SearchStrategy[list[int]]:
    """Return up to 6 row numbers from ``start`` up to but not including ``stop``."""
    return st.lists(st.integers(start, stop - 1), max_size=6) if stop else st.just([])
