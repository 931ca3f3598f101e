"""Pictures of splits: who owns which elements of a map."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

import headrace as hr
from docs.plots.svg import Chart

LAT, LON, BLOCK, STEP = 256, 512, 64, 8


def split_blocks() -> str:
    """The elements that the patches of each part have, over the blocks that were dealt out."""
    patches = hr.patches(
        np.zeros((LAT, LON), np.float32), {"lat": 16, "lon": 16}, overlap={"lat": 8, "lon": 8}, dims=("lat", "lon")
    )
    parts = patches.split(
        by_blocks={"lat": BLOCK, "lon": BLOCK}, train=0.7, val=0.3, seed=0, guard={"lat": 16, "lon": 16}
    )
    chart = Chart("Elements in patches, by_blocks of 64, guard=16", "lon", 416, (0, LON, LAT, 0))
    chart.levels(range(0, LAT + 1, BLOCK), "{:.0f}")
    for number, (name, part) in enumerate(parts.items()):
        chart.legend(name, f"f{number}")
        for left, right, low, high in _boxes(_owned(part)):
            chart.box(left * STEP, right * STEP, low * STEP, high * STEP, f"f{number}", 0.8)
    chart.legend("blocks", "g")
    for lon in range(0, LON + 1, BLOCK):
        chart.box(lon, lon, 0, LAT, "g")
    for lat in range(0, LAT + 1, BLOCK):
        chart.box(0, LON, lat, lat, "g")
    chart.names(range(0, LON + 1, BLOCK), [f"{lon}" for lon in range(0, LON + 1, BLOCK)])
    return chart.svg()


def _owned(part: hr.Patches) -> NDArray[np.bool_]:
    """Return which elements lie in a patch, by squares of 8 elements."""
    found = np.zeros((LAT // STEP, LON // STEP), bool)
    for window in part.geometry[part.numbers()]:
        found[tuple(slice(window[dim].start // STEP, window[dim].stop // STEP) for dim in ("lat", "lon"))] = True
    return found


def _boxes(owned: NDArray[np.bool_]) -> Iterator[tuple[int, int, int, int]]:
    """Give stretches of rows that are owned, those of equal rows as one: left, right, low, high."""
    ends = [0, *(np.flatnonzero((owned[1:] != owned[:-1]).any(axis=1)) + 1).tolist(), len(owned)]
    for low, high in pairwise(ends):
        row = np.concatenate([[False], owned[low], [False]])
        sides = np.flatnonzero(row[1:] != row[:-1]).tolist()
        for left, right in zip(sides[::2], sides[1::2], strict=True):
            yield left, right, low, high
