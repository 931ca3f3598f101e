"""The cells of a grid tile by tile: the laws of an order, and that each tile's cells lie in a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.address import At
from headrace.core.tiled import Tiled
from headrace.testing.orders import OrderTests


class TestTiled(OrderTests):
    @pytest.fixture
    def order(self) -> Tiled:
        return Tiled((5, 1, 7), (np.array([0, 2]), np.array([0]), np.array([0, 3, 4])))


@st.composite
def grids(draw: st.DrawFn) -> Tiled:
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=3)))
    firsts = []
    for size in shape:
        cuts = draw(st.sets(st.integers(1, size - 1))) if size > 1 else set()
        firsts.append(np.array([0, *sorted(cuts)]))
    return Tiled(shape, tuple(firsts))


@settings(max_examples=80, deadline=None)
@given(grids())
def test_cells_stand_tile_by_tile_and_in_their_own_order_within(order: Tiled) -> None:
    positions = np.arange(order.length)
    cells = order(At(positions)).positions
    assert sorted(cells.tolist()) == positions.tolist()
    tiles = order.tile_of(cells)
    assert (np.diff(tiles) >= 0).all()
    assert (np.diff(cells)[np.diff(tiles) == 0] > 0).all()
    assert order.inverse(cells).tolist() == positions.tolist()
    assert np.bincount(tiles).tolist() == order.counts.tolist()
    grid = np.stack(np.unravel_index(cells, order.shape), axis=1)
    for axis, first in enumerate(order.firsts):
        assert (
            np.unravel_index(tiles, [len(one) for one in order.firsts])[axis]
            == first.searchsorted(grid[:, axis], "right") - 1
        ).all()
