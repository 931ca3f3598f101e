"""Records stacked as they are made are what stacking all of them together gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.core.records import Rows, stacked, to_columns
from headrace.core.stacker import Stacker

DTYPES = st.sampled_from(["uint8", "float32", "int64", "bool", ">i4", "datetime64[s]", "complex64"])
ARRAYS = st.builds(
    lambda shape, dtype, fill: np.full(shape, fill, dtype),
    st.sampled_from([(2048,), (64, 64), (2048, 0), (3,), ()]),
    DTYPES,
    st.integers(0, 1),
)
SINGLES = st.sampled_from([1, 2.5, True, "text", b"bytes", np.float32(3), None, 2**70, [1, 2], {"inner": 1}])
VALUES = ARRAYS | SINGLES
LIKE = st.builds(lambda number: np.full((64, 64), number, np.float32), st.integers(0, 9))


def records(field: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a record of each structure."""
    return st.one_of(
        st.fixed_dictionaries({"x": LIKE, "y": field}),
        st.fixed_dictionaries({"y": field, "x": LIKE}),
        st.tuples(LIKE, field),
        st.tuples(LIKE, field, field),
        LIKE,
        field,
    )


def outcome(make: Any) -> Any:
    """Return what a call gives, or the words of its error."""
    try:
        return make()
    except hr.HeadraceError as error:
        return str(error)


def by_stacker(rows: list[Any]) -> Any:
    """Stack rows one by one, and those that are not like the first as a map does it."""
    stacker = Stacker.of(len(rows), rows[0], np.empty)
    if stacker is None:
        return stacked(rows)
    for place, row in enumerate(rows):
        if not stacker.add(row):
            return to_columns(Rows([*stacker.records(), *rows[place:]]))
    return stacker.columns()


@settings(max_examples=300)
@given(
    rows=st.lists(records(VALUES), min_size=1, max_size=5) | st.lists(st.tuples(LIKE, VALUES), min_size=2, max_size=5)
)
def test_one_by_one_or_all_together_gives_the_same_columns(rows: list[Any]) -> None:
    together, one_by_one = outcome(lambda: stacked(rows)), outcome(lambda: by_stacker(rows))
    if isinstance(together, str):
        assert one_by_one == together
        return
    assert one_by_one.structure == together.structure
    assert one_by_one.batch == together.batch
    assert list(one_by_one.batch) == list(together.batch)


@pytest.mark.parametrize("workers", [0, hr.Threads(2)])
def test_a_map_that_fills_one_array_again_and_again_gives_what_it_held_each_time(workers: Any) -> None:
    def make() -> Any:
        buffer = np.empty((64, 64), np.float32)

        def fill(number: int) -> Any:
            buffer[:] = number
            return {"x": buffer, "n": number}

        return fill

    ds = hr.Dataset(range(9)).shuffle(0).map(make()).batch(4)
    for batch in ds.stream(workers=hr.Threads(1) if workers else 0):
        assert (batch["x"] == batch["n"][:, None, None]).all()


def test_records_that_change_their_shape_in_the_middle_become_ragged_as_ever() -> None:
    ds = hr.Dataset(range(4)).map(lambda n: {"x": np.full((1000 + n // 2, 2), n, np.float32)}).batch(4)
    column = ds[0]["x"]
    assert column.lengths.tolist() == [1000, 1000, 1001, 1001]
    assert [float(row[0, 0]) for row in column] == [0, 1, 2, 3]
