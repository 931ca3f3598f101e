"""What xarray objects get: ``.batch``, ``.torch`` and ``.tf``."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import xarray as xr

from headrace.compat.xbatcher.generators import BatchGenerator

Accessor = TypeVar("Accessor", bound=type)


def register(name: str, accessor: Accessor) -> Accessor:
    """Make an accessor known to xarray. Done before, also by another import of the same, it is not done again.

    One of another library is replaced, of which xarray warns.
    """
    for kind, add in (
        (xr.Dataset, xr.register_dataset_accessor),
        (xr.DataArray, xr.register_dataarray_accessor),
    ):
        known = getattr(kind, name, None)
        if (getattr(known, "__module__", ""), getattr(known, "__qualname__", "")) != (
            accessor.__module__,
            accessor.__qualname__,
        ):
            add(name)(accessor)  # type: ignore[no-untyped-call]
    return accessor


def _as_xarray_dataarray(xr_obj: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Return a Dataset of one variable as a DataArray; a DataArray as it is."""
    return xr_obj.to_array().squeeze(dim="variable") if isinstance(xr_obj, xr.Dataset) else xr_obj


def values_of(xr_obj: Any) -> Any:
    """Return an object's values as tensors take them: loaded, and in this machine's byte order."""
    data = _as_xarray_dataarray(xr_obj).data if isinstance(xr_obj, xr.Dataset | xr.DataArray) else xr_obj
    if hasattr(data, "dask"):
        data = data.compute()
    if isinstance(data, np.ndarray) and not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    return data


class BatchAccessor:
    """``.batch`` of an xarray object.

    >>> ds = xr.Dataset({"a": ("x", np.arange(4))})
    >>> len(ds.batch.generator({"x": 2}))
    2
    """

    def __init__(self, xarray_obj: xr.Dataset | xr.DataArray) -> None:
        self._obj = xarray_obj

    def generator(self, *args: Any, **kwargs: Any) -> BatchGenerator:
        """Return a :class:`BatchGenerator` of it; the arguments are those after ``ds``."""
        return BatchGenerator(self._obj, *args, **kwargs)


class TFAccessor:
    """``.tf`` of an xarray object."""

    def __init__(self, xarray_obj: xr.Dataset | xr.DataArray) -> None:
        self._obj = xarray_obj

    def to_tensor(self) -> Any:
        """Return the values as a ``tensorflow.Tensor``; a Dataset has one variable."""
        import tensorflow as tf  # type: ignore[import-untyped]

        return tf.convert_to_tensor(values_of(self._obj))


class TorchAccessor:
    """``.torch`` of an xarray object."""

    def __init__(self, xarray_obj: xr.Dataset | xr.DataArray) -> None:
        self._obj = xarray_obj

    def to_tensor(self) -> Any:
        """Return the values as a ``torch.Tensor``, a copy; a Dataset has one variable."""
        import torch

        return torch.tensor(values_of(self._obj))

    def to_named_tensor(self) -> Any:
        """Return the same with the names of the dimensions as ``names``.

        Versions of PyTorch that have named tensors make one of those. Later ones have none: there ``names`` is a plain
        attribute, which what is computed from the tensor does not have.
        """
        import torch

        names = tuple(_as_xarray_dataarray(self._obj).dims)
        make: Any = torch.tensor
        if hasattr(torch.Tensor, "names"):
            return make(values_of(self._obj), names=names)
        made = make(values_of(self._obj))
        made.names = names
        return made


register("batch", BatchAccessor)
register("tf", TFAccessor)
register("torch", TorchAccessor)
