"""What xarray objects get when this module is imported: ``.headrace``, ``.batch``, ``.torch`` and ``.tf``.

>>> import headrace.accessors
>>> import numpy as np, xarray as xr
>>> sst = xr.DataArray(np.zeros((6, 8)), dims=("lat", "lon"), name="sst")
>>> len(sst.headrace.patches({"lat": 3, "lon": 4})), len(sst.batch.generator({"lat": 3}))
(4, 2)

Imported again, or beside ``headrace.compat.xbatcher``, which has the last three, it changes nothing.
"""

from __future__ import annotations

from typing import Any

from headrace.core.errors import MissingExtraError

try:
    import xarray as xr
except ImportError as error:
    raise MissingExtraError.of("xarray", "xarray", "headrace.accessors") from error

from headrace.compat.xbatcher.accessors import BatchAccessor, TFAccessor, TorchAccessor, register
from headrace.patching import Patches, patches

__all__ = ["BatchAccessor", "HeadraceAccessor", "TFAccessor", "TorchAccessor"]


class HeadraceAccessor:
    """``.headrace`` of an xarray object."""

    def __init__(self, xarray_obj: xr.Dataset | xr.DataArray) -> None:
        self._obj = xarray_obj

    def patches(self, *args: Any, **kwargs: Any) -> Patches:
        """Return its patches as a Dataset; the arguments are those of :func:`headrace.patches` after the data.

        >>> ds = xr.Dataset({"a": ("x", [1.0, 2.0, 3.0, 4.0])})
        >>> ds.headrace.patches({"x": 2}, overlap={"x": 1})[2]["a"]
        array([3., 4.])
        """
        return patches(self._obj, *args, **kwargs)

    @property
    def dims(self) -> tuple[str, ...]:
        """The names of the axes of the tensor that ``.torch`` and ``.tf`` make of it.

        >>> xr.Dataset({"a": (("x", "y"), [[1.0]])}).headrace.dims
        ('x', 'y')
        """
        if isinstance(self._obj, xr.Dataset):
            return tuple(map(str, self._obj.to_array().squeeze(dim="variable").dims))
        return tuple(map(str, self._obj.dims))


register("headrace", HeadraceAccessor)
