"""torch tensors as columns, without ever importing torch: where it is not loaded, there are no tensors."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray


def torch() -> Any:
    """Return the torch module, loaded since somebody has made a tensor."""
    return sys.modules["torch"]


def is_tensor(value: object) -> bool:
    """Say whether a value is a torch tensor."""
    loaded = sys.modules.get("torch")
    return loaded is not None and isinstance(value, loaded.Tensor)


def take(tensor: Any, indices: NDArray[np.int64]) -> Any:
    """Return the rows asked for, on the tensor's own device; a copy."""
    return tensor[torch().from_numpy(np.array(indices)).to(tensor.device)]


def same(a: Any, b: Any) -> bool:
    """Say whether two tensors have one dtype, device and shape, and equal values; NaN equals NaN."""
    if not is_tensor(b) or a.dtype != b.dtype or a.device != b.device or a.shape != b.shape:
        return False
    equal = a == b
    if a.dtype.is_floating_point or a.dtype.is_complex:
        equal = equal | ((a != a) & (b != b))
    return bool(equal.all())


def compact(tensor: Any) -> Any:
    """Return the tensor with a storage of just its own values: a copy if it is cut from a larger one."""
    whole = tensor.untyped_storage().nbytes() == tensor.nelement() * tensor.element_size()
    return tensor if whole else tensor.clone()


def to_numpy(tensor: Any) -> NDArray[Any]:
    """Return the values as an array: a view where they lie in main memory, else a copy.

    Raises:
        TypeError: NumPy has no such dtype (bfloat16).
    """
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array
