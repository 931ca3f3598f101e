"""What lies under xarray's lazy arrays: which array is read, which of its elements are taken, and what decodes them.

xarray wraps an array of a file in layers: a cache, a guard against writing, functions that decode element by element,
selections made so far. Reading through all of them costs more than decoding a chunk, and hides where chunks begin. So
the layers are taken off, as far as they are known; what is not known stays, and is read through xarray.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.reading.grid import Positions, taken

Decoder = Callable[[NDArray[Any]], Any]

_THROUGH = ("MemoryCachedArray", "CopyOnWriteArray", "ImplicitToExplicitIndexingAdapter")
_CASTS = ("NativeEndiannessArray", "BoolTypeArray")


@dataclass(frozen=True)
class Cast:
    """Decode by giving another dtype."""

    dtype: np.dtype[Any]

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.astype(self.dtype, copy=False)


@dataclass(frozen=True, eq=False)
class View:
    """Elements of an array, dimension by dimension, in another order of dimensions, decoded.

    Args:
        array: What is read.
        positions: What is taken along each of its axes; a number drops the axis.
        order: Which axis of it each axis of the view is.
        decoders: What decodes each element, in their order.
    """

    array: Any
    positions: tuple[Positions | int, ...]
    order: tuple[int, ...]
    decoders: tuple[Decoder, ...] = ()

    @classmethod
    def whole(cls, array: Any) -> View:
        """Take all of an array, as it is."""
        return cls(array, tuple(map(range, array.shape)), tuple(range(len(array.shape))))

    def alone(self) -> View:
        """Return it without the array, as one that travels beside what reads it."""
        return View(None, self.positions, self.order, self.decoders)

    def decoded(self, decoder: Decoder) -> View:
        """Return it with one more decoder."""
        return View(self.array, self.positions, self.order, (*self.decoders, decoder))

    def chosen(self, keys: Sequence[Any]) -> View:
        """Return what keys take: a slice, an array or a number for each axis."""
        positions, order = list(self.positions), []
        for axis, key in zip(self.order, keys, strict=True):
            here = positions[axis]
            assert not isinstance(here, int)
            if isinstance(key, int | np.integer):
                positions[axis] = int(here[int(key)])
                continue
            positions[axis] = taken(here, key if isinstance(key, slice) else np.asarray(key, np.int64))
            order.append(axis)
        return View(self.array, tuple(positions), tuple(order), self.decoders)

    def turned(self, order: Sequence[int]) -> View:
        """Return it with its axes in another order."""
        return View(self.array, self.positions, tuple(self.order[axis] for axis in order), self.decoders)


def unwrapped(data: Any) -> View:
    """Return what xarray's lazy array stands for.

    Args:
        data: What lies in a ``Variable`` of xarray: an array, or layers around one.
    """
    kind = type(data).__name__
    if kind in _THROUGH or kind == "NumpyIndexingAdapter":
        return unwrapped(data.array)
    if kind == "_ElementwiseFunctionArray":
        return unwrapped(data.array).decoded(data.func)
    if kind in _CASTS:
        return unwrapped(data.array).decoded(Cast(np.dtype(data.dtype)))
    if kind == "LazilyIndexedArray":
        return unwrapped(data.array).chosen(data.key.tuple)
    if kind == "LazilyVectorizedIndexedArray":
        return _crossed(data) or View.whole(data)
    return View.whole(data)


def _crossed(data: Any) -> View | None:
    """Return a selection by arrays of indices as one along each axis, where it is one: what transposing leaves.

    The array of each axis may vary along one axis of the view only, and along each only one may vary.
    """
    keys = [np.asarray(key) for key in data.key.tuple]
    shape = np.broadcast_shapes(*(key.shape for key in keys))
    chosen: list[Indices | int] = []
    axes: list[int] = []
    for key in keys:
        key = key.reshape((1,) * (len(shape) - key.ndim) + key.shape)
        varies = [place for place in range(len(shape)) if _varies(key, place)]
        if len(varies) > 1:
            return None
        first = tuple(slice(None) if place in varies else 0 for place in range(len(shape)))
        chosen.append(np.asarray(key[first], np.int64) if varies else int(key[first]))
        axes.append(varies[0] if varies else -1)
    for place, length in enumerate(shape):
        if place not in axes and length == 1 and -1 in axes:  # one element of one that does not vary
            free = axes.index(-1)
            axes[free], chosen[free] = place, np.array([chosen[free]], np.int64)
    if sorted(place for place in axes if place >= 0) != list(range(len(shape))):
        return None
    under = unwrapped(data.array).chosen([_steady(key) for key in chosen])
    left = [place for place in axes if place >= 0]
    return under.turned([left.index(place) for place in range(len(shape))])


def _varies(key: Indices, place: int) -> bool:
    return key.shape[place] > 1 and bool((key != key.take([0], axis=place)).any())


def _steady(key: Indices | int) -> slice | Indices | int:
    """Return a slice for indices that follow each other with one step upwards."""
    if isinstance(key, int) or not len(key):
        return key
    step = int(key[1] - key[0]) if len(key) > 1 else 1
    if step < 1 or key[0] < 0 or not (np.diff(key) == step).all():
        return key
    return slice(int(key[0]), int(key[-1]) + 1, step)


def elements(array: Any, box: tuple[slice, ...]) -> NDArray[Any]:
    """Read a box of a lazy array of xarray, or take one of NumPy's: a view of that."""
    if isinstance(array, np.ndarray):
        return array[box]
    from xarray.core.indexing import BasicIndexer

    found = array[BasicIndexer(box)]
    return np.asarray(found.get_duck_array() if hasattr(found, "get_duck_array") else found)
