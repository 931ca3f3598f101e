"""A variable read once through, in stripes that fit into memory; and single elements of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.cube import Variable

Piece: TypeAlias = tuple[tuple[slice, ...], NDArray[Any]]
"""Where a part of a variable lies, and its elements."""

SMALL, LARGE = 32 << 20, 512 << 20
"""Bytes of a table that are made together: at least, if it has as many; at most, else a row of chunks is read twice."""

TOGETHER = 64 << 20
"""Bytes of chunks that are asked for together, so that they are decoded beside each other."""


def stripes(variable: Variable, along: int, row_bytes: int) -> Iterator[tuple[int, int, Iterator[Piece]]]:
    """Yield a variable in stripes across one dimension, each with its pieces; those of one come before the next.

    A stripe is as high as the chunks, or as several of them where they are flat. Where what is made of a stripe would
    be too large for the memory, stripes are lower, and chunks are read again for each of them.

    Args:
        variable: What is read.
        along: Across which of its dimensions.
        row_bytes: How large what is made of one element along that dimension becomes.
    """
    edges = variable.edges
    length = variable.shape[along]
    least, most = max(1, SMALL // max(row_bytes, 1)), max(1, LARGE // max(row_bytes, 1))
    borders = np.arange(length + 1) if edges is None else edges[along]
    start = 0
    while start < length:
        border = borders[np.searchsorted(borders, min(start + least, length))]  # the first that is far enough
        stop = min(int(border), start + most)
        yield (
            start,
            stop,
            _at_hand(variable, along, start, stop) if edges is None else _chunks(variable, edges, along, start, stop),
        )
        start = stop


def _at_hand(variable: Variable, along: int, start: int, stop: int) -> Iterator[Piece]:
    where = tuple(
        slice(start, stop) if place == along else slice(0, length) for place, length in enumerate(variable.shape)
    )
    yield where, variable.whole()[where]


def _chunks(variable: Variable, edges: tuple[Indices, ...], along: int, start: int, stop: int) -> Iterator[Piece]:
    first = int(np.searchsorted(edges[along], start, "right")) - 1
    behind = int(np.searchsorted(edges[along], stop))
    ranges = [range(first, behind) if place == along else range(len(own) - 1) for place, own in enumerate(edges)]
    largest = prod(int(np.diff(own).max(initial=1)) for own in edges) * variable.dtype.itemsize
    for chunks in _some(product(*ranges), max(1, TOGETHER // max(largest, 1))):
        for chunk, values in zip(chunks, variable.read(chunks), strict=True):
            where = [slice(int(own[at]), int(own[at + 1])) for own, at in zip(edges, chunk, strict=True)]
            low, high = max(start, where[along].start), min(stop, where[along].stop)
            cut = [slice(None)] * len(where)
            cut[along] = slice(low - where[along].start, high - where[along].start)
            where[along] = slice(low, high)
            yield tuple(where), values[tuple(cut)]


def _some(items: Iterator[tuple[int, ...]], most: int) -> Iterator[list[tuple[int, ...]]]:
    some: list[tuple[int, ...]] = []
    for item in items:
        some.append(item)
        if len(some) == most:
            yield some
            some = []
    if some:
        yield some


def elements(variable: Variable, positions: Indices) -> NDArray[Any]:
    """Return single elements of a variable, each chunk read once: a new array ``(n,)``.

    Args:
        variable: Of what.
        positions: Their places in its dimensions, in its own order, ``(n, ndim)``.
    """
    edges = variable.edges
    if edges is None:
        found: NDArray[Any] = np.array(variable.whole()[tuple(positions.T)])
        return found if variable.shape else np.full(len(positions), found)
    if not variable.shape:
        return np.full(len(positions), variable.read([()])[0])
    chunks = [own.searchsorted(at, "right") - 1 for own, at in zip(edges, positions.T, strict=True)]
    grid = tuple(len(own) - 1 for own in edges)
    flat = np.ravel_multi_index(chunks, grid)
    order = np.argsort(flat, kind="stable")
    wanted, begins = np.unique(flat[order], return_index=True)
    ends = np.append(begins[1:], len(order))
    made = np.empty(len(positions), variable.dtype)
    largest = prod(int(np.diff(own).max(initial=1)) for own in edges) * variable.dtype.itemsize
    places = list(zip(*(at.tolist() for at in np.unravel_index(wanted, grid)), strict=True))
    number = 0
    for some in _some(iter(places), max(1, TOGETHER // max(largest, 1))):
        for chunk, values in zip(some, variable.read(some), strict=True):
            rows = order[begins[number] : ends[number]]
            corner = np.array([own[at] for own, at in zip(edges, chunk, strict=True)])
            made[rows] = values[tuple((positions[rows] - corner).T)]
            number += 1
    return made
