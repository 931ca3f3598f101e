"""Arrays and tensors made again over memory that has travelled; what the pickles of values call."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core import tensors

Shape = tuple[int, ...]
Name = str | np.dtype[Any]


def array(memory: Any, dtype: Name, shape: Shape, axes: Shape | None = None, is_frozen: bool = False) -> NDArray[Any]:
    """Return an array over memory.

    Args:
        memory: The values, in C order.
        dtype: Of the values.
        shape: In which the values lie in C order.
        axes: How the axes are turned then, as ``transpose`` takes it; None as they are.
        is_frozen: Whether it can not be written to.

    >>> array(bytearray(range(6)), "|u1", (2, 3), (1, 0)).tolist()
    [[0, 3], [1, 4], [2, 5]]
    """
    made: NDArray[Any] = np.ndarray(shape, dtype, memory)
    if axes is not None:
        made = made.transpose(axes)
    if is_frozen:
        made.flags.writeable = False
    return made


def frozen(make: Callable[..., NDArray[Any]], arguments: tuple[Any, ...], state: Any) -> NDArray[Any]:
    """Return an array that NumPy itself has pickled, and that cannot be written to."""
    made = make(*arguments)
    made.__setstate__(state)
    made.flags.writeable = False
    return made


def strided(memory: Any, dtype: Name, shape: Shape, first: int, strides: Shape, is_frozen: bool) -> NDArray[Any]:
    """Return an array that steps through memory; its first value begins at ``first``."""
    made: NDArray[Any] = np.ndarray(shape, dtype, memory, first, strides)
    made.flags.writeable = not is_frozen
    return made


def spread(thin: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Return an array that repeats another, as ``np.broadcast_to`` makes it."""
    return np.broadcast_to(thin, shape)


def is_spread(shape: Shape, strides: Shape) -> bool:
    """Say whether an array shows one value in several places of an axis."""
    return any(step == 0 and size > 1 for size, step in zip(shape, strides))


def thin(shape: Shape, strides: Shape) -> tuple[slice, ...]:
    """Return the slices that show each value of such an array once."""
    return tuple(slice(0, 1) if step == 0 else slice(None) for step in strides)


def tensor(values: NDArray[Any], dtype: Any, shape: Shape) -> Any:
    """Return a tensor that shares an array's memory; the dtype, which is torch's, brings torch with it."""
    made = tensors.torch().from_numpy(values)
    if made.dtype != dtype:
        made = made.view(dtype)
    return made if tuple(made.shape) == shape else made.expand(shape)


def array_of(tensor: Any) -> NDArray[Any] | None:
    """Return the array that shares a tensor's memory and shows each value once; None where there is none.

    Of a dtype that NumPy does not know (bfloat16), the bits as whole numbers.
    """
    torch = tensors.torch()
    odd = tensor.requires_grad or tensor.is_quantized or tensor.is_conj() or tensor.is_neg()
    if odd or tensor.device.type != "cpu" or tensor.layout is not torch.strided or vars(tensor):
        return None
    if is_spread(tensor.shape, tensor.stride()):
        tensor = tensor[thin(tensor.shape, tensor.stride())]
    try:
        made: NDArray[Any] = tensor.numpy()
        return made
    except TypeError:  # bfloat16 and the like
        bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}.get(tensor.element_size())
        return None if bits is None else tensor.view(bits).numpy()


def name_of(dtype: np.dtype[Any]) -> Name | None:
    """Return what stands for a dtype in a pickle; None where values are no plain memory, such as objects."""
    if dtype.metadata is not None:
        return None if dtype.hasobject else dtype
    return _name_of(dtype)


@lru_cache(maxsize=256)
def _name_of(dtype: np.dtype[Any]) -> Name | None:
    if dtype.hasobject or dtype.kind not in "biufcmMSUV":
        return None
    if dtype.fields is not None or dtype.isbuiltin == 2:
        return dtype
    return dtype.str if np.dtype(dtype.str) == dtype else dtype
