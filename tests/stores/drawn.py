"""Batches of every kind of column, drawn by Hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import DrawFn, SearchStrategy

from headrace.core.batch import Batch
from headrace.core.columns import Column, objects
from headrace.core.fields import Fields
from headrace.core.ragged import Ragged
from headrace.core.records import Columns
from headrace.core.schema import Structure

DTYPES: SearchStrategy[np.dtype[Any]] = st.sampled_from(
    [
        *map(np.dtype, ("u1", "i8", ">i4", "f2", "f4", "f8", ">f8", "c16", "?", "M8[ns]", "m8[s]", "<U3", "S2")),
        np.dtype([("a", "i4"), ("b", "u2", (2,))]),
    ]
)
NUMBERS: SearchStrategy[np.dtype[Any]] = st.sampled_from([np.dtype(code) for code in ("u1", "i8", ">i4", "f4", "?")])
NAMES = st.text(min_size=1, max_size=4) | st.sampled_from(["a", "A", "a.values", "a.offsets", "../a", "a/b", "."])


@st.composite
def columns(draw: DrawFn, rows: int, depth: int = 1) -> Column:
    """A column of any kind."""
    kind = draw(st.sampled_from(["dense", "ragged", "string", "bytes", *(["batch", "tuple"] if depth else [])]))
    if kind == "dense":
        item = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
        return draw(hnp.arrays(draw(DTYPES), (rows, *item)))
    if kind == "ragged":
        lengths = draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows))
        item = draw(hnp.array_shapes(min_dims=0, max_dims=1, max_side=2))
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        return Ragged(draw(hnp.arrays(draw(NUMBERS), (sum(lengths), *item))), offsets)
    if kind == "batch":
        return draw(batches(rows, depth - 1))
    if kind == "tuple":
        fields = draw(st.integers(1, 3))
        return Fields._of({str(place): draw(columns(rows, depth - 1)) for place in range(fields)}, rows)
    values: SearchStrategy[Any] = st.binary(max_size=5) if kind == "bytes" else st.text(max_size=5)
    return objects(draw(st.lists(values, min_size=rows, max_size=rows)))


@st.composite
def batches(draw: DrawFn, rows: int, depth: int = 1) -> Batch:
    """Some columns of one length."""
    names = draw(st.lists(NAMES, unique=True, max_size=4))
    return Batch({name: draw(columns(rows, depth)) for name in names}, rows)


@st.composite
def records(draw: DrawFn, least: int = 0) -> Columns:
    """Records of any structure."""
    rows = draw(st.integers(least, 7))
    structures: list[Structure] = ["mapping", "tuple", "value"]
    structure = draw(st.sampled_from(structures))
    if structure == "mapping":
        return Columns(draw(batches(rows)), "mapping")
    fields = 1 if structure == "value" else draw(st.integers(0, 3))
    names = ["value"] if structure == "value" else [str(place) for place in range(fields)]
    return Columns(Batch({name: draw(columns(rows)) for name in names}, rows), structure)
