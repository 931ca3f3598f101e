"""Predictions put together the longest way: element by element, from all that were made for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.geometry import Geometry
from headrace.cubes.stitching.blend import LEAST

Element = tuple[int, ...]


def elements(geometry: Geometry, number: int) -> list[tuple[Element, Element]]:
    """Return those of a window that are there: where they lie in the cube, and in the window, with 0 for lost ones."""
    start = geometry.starts(np.array([number]))[0]
    found = []
    for own in product(*(range(axis.size) for axis in geometry.axes)):
        at = tuple(
            int(begin) + place * axis.dilation for begin, place, axis in zip(start, own, geometry.axes, strict=True)
        )
        if all(0 <= place < axis.length for place, axis in zip(at, geometry.axes, strict=True)):
            found.append((at, own))
    return found


def cut(geometry: Geometry) -> list[bool]:
    """Say along which dimensions there are several windows."""
    placed = () if geometry.places is None else geometry.places.dims
    return [axis.kept and (axis.count > 1 or axis.name in placed) for axis in geometry.axes]


def weight(geometry: Geometry, own: Element) -> float:
    """Return what an element of a window weighs where windows are tapered."""
    made = 1.0
    for place, axis, falls in zip(own, geometry.axes, cut(geometry), strict=True):
        if falls and axis.size > 1:
            made *= LEAST + (1 - LEAST) * float(np.sin(np.pi * (place + 0.5) / axis.size)) ** 2
    return made


def distance(geometry: Geometry, own: Element) -> tuple[float, int]:
    """Return how far an element lies from the middle of its window, and in how many dimensions behind it."""
    off = [
        place - (axis.size - 1) / 2 if falls else 0.0
        for place, axis, falls in zip(own, geometry.axes, cut(geometry), strict=True)
    ]
    return sum(one * one for one in off), sum(one > 0 for one in off)


def stitched(geometry: Geometry, numbers: Indices, predictions: NDArray[Any], blend: str) -> NDArray[Any]:
    """Return an array of the cube's shape, float64 and NaN where there is nothing.

    Args:
        geometry: Of the patches.
        numbers: Of those that there are predictions for.
        predictions: Of the shape of patches.
        blend: How those that meet become one.
    """
    met: dict[Element, list[tuple[float, float, tuple[float, int]]]] = defaultdict(list)
    for number, prediction in zip(numbers.tolist(), predictions, strict=True):
        whole = prediction.reshape([axis.size for axis in geometry.axes])
        for at, own in elements(geometry, number):
            if whole[own] == whole[own]:
                met[at].append((float(whole[own]), weight(geometry, own), distance(geometry, own)))
    made = np.full([axis.length for axis in geometry.axes], np.nan)
    for at, all_of in met.items():
        made[at] = one(all_of, blend)
    return made


def one(met: Sequence[tuple[float, float, tuple[float, int]]], blend: str) -> float:
    """Return what becomes of the predictions that meet at an element."""
    values = [value for value, _, _ in met]
    if blend == "first":
        return values[0]
    if blend == "last":
        return values[-1]
    if blend == "crop":
        return min(met, key=lambda each: each[2])[0]
    weights = [weighs if blend == "tapered" else 1.0 for _, weighs, _ in met]
    return float(np.dot(values, weights) / sum(weights))
