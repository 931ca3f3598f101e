"""BatchGenerator: the batches of an xarray object, by number."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from operator import index
from typing import Any, SupportsIndex

import numpy as np
import xarray as xr

from headrace.compat.xbatcher.caching import Cache, cache_of
from headrace.compat.xbatcher.gather import gather
from headrace.compat.xbatcher.schema import BatchSchema

__all__ = ["BatchGenerator", "BatchSchema"]

_DATA = "<data>"  # what the variable of a DataArray is called while it is in a Dataset


class BatchGenerator:
    """Batches of a Dataset or a DataArray, made when they are asked for. Any number may be made at once by threads.

    A batch is a patch, or with ``concat_input_dims`` several of them along a new dimension ``input_batch``. Where it
    has two or more dimensions that are not in ``input_dims``, these become one, ``sample``, which comes first. Else a
    dimension of ``batch_dims`` comes first, and dimensions of ``input_dims`` are in the order in which these were
    given.

    A batch that is one patch of an array in memory may be a view of it.

    Args:
        ds: The data.
        input_dims: The size of a patch along each dimension, such as ``{"lat": 30, "lon": 30}``.
        input_overlap: How many elements neighbours share, such as ``{"lat": 3}``.
        batch_dims: The size of a batch along each dimension, such as ``{"time": 10}``.
        concat_input_dims: Whether all patches of a batch are put together; else each is a batch.
        preload_batch: Whether a batch is loaded into memory when it is made, in one go; else dask arrays stay lazy.
        cache: Where batches are kept, once they are made: a dict (in this process), the path of a Zarr group or one of
            Zarr's stores, or a :class:`headrace.Store`. It is bound to the data and to the other arguments; one that
            was made of others is refused.
        cache_preprocess: Called with each batch before it is kept; what it returns is the batch. Without a cache it is
            not called.

    Attributes:
        ds: The data.
        cache: As given.
        cache_preprocess: As given.

    Raises:
        ArgumentError: See :class:`BatchSchema`.

    >>> ds = xr.Dataset({"a": (("time", "x"), np.arange(12).reshape(3, 4))})
    >>> generator = BatchGenerator(ds, {"x": 2}, batch_dims={"time": 1})
    >>> len(generator), generator[-1]["a"].values
    (6, array([[10, 11]]))
    """

    def __init__(
        self,
        ds: xr.Dataset | xr.DataArray,
        input_dims: Mapping[Hashable, int],
        input_overlap: Mapping[Hashable, int] | None = None,
        batch_dims: Mapping[Hashable, int] | None = None,
        concat_input_dims: bool = False,
        preload_batch: bool = True,
        cache: Any = None,
        cache_preprocess: Callable[[Any], Any] | None = None,
    ) -> None:
        self.ds = ds
        self.cache = cache
        self.cache_preprocess = cache_preprocess
        self._batch_selectors = BatchSchema(
            ds, input_dims, input_overlap, batch_dims, concat_input_dims, preload_batch=preload_batch
        )
        self._cache: Cache | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_cache": None}  # another process opens it anew

    @property
    def input_dims(self) -> dict[Hashable, int]:
        """The size of a patch along each dimension."""
        return self._batch_selectors.input_dims

    @property
    def input_overlap(self) -> dict[Hashable, int]:
        """How many elements neighbours share."""
        return self._batch_selectors.input_overlap

    @property
    def batch_dims(self) -> dict[Hashable, int]:
        """The size of a batch along each dimension."""
        return self._batch_selectors.batch_dims

    @property
    def concat_input_dims(self) -> bool:
        """Whether all patches of a batch are put together."""
        return self._batch_selectors.concat_input_dims

    @property
    def preload_batch(self) -> bool:
        """Whether a batch is loaded into memory when it is made."""
        return self._batch_selectors.preload_batch

    def __len__(self) -> int:
        return len(self._batch_selectors.selectors)

    def __iter__(self) -> Iterator[Any]:
        for number in range(len(self)):
            yield self[number]

    def __getitem__(self, idx: SupportsIndex) -> Any:
        """Return a batch; a negative number counts from the end.

        Raises:
            NotImplementedError: It is no whole number.
            IndexError: There is no such batch.
        """
        if not isinstance(idx, int | np.integer):
            raise NotImplementedError(
                f"{type(self).__name__} is indexed by one whole number, a batch's, got {idx!r:.80}"
            )
        number = index(idx) + len(self) if index(idx) < 0 else index(idx)
        if not 0 <= number < len(self):
            raise IndexError(f"list index out of range: there is no batch {idx}, there are {len(self)}")
        if self.cache is None:
            return self._made(number)
        if self._cache is None:
            self._cache = cache_of(self)
        kept = self._cache.find(number)
        return self._cache.keep(number, lambda: self._preprocessed(number)) if kept is None else kept

    def _preprocessed(self, number: int) -> Any:
        batch = self._made(number)
        return batch if self.cache_preprocess is None else self.cache_preprocess(batch)

    def _made(self, number: int) -> Any:
        if self.concat_input_dims:
            return self._together(number)
        batch = self.ds.isel(self._batch_selectors.selectors.first(number))
        if self.preload_batch:
            batch.load()
        others = [dim for dim in batch.sizes if dim not in self.input_dims]
        if len(others) > 1:
            return batch.stack(sample=others).transpose("sample", *self.input_dims)
        order = _order([*batch.sizes], [*self.input_dims], self.batch_dims)
        return batch if order == [*batch.sizes] else batch.transpose(*order)

    def _together(self, number: int) -> Any:
        """Return all patches of a batch as one object."""
        selectors, single = self._batch_selectors.selectors, isinstance(self.ds, xr.DataArray)
        ds = self.ds.to_dataset(name=_DATA) if isinstance(self.ds, xr.DataArray) else self.ds
        made = gather(ds, selectors.geometry, selectors.starts(number), [*self.input_dims], self.preload_batch)
        return made[_DATA].rename(self.ds.name) if single else made


def _order(dims: list[Hashable], inputs: list[Hashable], batch_dims: Mapping[Hashable, int]) -> list[Hashable]:
    """Return dimensions with that of ``batch_dims`` first, and those of inputs in their order.

    One that is in neither stays where it is.
    """
    given = iter(inputs)
    placed = [next(given) if dim in inputs else dim for dim in dims]
    return sorted(placed, key=lambda dim: dim in inputs or dim not in batch_dims)
