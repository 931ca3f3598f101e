"""Random windows that lie in one part of a divided cube."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headrace.core import seeds
from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError
from headrace.core.source import Indices
from headrace.cubes.dividing.division import Division, Look
from headrace.cubes.dividing.touching import Reach
from headrace.cubes.geometry import Geometry
from headrace.cubes.places import Anywhere

_BOXES = 1 << 16  # looked at in one go


def sample_in(division: Division, part: str, geometry: Geometry, n: int, seed: int) -> Geometry:
    """Return windows that lie anywhere in a part, each place as likely as any other: a geometry of ``n`` of them.

    Each is drawn by itself, so that one may come twice. No window is tried in vain: windows that touch the same cells
    are looked up together, and what is drawn is a number of those that lie in the part.

    Args:
        division: Of the cube.
        part: Its name.
        geometry: Of windows on a grid; those drawn have its sizes and its dilation, and lie within the cube.
        n: How many.
        seed: Of the draw; more windows of one seed begin with those of fewer.

    Raises:
        ArgumentError: No window of that size lies in the part, or the geometry's lie at places already.

    >>> from headrace.cubes.dividing.splitting import Along, draw
    >>> grid = Geometry.of({"time": 100, "lat": 20}, {"time": 10, "lat": 5})
    >>> division = draw(Along("time"), grid, np.arange(len(grid)), {"train": 0.7, "val": 0.3})
    >>> found = sample_in(division, "val", grid, 1000, seed=0)
    >>> starts = found.starts(np.arange(1000))
    >>> starts.min(axis=0).tolist(), starts.max(axis=0).tolist()
    ([70, 0], [90, 15])
    """
    if part not in division.fractions:
        raise ArgumentError(f"there is no part {part!r}; there are {', '.join(map(repr, division.names))}")
    count, seed = whole(n, "n", 0), seeds.check(seed)
    anywhere = geometry.sample(count, seed).places  # refuses what cannot be drawn
    assert isinstance(anywhere, Anywhere)
    for dim in division.dims:
        if geometry.axis(dim).room < 0:
            axis = geometry.axis(dim)
            raise ArgumentError(f"no window that spans {axis.span} fits into {dim!r}, which has {axis.length} elements")
    begins = anywhere.starts(np.arange(count, dtype=np.int64))
    dims = list(anywhere.dims)
    inside = _starts(division, division.names.index(part), geometry, count, seed)
    for place, dim in enumerate(division.dims):
        if dim in dims:
            begins[:, dims.index(dim)] = inside[:, place]
        else:  # the window has the whole of it
            dims.append(dim)
            begins = np.concatenate([begins, inside[:, place : place + 1]], axis=1)
    return geometry.at(tuple(dims), begins)


@dataclass(frozen=True, eq=False)
class _Classes:
    """Windows of one dimension that touch the same cells: where each class's begin, one class after the other."""

    starts: Indices
    ends: Indices  # where each class ends in the list
    low: Indices
    high: Indices

    @classmethod
    def of(cls, reach: Reach) -> _Classes:
        order = np.lexsort((reach.high, reach.low))
        low, high = reach.low[order], reach.high[order]
        last = np.flatnonzero(np.append((low[1:] != low[:-1]) | (high[1:] != high[:-1]), True))
        return cls(order + reach.first, last + 1, low[last], high[last])

    @property
    def sizes(self) -> Indices:
        return np.diff(self.ends, prepend=0)


def _starts(division: Division, part: int, geometry: Geometry, count: int, seed: int) -> Indices:
    """Return where windows of a part begin in the divided dimensions, int64 ``(count, dimensions)``."""
    look = division.look(geometry, inside=True)
    classes = [_Classes.of(one) for one in look.reaches]
    totals = np.array([int(weights.sum()) for _, weights in _boxes(look, classes, part)], np.int64)
    total = int(totals.sum())
    if not total:
        spans = ", ".join(f"{dim}={geometry.axis(dim).span}" for dim in division.dims)
        raise ArgumentError(
            f"no window that spans {spans} lies in part {division.names[part]!r}: take smaller patches, or split with "
            "larger blocks or a smaller guard"
        )
    words = seeds.generator(seed, "patches in a part").bit_generator.random_raw(count)
    uniform = (np.asarray(words, np.uint64) >> np.uint64(11)) * 2.0**-53
    drawn = np.minimum((uniform * total).astype(np.int64), total - 1)
    piece = np.searchsorted(np.cumsum(totals), drawn, "right")
    found = np.empty((count, len(classes)), np.int64)
    wanted = {*piece.tolist()}
    for number, (boxes, weights) in enumerate(_boxes(look, classes, part)):
        if number in wanted:
            here = np.flatnonzero(piece == number)
            found[here] = _decoded(drawn[here] - int(totals[:number].sum()), boxes, weights, classes)
    return found


def _boxes(look: Look, classes: list[_Classes], part: int) -> Iterator[tuple[list[Indices], Indices]]:
    """Give combinations of classes by the piece: the class along each dimension, and how many windows of the part."""
    shape = tuple(len(one.ends) for one in classes)
    for first in range(0, int(np.prod(shape)), _BOXES):
        numbers = np.arange(first, min(first + _BOXES, int(np.prod(shape))))
        boxes = [np.asarray(one, np.int64) for one in np.unravel_index(numbers, shape)]
        low = [one.low[box] for one, box in zip(classes, boxes, strict=True)]
        high = [one.high[box] for one, box in zip(classes, boxes, strict=True)]
        weights = (look.of_boxes(low, high) == part).astype(np.int64)
        for one, box in zip(classes, boxes, strict=True):
            weights *= one.sizes[box]
        yield boxes, weights


def _decoded(drawn: Indices, boxes: list[Indices], weights: Indices, classes: list[_Classes]) -> Indices:
    """Return the windows that numbers stand for: which combination, then which of each of its classes."""
    ends = np.cumsum(weights)
    at = np.searchsorted(ends, drawn, "right")
    rest = drawn - (ends[at] - weights[at])
    found = np.empty((len(drawn), len(classes)), np.int64)
    for place in reversed(range(len(classes))):
        box = boxes[place][at]
        rest, within = np.divmod(rest, classes[place].sizes[box])
        found[:, place] = classes[place].starts[classes[place].ends[box] - classes[place].sizes[box] + within]
    return found
