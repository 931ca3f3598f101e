"""Making the patches of a cube of which nothing is held: a million of them, by us and by xbatcher."""

# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import importlib.util
import json
import sys
import time
from typing import Any

import numpy as np

import headrace as hr

SIZES = {"time": 10, "lat": 32, "lon": 32}
TURNS = 20


def measured(function: Any, turns: int) -> float:
    """Return the least time that a call took, in seconds."""
    took = []
    for _ in range(turns):
        start = time.perf_counter()
        function()
        took.append(time.perf_counter() - start)
    return min(took)


def figure(size: str) -> dict[str, Any]:
    import xarray as xr

    times = 625_000 if size == "full" else 6_250
    nothing = np.broadcast_to(np.zeros((), np.float32), (times, 128, 128))
    cube = xr.Dataset({"sst": (("time", "lat", "lon"), nothing)})
    lengths = dict(zip(("time", "lat", "lon"), nothing.shape, strict=True))
    found: dict[str, Any] = {"patches": len(hr.patches(cube, sizes=SIZES))}
    found["headrace"] = measured(lambda: hr.patches(cube, sizes=SIZES), TURNS)
    found["alone"] = measured(lambda: len(hr.Geometry.of(lengths, SIZES)), TURNS)
    found["xbatcher"] = None
    if importlib.util.find_spec("xbatcher"):
        import xbatcher

        found["xbatcher"] = measured(lambda: len(xbatcher.BatchGenerator(cube, SIZES)), 3)
    return found


if __name__ == "__main__":
    print(json.dumps(figure(*sys.argv[1:])))
