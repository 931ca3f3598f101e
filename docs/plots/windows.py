"""Pictures of patches: where windows lie, and from which chunks the patches of an epoch come."""

from __future__ import annotations

import numpy as np
import zarr

import headrace as hr
from docs.plots.svg import Chart
from headrace.core.source import Indices

LAT, LON = 24, 48
DIMS = ("time", "lat", "lon")


def patch_windows() -> str:
    """All windows of a grid, which are darker where they overlap, over the chunks of the cube."""
    field = np.zeros((LAT, LON), np.float32)
    patches = hr.patches(field, {"lat": 8, "lon": 12}, overlap={"lat": 4, "lon": 4}, dims=("lat", "lon"))
    chart = Chart(f"Sizes lat 8, lon 12; overlap 4: {len(patches)} patches", "lon", 400, (0, LON, LAT, 0))
    chart.levels([0, 8, 16, 24], "{:.0f}")
    for window in patches.geometry[:]:
        chart.box(*_sides(window), "s0 f0", 0.13)
    for number in (0, 8):
        left, right, low, high = _sides(patches.geometry[number])
        chart.box(left, right, low, high, "s1 l")
        chart.words(left + 3.8, low + 2.4, f"patch {number}")
    for lat in (0, 12, 24):
        chart.box(0, LON, lat, lat, "m")
    for lon in (0, 16, 32, 48):
        chart.box(lon, lon, 0, LAT, "m")
    chart.legend("windows", "f0")
    chart.legend("two of them", "s1 l")
    chart.legend("borders of chunks", "m")
    chart.names([0, 16, 32, 48], ["0", "16", "32", "48"])
    return chart.svg()


def _sides(window: dict[str, slice]) -> tuple[int, int, int, int]:
    lat, lon = window["lat"], window["lon"]
    return lon.start, lon.stop, lat.start, lat.stop


def patch_partial() -> str:
    """What becomes of the window that would run past the end."""
    chart = Chart("20 elements, size 6, overlap 2", "element", 330, (0, 23, 17.5, 0))
    row = 0.5
    for kind, mode in (("0", "drop"), ("1", "pad"), ("2", "shift")):
        patches = hr.patches(np.zeros(20), {"x": 6}, overlap={"x": 2}, partial=mode, dims=("x",))
        chart.legend(f'partial="{mode}"', f"f{kind}")
        for start in patches.geometry.starts(np.arange(len(patches)))[:, 0].tolist():
            chart.box(start, min(start + 6, 20), row, row + 0.8, f"s{kind} f{kind}")
            if start + 6 > 20:
                chart.box(20, start + 6, row, row + 0.8, f"s{kind} f{kind}", 0.2)
            row += 1
        row += 1
    chart.box(20, 20, 0, 17.5, "m")
    chart.legend("the end", "m")
    chart.names([0, 4, 8, 12, 16, 20], ["0", "4", "8", "12", "16", "20"])
    return chart.svg()


def patch_orders() -> str:
    """From which chunks the patches of an epoch come, one after the other."""
    cube = zarr.create_array({}, shape=(200, 96, 96), chunks=(50, 32, 32), dtype="f4", dimension_names=DIMS)
    whole = hr.patches(cube, {"time": 10, "lat": 16, "lon": 16})
    orders = {"shuffle": whole.shuffle(seed=0), "block_shuffle": whole.block_shuffle("5 MB", seed=0, lanes=2)}
    chart = Chart("The chunk that each patch comes from", "position in the epoch", 420, (0, len(whole), 76, 0))
    for number, (words, patches) in enumerate(orders.items()):
        chart.legend(words, f"s{number} l")
        chunks = _chunks(patches)
        for chunk in range(36):
            chart.ticks(38 * number + chunk + 0.5, np.flatnonzero(chunks == chunk).tolist(), f"s{number} r")
    chart.names(range(0, len(whole) + 1, 180), [f"{at}" for at in range(0, len(whole) + 1, 180)])
    return chart.svg()


def _chunks(patches: hr.Patches) -> Indices:
    """Return the number of the chunk in which each patch begins, in the order of an epoch."""
    starts = patches.geometry.starts(patches.numbers()) // (50, 32, 32)
    found: Indices = starts @ np.array([9, 3, 1])
    return found
