"""Patches out of arrays and chunks of the sizes that are met with: all ways to gather them give the same."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from headrace.cubes.axis import Axis
from headrace.cubes.cube import Cube
from headrace.cubes.gathering.gather import FEW
from headrace.cubes.gathering.table import KEPT, Table, jobs
from headrace.cubes.geometry import Geometry
from headrace.cubes.source import PatchSource
from tests.cubes.oracle import Held, chunked

LENGTHS = {"t": 60, "y": 50, "x": 40}
ARRAY = np.random.default_rng(0).random((60, 50, 40), np.float32)


def cube(*chunks: int) -> Cube:
    """Return the array as variables: at hand and in chunks, and both with its dimensions in another order."""
    turned = ARRAY.transpose(2, 0, 1).copy()
    variables = {
        "hand": Held("hand", ("t", "y", "x"), ARRAY),
        "turned": Held("turned", ("x", "t", "y"), turned),
        "chunks": chunked("chunks", ("t", "y", "x"), ARRAY, chunks),
        "both": chunked("both", ("x", "t", "y"), turned, (chunks[2], *chunks[:2])),
        "columns": Held("columns", ("t", "y", "x"), np.asfortranarray(ARRAY)),
        "every other": Held("every other", ("t", "y", "x"), np.repeat(ARRAY, 2, 2)[:, :, ::2]),
        "backwards": Held("backwards", ("t", "y", "x"), ARRAY[::-1, :, ::-1].copy()[::-1, :, ::-1]),
    }
    return Cube(variables, LENGTHS)


@pytest.mark.parametrize("count", [1, 16, FEW, FEW + 1, 2000])
@pytest.mark.parametrize("sizes", [(5, 16, 16), (1, 8, 8), (24, 1, 1), (20, 40, 30)])
@pytest.mark.parametrize(
    "more", [{}, {"partial": "pad"}, {"partial": "pad", "fill": "reflect"}, {"dilation": {"t": 2}}]
)
def test_all_ways_to_gather_give_the_same(count: int, sizes: tuple[int, ...], more: dict[str, object]) -> None:
    windows = dict(zip(LENGTHS, sizes, strict=True))
    stride = {dim: max(1, size // 2) for dim, size in windows.items()}
    geometry = Geometry.of(LENGTHS, windows, stride=stride, **more)  # type: ignore[arg-type]
    source = PatchSource(cube(20, 16, 17), geometry)
    numbers = np.random.default_rng(1).integers(0, len(geometry), min(count, 250_000 // prod(sizes) + 1))
    batch = source.read(numbers)
    for name in batch:
        np.testing.assert_array_equal(batch[name], batch["hand"], err_msg=name)
    if geometry.pads:
        return
    for row, number in enumerate(numbers[:20].tolist()):
        np.testing.assert_array_equal(batch["hand"][row], ARRAY[tuple(geometry[number].values())])


def test_chunks_of_any_sizes() -> None:
    edges = (np.array([0, 1, 30, 60]), np.array([0, 49, 50]), np.array([0, 3, 8, 20, 40]))
    uneven = Cube({"hand": cube(9, 9, 9).variables["hand"], "a": Held("a", ("t", "y", "x"), ARRAY, edges)}, LENGTHS)
    source = PatchSource(uneven, Geometry.of(LENGTHS, {"t": 4, "y": 9, "x": 7}, stride={"t": 3, "y": 5, "x": 2}))
    for count in (10, 500):
        batch = source.read(np.random.default_rng(count).integers(0, len(source), count))
        np.testing.assert_array_equal(batch["hand"], batch["a"])


def test_what_is_kept_of_places_is_bounded() -> None:
    table = Table(Axis("x", 10 * KEPT, 4, 1), np.array([0, 5 * KEPT, 10 * KEPT]), 1)
    for begin in range(2 * KEPT + 10):
        assert table[begin][0][1].start == begin  # type: ignore[union-attr]
    assert 0 < len(table.kept) <= KEPT


def test_pieces_of_windows_without_dimensions() -> None:
    assert jobs((), np.empty((2, 0), np.int64), [4, 7]) == {0: [((4,), ()), ((7,), ())]}
