"""The names and the behaviour of xbatcher 0.4, for moving over with one changed import.

``import headrace.compat.xbatcher as xbatcher`` runs what was written for it (extra ``xarray``). Batches are what they
were, named and labelled as they were.

>>> import numpy as np, xarray as xr
>>> ds = xr.Dataset({"sst": (("time", "lat", "lon"), np.zeros((4, 6, 8), np.float32))})
>>> generator = BatchGenerator(ds, {"lat": 3, "lon": 4}, batch_dims={"time": 2}, concat_input_dims=True)
>>> len(generator), dict(generator[0].sizes)
(2, {'sample': 8, 'lat_input': 3, 'lon_input': 4})

It differs where a program cannot rely on what there was:

* A generator lists no patches: one of a million is made in microseconds. ``BatchSchema.selectors`` is a mapping.
* With ``concat_input_dims`` a batch is loaded once, and cut from that; what was lazy after all is loaded if
  ``preload_batch`` says so. Batches without any patch are not counted. Coordinates of a DataArray come out as those of
  a Dataset do.
* Dimensions come in the order of ``input_dims``, behind that of ``batch_dims``, also where there is nothing to stack.
* A cache is hit with Zarr 3, gives DataArrays and stacked dimensions back as they were, is refused with other data or
  arguments than it was made of, and may be a :class:`headrace.Store`.
* ``BatchSchema.to_json`` has all selectors, and ``concat_input_dims`` as it is.
* ``IterableDataset`` gives each batch once, also with several workers.
"""

from headrace.core.errors import MissingExtraError

try:
    import xarray  # noqa: F401 - that all below needs
except ImportError as error:
    raise MissingExtraError.of("xarray", "xarray", "headrace.compat.xbatcher") from error

from headrace.compat.xbatcher import accessors, testing
from headrace.compat.xbatcher.accessors import BatchAccessor
from headrace.compat.xbatcher.generators import BatchGenerator, BatchSchema
from headrace.compat.xbatcher.util import print_versions
from headrace.compat.xbatcher.util.print_versions import show_versions

__version__ = "0.4.0"  # whose names and behaviour these are

__all__ = [
    "BatchAccessor",
    "BatchGenerator",
    "BatchSchema",
    "accessors",
    "print_versions",
    "show_versions",
    "testing",
]
