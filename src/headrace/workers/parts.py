"""Arrays and tensors as they are pickled: what they are goes into the pickle, their memory beside it."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.workers import rebuild

LEAST = 4096
"""Arrays of fewer bytes travel inside the pickle: cheaper, and whoever keeps one keeps no slot."""

TOKEN = pickle.PickleBuffer(bytearray())
"""Stands in a pickle for the memory of the next array, of whatever dtype and layout."""


class Parts:
    """Collects the arrays that a pickler meets, in the order in which the reader will ask for their memory."""

    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []

    def reducers(self) -> dict[type, Callable[[Any], Any]]:
        """Return how objects of exactly these types are taken apart."""
        table: dict[type, Callable[[Any], Any]] = {np.ndarray: self.array, np.memmap: self.array}
        torch: Any = sys.modules.get("torch")
        if hasattr(torch, "Tensor"):  # not while it is being imported
            table[torch.Tensor] = self.tensor
        return table

    def other(self, buffer: pickle.PickleBuffer) -> None:
        """Take memory that is no array, such as a table's; the pickler's callback."""
        if buffer is not TOKEN:
            self.arrays.append(np.frombuffer(buffer.raw(), np.uint8))

    def array(self, array: NDArray[Any]) -> Any:
        """Take an array apart: axes in the order in which they lie in memory, repeated values once."""
        frozen = not array.flags.writeable
        name = rebuild.name_of(array.dtype)
        if name is None or not array.dtype.itemsize:
            plain = array.view(np.ndarray).__reduce__()
            return (rebuild.frozen, plain) if frozen else plain
        if frozen and rebuild.is_spread(array.shape, array.strides):
            return rebuild.spread, (array[rebuild.thin(array.shape, array.strides)], array.shape)
        axes = None
        if not array.flags.c_contiguous:
            order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
            array = array.transpose(order)
            axes = tuple(np.argsort(order).tolist())
        memory: Any = TOKEN
        if array.nbytes < LEAST:
            memory = bytearray(array.tobytes())
        else:
            self.arrays.append(array)
        if axes is None and not frozen:
            return rebuild.array, (memory, name, array.shape)
        return rebuild.array, (memory, name, array.shape, axes, frozen)

    def tensor(self, tensor: Any) -> Any:
        """Take a tensor apart: as an array where its memory can be seen as one, else torch's own way."""
        array = rebuild.array_of(tensor)
        return (
            tensor.__reduce_ex__(5) if array is None else (rebuild.tensor, (array, tensor.dtype, tuple(tensor.shape)))
        )


def address(array: NDArray[Any]) -> int:
    """Return where an array begins."""
    found: int = array.__array_interface__["data"][0]
    return found
