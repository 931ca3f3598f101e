"""torch tensors as columns. Looking at columns never imports torch: where it is not loaded, there are no tensors."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import SchemaError


def torch() -> Any:
    """Return the torch module, loaded since somebody has made a tensor."""
    return sys.modules["torch"]


def is_tensor(value: object) -> bool:
    """Say whether a value is a torch tensor."""
    loaded = sys.modules.get("torch")
    return loaded is not None and isinstance(value, getattr(loaded, "Tensor", ()))  # () while torch is being imported


def is_iterable_dataset(value: object) -> bool:
    """Say whether a value is an iterable-style dataset of torch: it inherits a ``__getitem__`` that only fails."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(value, getattr(data, "IterableDataset", ()))


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
        SchemaError: NumPy has no such dtype (bfloat16).
    """
    try:
        array: NDArray[Any] = tensor.detach().cpu().resolve_conj().resolve_neg().numpy()
    except TypeError as error:
        raise SchemaError(f"NumPy has no {tensor.dtype}; convert it first: tensor.float()") from error
    return array


def from_array(array: NDArray[Any], device: Any = None) -> Any:
    """Return an array of numbers as a tensor: a view in main memory where torch allows, else a copy.

    Args:
        array: Numbers.
        device: Where the tensor shall lie; None for main memory.

    Raises:
        SchemaError: torch has no such dtype.
    """
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    fits = array.flags.writeable and all(step >= 0 and step % array.itemsize == 0 for step in array.strides)
    try:
        tensor = torch().from_numpy(array if fits else array.copy())
    except TypeError as error:
        raise SchemaError(f"torch has no {array.dtype}; convert it first, such as by .astype(np.int64)") from error
    return tensor if device is None else tensor.to(device)


def are_uneven(column: Any) -> bool:
    """Say whether an object column holds tensors only, which differ in their first axis at most."""
    if not isinstance(column, np.ndarray) or column.dtype != object or column.ndim != 1 or not len(column):
        return False
    rows = column.tolist()
    if not all(map(is_tensor, rows)) or not all(row.ndim for row in rows):
        return False
    return len({(row.dtype, row.device, row.shape[1:]) for row in rows}) == 1


def pad(name: str, column: Any, value: Any) -> tuple[Any, NDArray[np.int64]]:
    """Return tensors as one of shape ``(rows, longest, *item)``, filled up behind; a copy. And their lengths.

    Raises:
        SchemaError: The rows are single values.
    """
    if not are_uneven(column) and column.ndim < 2:
        raise SchemaError(f"cannot pad column {name!r}: its rows are single values")
    rows = list(column)
    lengths = np.array([len(row) for row in rows], np.int64)
    first = rows[0]
    shape = (len(rows), int(lengths.max()), *first.shape[1:])
    filled = torch().full(shape, value, dtype=first.dtype, device=first.device)
    for row, out in zip(rows, filled, strict=True):
        out[: len(row)] = row
    return filled, lengths
