"""Which cells windows touch: every window of every small dimension, beside the elements that it reads."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from headrace.core.errors import ArgumentError
from headrace.cubes.axis import Axis
from headrace.cubes.dividing.touching import Counts, reach


@pytest.mark.parametrize("reflect", [False, True])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_the_cells_of_a_window_are_those_of_the_elements_that_it_reads(dilation: int, reflect: bool) -> None:
    for length, size in product(range(1, 10), range(1, 7)):
        try:
            axis = Axis("x", length, size, 1, dilation=dilation, partial="pad")
        except ArgumentError:  # it does not fit
            continue
        for edges in (np.arange(length + 1), *(np.unique([0, cut, length]) for cut in range(1, length))):
            found = reach(axis, edges, reflect)
            starts = np.arange(len(found.low)) + found.first
            assert (starts[0], starts[-1]) == (1 - axis.span, length - 1)
            for row, low, high in zip(axis.positions(starts, reflect), found.low, found.high, strict=True):
                read = {*(np.searchsorted(edges, row[row >= 0], "right") - 1).tolist()}
                assert sorted(read) == sorted(found.cells[low:high].tolist())


def test_cells_of_a_kind_are_counted_in_any_box() -> None:
    kinds = np.random.default_rng(0).integers(-1, 3, (5, 4, 3))
    counts = Counts(kinds, 3)
    for shape in product(*(range(length + 1) for length in kinds.shape)):
        low = [np.array([0, end // 2]) for end in shape]
        high = [np.array([end, end]) for end in shape]
        for kind in range(3):
            expected = [
                int((kinds[tuple(slice(one[at], other[at]) for one, other in zip(low, high))] == kind).sum())
                for at in range(2)
            ]
            assert counts.of(np.full(2, kind), low, high).tolist() == expected
