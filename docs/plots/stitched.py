"""Pictures of stitching: where predictions of patches differ from one of the whole map."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import headrace as hr
from docs.plots.svg import Chart
from headrace.cubes.stitching.blend import Blending

LAT, LON, SIZE, RADIUS, CELL = 64, 96, 32, 4, 2


def model(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means over 9 x 9 points; past the border of what it is given it sees nothing but the border."""
    around = np.pad(maps, ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)), mode="edge")
    found: NDArray[np.float32] = sliding_window_view(around, (9, 9), axis=(1, 2)).mean(axis=(-2, -1))
    return found


def errors(overlap: int, blend: Blending, times: int = 40) -> NDArray[np.floating]:
    """Return how far a stitched map lies from one that was made whole, as the root of the mean of squares over time."""
    rng = np.random.default_rng(0)
    maps = model(rng.standard_normal((times, LAT, LON), np.float32))  # smooth fields
    windows = {"lat": SIZE, "lon": SIZE}
    patches = hr.patches(
        maps,
        windows,
        dict.fromkeys(windows, overlap),
        partial="shift",
        batch_dims="time",
        dims=("time", "lat", "lon"),
    )
    predicted = (model(batch["data"]) for batch in patches.batch(64).stream())
    far: Any = hr.stitch(predicted, patches, blend=blend) - model(maps)
    found: NDArray[np.floating] = np.sqrt((far**2).mean("time").values)
    return found


def stitch_seams() -> str:
    """Where the error is, on the map, side by side and blended."""
    chart = Chart("How far from a prediction of the whole map", "lon", 260, (0, 3 * LON + 16, LAT, 0))
    made: list[tuple[str, NDArray[np.floating]]] = [
        ("side by side", errors(0, "mean")),
        ("overlap 16, mean", errors(16, "mean")),
        ("overlap 16, tapered", errors(16, "tapered")),
    ]
    most = max(float(found.max()) for _, found in made)
    for number, (words, found) in enumerate(made):
        left = number * (LON + 8)
        chart.legend(words, f"f{number}")
        cells = found.reshape(LAT // CELL, CELL, LON // CELL, CELL).max(axis=(1, 3))
        levels = np.ceil(np.maximum(cells / most - 0.05, 0) * 5) / 5
        for row, values in enumerate(levels):
            ends = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
            for first, last in pairwise(ends):
                if values[first]:
                    sides = (left + first * CELL, left + last * CELL, row * CELL, (row + 1) * CELL)
                    chart.box(*sides, f"f{number}", 0.9 * float(values[first]))
        for lat in (0, LAT):
            chart.box(left, left + LON, lat, lat, "g")
        for lon in (0, LON):
            chart.box(left + lon, left + lon, 0, LAT, "g")
    places = [0, 32, 64]
    for left in (0, LON + 8, 2 * LON + 16):
        chart.names([left + place for place in places], [f"{place}" for place in places])
    return chart.svg()


def stitch_blends() -> str:
    """How large the error is along the map."""
    chart = Chart("Error along lon, overlap 16, as a share of what is predicted", "lon", 300, (0, LON, 0, 0.25))
    chart.levels([0, 0.05, 0.1, 0.15, 0.2, 0.25])
    spread = float(model(np.random.default_rng(0).standard_normal((40, LAT, LON), np.float32)).std())
    blends: list[tuple[str, Blending, int]] = [
        ("side by side", "mean", 0),
        ("mean", "mean", 16),
        ("tapered", "tapered", 16),
    ]
    for number, (words, blend, overlap) in enumerate(blends):
        rows = errors(overlap, blend)[6:11] / spread
        rms = np.sqrt((rows**2).mean(axis=0))
        chart.line(words, (np.arange(LON) + 0.5).tolist(), rms.tolist(), f"s{number} l")
    chart.names([0, 16, 32, 48, 64, 80, 96], ["0", "16", "32", "48", "64", "80", "96"])
    return chart.svg()
